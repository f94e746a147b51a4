/**
 * What a request's target says: which path is meant, and what is to be purged.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { describe, it, type TestContext } from 'node:test'
import { type AdminRoutes, openAdmin, openProbe } from '../../../src/admin/http.ts'

const NOTHING = () => []
const LOOPBACK = { address: '127.0.0.1', port: 0 }

/** A purge of a name finds one answer, one of all two. @returns how it is asked, and what was purged */
async function open(t: TestContext) {
  const purged: (string | undefined)[] = []
  const routes: AdminRoutes = {
    unhealthy: NOTHING,
    conditions: () => ['all conditions'],
    unready: NOTHING,
    notes: NOTHING,
    metrics: NOTHING,
    names: () => ({
      count: 1,
      text: (async function* () {
        yield 'a. A\n'
      })(),
    }),
    purge: name => {
      purged.push(name)
      return name === 'a..b' ? undefined : name === undefined ? 2 : 1
    },
  }
  const admin = await openAdmin(LOOPBACK, routes)
  t.after(() => admin.close())
  return { ask: (target: string, method = 'GET') => askAt(admin.port, target, method), purged }
}

async function askAt(port: number, path: string, method = 'GET'): Promise<string> {
  const sent = request({ host: LOOPBACK.address, port, path, method, agent: false }).end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  return `${response.statusCode} ${await text(response)}`
}

describe('RFC 9112 §3.2.2: a target in absolute-form', () => {
  it('is answered as that in origin-form (§3.2.1), whatever host it names', async t => {
    const { ask, purged } = await open(t)
    for (const host of ['', 'http://h', 'HTTP://h:9153', 'http://[::1]:9153']) {
      assert.equal(await ask(`${host}/metrics`), '200 ', host)
      assert.equal(await ask(`${host}/healthz?verbose`), '200 OK\nall conditions\n', host)
      assert.equal(await ask(`${host}/names`), '200 a. A\n', host)
      assert.equal(await ask(`${host}/cache?name=a`, 'DELETE'), '200 1 answers purged\n', host)
      assert.match(await ask(`${host}/x/metrics`), /^404 /)
    }
    for (const target of [
      'http://h',
      'http://h?verbose',
      'http://h/metrics/',
      '/http://h/metrics',
      'http:///metrics',
      'ftp://h/metrics',
    ]) {
      assert.match(await ask(target), /^404 /, target)
    }
    assert.equal(purged.length, 4)
    const probe = await openProbe(LOOPBACK, '/ready', NOTHING)
    t.after(() => probe.close())
    assert.equal(await askAt(probe.port, 'http://h/ready'), '200 OK')
    assert.match(await askAt(probe.port, 'http://h/health'), /^404 /)
  })
})

describe('DELETE /cache', () => {
  it('purges all, or the name that is said; the root is one', async t => {
    const { ask, purged } = await open(t)
    for (const [query, answers] of [
      ['', 2],
      ['?', 2],
      ['?name=a.b', 1],
      ['?name=.', 1],
    ] as const) {
      assert.equal(await ask(`/cache${query}`, 'DELETE'), `200 ${answers} answers purged\n`)
    }
    assert.deepEqual(purged, [undefined, undefined, 'a.b', '.'])
  })

  it('purges nothing for an empty name, for none, and for more than one thing', async t => {
    const { ask, purged } = await open(t)
    const usage = 'DELETE /cache?name=NAME, or /cache for all\n'
    for (const query of ['name=', 'name', 'name=&']) {
      assert.equal(await ask(`/cache?${query}`, 'DELETE'), `400 the name is empty (that of the root is .): ${usage}`)
    }
    for (const query of ['nam=a', '=a', 'name=a&name=b', 'name=a&verbose', 'name=&name=a']) {
      assert.equal(await ask(`/cache?${query}`, 'DELETE'), `400 there is one name to say: ${usage}`)
    }
    assert.deepEqual(purged, [])
    assert.equal(await ask('/cache?name=a..b', 'DELETE'), `400 that is no name: ${usage}`)
  })

  it('RFC 3986 §3.4: a question mark in the query is part of the name', async t => {
    const { ask, purged } = await open(t)
    await ask('/cache?name=a?b', 'DELETE')
    await ask('/cache?name=a%3Fb', 'DELETE')
    await ask('/cache?name=a?', 'DELETE')
    assert.deepEqual(purged, ['a?b', 'a?b', 'a?'])
  })
})
