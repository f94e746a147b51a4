import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it, type TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { type ApiClient, openClient } from '../../../src/kubernetes/client.ts'
import { Heartbeat } from '../../../src/kubernetes/heartbeat.ts'
import { tryCertificate } from '../../support/certificate.ts'
import { openProxy } from '../../support/cluster-proxy.ts'
import { SERVICES, SLICES, serviceOf } from '../../support/fake-api-objects.ts'
import { FakeApiServer } from '../../support/fake-api-server.ts'

const never = new AbortController().signal
const WATCH = '?watch=1&resourceVersion=1000'
const root = mkdtempSync(join(tmpdir(), 'kubernetes-heartbeat-'))
after(() => rmSync(root, { recursive: true }))

const tls = tryCertificate(root, 'server')

/** Seconds pass, and what comes in meanwhile is read. */
async function pass(t: TestContext, seconds: number): Promise<void> {
  for (let i = 0; i < seconds; i++) {
    t.mock.timers.tick(1000)
    for (let turns = 0; turns < 10; turns++) await setImmediate()
  }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const start = performance.now()
  while (!condition()) {
    assert.ok(performance.now() - start < 5000, what)
    await setImmediate()
  }
}

describe('Heartbeat', () => {
  function start(t: TestContext, answers: () => boolean) {
    t.mock.timers.enable({ apis: ['setInterval'] })
    const seen = { asked: 0, dead: [] as string[] }
    const ask = () => {
      seen.asked++
      return answers() ? Promise.resolve() : new Promise(() => {})
    }
    const heartbeat = new Heartbeat(ask, error => seen.dead.push(error.message))
    heartbeat.start()
    t.after(() => heartbeat.stop())
    return { seen, heartbeat }
  }

  it('asks every ten seconds, and is content with any answer', async t => {
    const { seen } = start(t, () => true)
    await pass(t, 100)
    assert.deepEqual(seen, { asked: 10, dead: [] })
  })

  it('tells of a peer that has not answered for 7 s, 17 s after it was last well, and goes on', async t => {
    const { seen } = start(t, () => false)
    await pass(t, 16)
    assert.deepEqual(seen.dead, [])
    await pass(t, 1)
    assert.deepEqual(seen.dead, ['the API server has not answered for 7 s'])
    await pass(t, 17)
    assert.equal(seen.dead.length, 2)
  })

  it('does not count what this process slept through: an answer that waits to be read is one', async t => {
    let answer = () => {}
    t.mock.timers.enable({ apis: ['setInterval'] })
    const dead: Error[] = []
    const heartbeat = new Heartbeat(
      () =>
        new Promise<void>(resolve => {
          answer = resolve
        }),
      error => dead.push(error),
    )
    heartbeat.start()
    t.after(() => heartbeat.stop())
    t.mock.timers.tick(17_000)
    answer()
    for (let turns = 0; turns < 3; turns++) await setImmediate()
    assert.deepEqual(dead, [])
  })

  it('rests when it is stopped', async t => {
    const { seen, heartbeat } = start(t, () => false)
    await pass(t, 12)
    heartbeat.stop()
    await pass(t, 60)
    assert.deepEqual(seen, { asked: 1, dead: [] })
  })
})

for (const [what, isTls, speaksHttp2] of [
  ['HTTP/2', true, true],
  ['HTTP/1.1 over TLS', true, false],
  ['plain HTTP', false, false],
] as const) {
  describe(`a watch over ${what}`, { skip: isTls && tls === undefined ? 'there is no openssl' : false }, () => {
    async function start(t: TestContext) {
      const api = await FakeApiServer.start(isTls ? tls : undefined, speaksHttp2)
      const { port } = new URL(api.url)
      const proxy = await openProxy({ host: '127.0.0.1', port: Number(port) })
      const kubeconfig = join(root, `config-${port}`)
      const cluster = {
        server: `${isTls ? 'https' : 'http'}://127.0.0.1:${proxy.port}`,
        ...(isTls ? { 'certificate-authority-data': tls!.cert.toString('base64') } : {}),
      }
      writeFileSync(
        kubeconfig,
        JSON.stringify({
          'current-context': 'x',
          contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
          clusters: [{ name: 'c', cluster }],
          users: [{ name: 'u', user: {} }],
        }),
      )
      const client = await openClient({ kubeconfig })
      t.after(async () => {
        client.close()
        await proxy.close()
        await api[Symbol.asyncDispose]()
      })
      t.mock.timers.enable({ apis: ['setInterval'] })
      return { api, proxy, client }
    }

    function follow(client: ApiClient, path = SERVICES + WATCH, signal = never) {
      const seen = { text: '', error: undefined as Error | undefined, isOver: false }
      void (async () => {
        try {
          const response = await client.get(path, signal)
          for await (const chunk of response) seen.text += chunk
        } catch (error) {
          seen.error = error as Error
        }
        seen.isOver = true
      })()
      return seen
    }

    it('that is quiet is left alone, and ends when it is aborted', async t => {
      const { api, client } = await start(t)
      const stop = new AbortController()
      const watches = [follow(client, SERVICES + WATCH, stop.signal), follow(client, SLICES + WATCH, stop.signal)]
      await until(() => api.watchCount() === 2, 'both watch')
      await pass(t, 200)
      api.put(SERVICES, serviceOf('a'))
      await until(() => watches[0]!.text !== '', 'it is heard')
      assert.deepEqual([watches[1]!.isOver, api.watchCount()], [false, 2])
      if (speaksHttp2) assert.equal(new Set(api.requests.map(({ connection }) => connection)).size, 1)
      stop.abort()
      await until(() => watches.every(({ isOver }) => isOver) && api.watchCount() === 0, 'both are over')
    })

    it('whose server stands still is given up within 18 s, and so is one that waits for its head', async t => {
      const { api, proxy, client } = await start(t)
      const watches = [follow(client), follow(client, SLICES + WATCH)]
      await until(() => api.watchCount() === 2, 'both watch')
      await pass(t, 5)
      proxy.freeze()
      watches.push(follow(client))
      await pass(t, 13)
      await until(() => watches.every(({ isOver }) => isOver), 'all are given up')
      for (const { error } of watches) assert.match(error!.message, /has not answered for 7 s/)
      proxy.comeBack()
      const again = follow(client)
      await until(() => api.watchCount() >= 1 && !again.isOver, 'it watches again')
      api.put(SERVICES, serviceOf('b'))
      await until(() => again.text !== '', 'it is heard')
    })

    it('that is reset fails, and the next is made anew', async t => {
      const { api, proxy, client } = await start(t)
      const watch = follow(client)
      await until(() => api.watchCount() === 1, 'it watches')
      proxy.cut(false)
      await until(() => watch.isOver, 'it is over')
      assert.notEqual(watch.error, undefined)
      const again = follow(client)
      api.put(SERVICES, serviceOf('a'))
      await until(() => again.text !== '', 'it is heard')
    })

    it('two hundred at one time are all open', async t => {
      const { api, client } = await start(t)
      const stop = new AbortController()
      const watches = Array.from({ length: 200 }, () => follow(client, SERVICES + WATCH, stop.signal))
      await until(() => api.watchCount() === 200, 'all watch')
      if (speaksHttp2) assert.equal(new Set(api.requests.map(({ connection }) => connection)).size, 2)
      stop.abort()
      await until(() => watches.every(({ isOver }) => isOver), 'all are over')
    })
  })
}
