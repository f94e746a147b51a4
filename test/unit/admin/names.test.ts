import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { type AdminRoutes, type AdminServer, openAdmin } from '../../../src/admin/http.ts'
import { nameList } from '../../../src/control/name-list.ts'
import { createTable, nameOf } from '../../support/table-lookup.ts'

const servers: AdminServer[] = []
after(() => Promise.all(servers.map(server => server.close())))

async function open(text: () => AsyncIterable<string>): Promise<string> {
  const nothing = () => []
  const health = { unhealthy: nothing, conditions: nothing, unready: nothing, notes: nothing, metrics: nothing }
  const routes: AdminRoutes = { ...health, names: () => ({ count: 3, text: text() }) }
  const server = await openAdmin({ address: '127.0.0.1', port: 0 }, routes)
  servers.push(server)
  return `http://127.0.0.1:${server.port}/names`
}

describe('GET /names', () => {
  it('gives every name with its types, a line each, and how many there are', async () => {
    const { memory, writer } = createTable(['z.'])
    writer.put({ owner: nameOf('web.ns', 'z.'), ttl: 5, a: [1], aaaa: new Uint8Array(16) })
    const url = await open(() => nameList(memory))
    const response = await fetch(url)
    assert.deepEqual((await response.text()).split('\n').sort(), ['', 'ns.z.', 'web.ns.z. A AAAA', 'z. SOA'])
    assert.equal(response.headers.get('headless-dns-names'), '3')
    assert.equal((await fetch(url, { method: 'HEAD' })).status, 200)
    assert.equal((await fetch(url, { method: 'POST' })).status, 405)
  })

  it('is made no faster than it is read, for two at a time, and ends with its reader', async () => {
    const living = new Set<object>()
    let made = 0
    const url = await open(async function* () {
      const self = {}
      living.add(self)
      try {
        for (;;) {
          made++
          yield 'x'.repeat(65_536)
        }
      } finally {
        living.delete(self)
      }
    })
    const readers = [await fetch(url), await fetch(url)].map(({ body }) => body!.getReader())
    assert.equal((await fetch(url)).status, 503)
    await until(async () => {
      const before = made
      for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
      return made === before
    })
    // What stands still is what sockets hold: far from what there is.
    assert.ok(made < 2000, `${made} pieces were made`)
    for (const reader of readers) await reader.cancel()
    await until(() => living.size === 0)
    await until(async () => (await fetch(url, { method: 'HEAD' })).status === 200)
  })
})

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 10_000
  while (!(await condition())) {
    assert.ok(performance.now() < end, 'not in 10 s')
    await new Promise(setImmediate)
  }
}
