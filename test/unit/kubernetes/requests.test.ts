import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { identityOf } from '../../../src/cluster/from-api.ts'
import type { ApiClient } from '../../../src/kubernetes/client.ts'
import { Requests } from '../../../src/kubernetes/requests.ts'
import { SilenceLimit } from '../../../src/kubernetes/silence-limit.ts'
import { serviceOf } from '../../support/fake-api-objects.ts'
import { FakeTime } from '../../support/fake-api-time.ts'

/** @param page names of the objects of each page, which names another as the next; undefined: the last */
function pagesOf(page: (number: number) => readonly string[] | undefined) {
  const client = {
    async get() {
      const names = page(requests.count)
      const next = names === undefined ? '' : `token-${requests.count}`
      const items = (names ?? ['last']).map(name => serviceOf(name))
      const body = JSON.stringify({ metadata: { resourceVersion: '5', continue: next }, items })
      return Object.assign(Readable.from([Buffer.from(body)]), { statusCode: 200, headers: {} })
    },
  } as unknown as ApiClient
  const requests = new Requests(client, { path: '/things', name: 'things', identityOf })
  const taken: string[] = []
  const list = async () => {
    const silence = new SilenceLimit(new FakeTime().deps, new AbortController().signal)
    try {
      return await requests.list({ limit: '500' }, silence, raw => taken.push(identityOf(raw).name))
    } finally {
      silence.end()
    }
  }
  return { requests, taken, list }
}

describe('a list', () => {
  it('of which no object comes is silent, whatever octets do', async () => {
    const time = new FakeTime()
    const silence = new SilenceLimit(time.deps, new AbortController().signal)
    const body = new Readable({ read() {} })
    silence.signal.addEventListener('abort', () => body.destroy(new Error('aborted')))
    const client = { get: async () => Object.assign(body, { statusCode: 200, headers: {} }) } as unknown as ApiClient
    const requests = new Requests(client, { path: '/things', name: 'things', identityOf })
    const list = assert.rejects(
      requests.list({}, silence, () => {}),
      /nothing came from the API server for 150 s/,
    )
    for (const ms of [100_000, 50_000]) {
      body.push('\n')
      while (body.readableLength > 0) await setImmediate()
      await time.advance(ms)
    }
    await list
  })
})

describe('pages of a list', () => {
  it('are all taken, empty ones too', async () => {
    const { list, taken } = pagesOf(number => [['a', 'b'], [], ['c'], []][number - 1])
    assert.equal(await list(), '5')
    assert.deepEqual(taken, ['a', 'b', 'c', 'last'])
  })

  for (const [what, page, most] of [
    ['bring the same again and again', () => ['a', 'b'], 12],
    ['go round', (number: number) => [['a'], ['b'], ['c']][number % 3], 15],
    ['are empty', () => [], 12],
    ['bring ever new objects', (number: number) => [`a-${number}`], 1000],
  ] as const) {
    it(`that ${what}, each with a new token, are given up`, async () => {
      const { list, requests } = pagesOf(page)
      await assert.rejects(list(), { code: 'ERR_API_MALFORMED', message: /^the list has no end: / })
      assert.ok(requests.count <= most, `${requests.count} pages`)
    })
  }
})
