import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ApiError } from '../../../src/kubernetes/errors.ts'
import { asApiError, bodyOf, metadataOf, statusError } from '../../../src/kubernetes/status.ts'
import { statusOf } from '../../support/fake-api-server.ts'

const SLICES = 'endpointslices.discovery.k8s.io'
const response = (chunks: Iterable<Buffer> | AsyncIterable<Buffer>) =>
  Readable.from(chunks) as unknown as Parameters<typeof bodyOf>[0]

describe('statusError', () => {
  it('403 names the verb and the resource as a role does', () => {
    const said = 'endpointslices is forbidden: User "x" cannot watch'
    const { code, status, message } = statusError(statusOf(403, 'Forbidden', said), SLICES, 'watch', 403)
    assert.deepEqual([code, status], ['ERR_API_STATUS', 403])
    assert.match(message, /"watch" on endpointslices\.discovery\.k8s\.io: add that verb to the role/)
    assert.ok(message.includes(said))
  })

  it('401 speaks of credentials', () => {
    assert.match(statusError(statusOf(401, 'Unauthorized', 'Unauthorized'), SLICES, 'list', 401).message, /credentials/)
  })

  it('410 is the end of a resource version, by status, by code in an event, and by reason', () => {
    const said = 'too old resource version: 1 (9)'
    for (const error of [
      statusError('gone', SLICES, 'watch', 410),
      statusError(statusOf(410, 'Expired', said), SLICES, 'watch', 0),
      statusError({ reason: 'Expired', message: said }, SLICES, 'watch', 0),
      statusError({ reason: 'Gone' }, SLICES, 'watch', 0),
    ]) {
      assert.equal(error.code, 'ERR_API_EXPIRED')
      assert.notEqual(error.message, '')
    }
  })

  it('a version that is yet to come is a sign of another history', () => {
    const body = statusOf(504, 'Timeout', 'Too large resource version: 9, current: 1', { retryAfterSeconds: 1 })
    const error = statusError(body, SLICES, 'watch', 504)
    assert.deepEqual([error.code, error.retryAfterMs], ['ERR_API_HISTORY', 1000])
  })

  it('waits as the header says, else as the Status says, within reason', () => {
    const wait = (header: string | undefined, details?: object) =>
      statusError(statusOf(429, 'TooManyRequests', 'slow down', details), SLICES, 'list', 429, header).retryAfterMs
    assert.equal(wait('7', { retryAfterSeconds: 1 }), 7000)
    assert.equal(wait(undefined, { retryAfterSeconds: 3 }), 3000)
    assert.equal(wait('86400'), 300_000)
    for (const bad of ['-5', 'Wed, 21 Oct 2015 07:28:00 GMT', 'NaN', 'Infinity', '']) assert.equal(wait(bad), 0)
    assert.equal(wait(undefined), 0)
  })

  it('takes anything for a Status, and never says more than people read', () => {
    fc.assert(
      fc.property(fc.anything(), fc.integer({ min: 0, max: 999 }), (raw, http) => {
        const error = statusError(raw, SLICES, 'list', http)
        assert.ok(error instanceof ApiError)
        assert.ok(Number.isFinite(error.retryAfterMs))
      }),
    )
    const long = 'x'.repeat(100_000)
    for (const raw of [long, { message: long }]) assert.ok(statusError(raw, SLICES, 'list', 500).message.length < 1000)
  })

  it('says nothing empty where the server said nothing', () => {
    assert.match(statusError('', SLICES, 'list', 500).message, /answered list on endpointslices\S+ with 500$/)
    assert.doesNotMatch(statusError('', SLICES, 'list', 403).message, /\(\)/)
  })
})

describe('bodyOf', () => {
  it('is JSON when it is, and text when it is not', async () => {
    assert.deepEqual(await bodyOf(response([Buffer.from('{"a":'), Buffer.from('1}')])), { a: 1 })
    assert.equal(await bodyOf(response([Buffer.from('<html>')])), '<html>')
  })

  it('reads no more than it needs, and lets go of the rest', async () => {
    let sent = 0
    const endless = (function* () {
      for (; sent < 1000; sent++) yield Buffer.alloc(16 << 10, 0x78)
    })()
    const stream = response(endless)
    assert.equal(typeof (await bodyOf(stream)), 'string')
    assert.ok(sent < 50)
    assert.equal(stream.destroyed, true)
  })

  it('is what came, when it breaks off: the status was known all the same', async () => {
    const broken = (async function* () {
      yield Buffer.from('half')
      throw new Error('reset')
    })()
    assert.equal(await bodyOf(response(broken)), 'half')
  })
})

describe('metadataOf', () => {
  it('takes anything', () => {
    fc.assert(
      fc.property(fc.anything(), raw => {
        for (const one of [raw, { metadata: raw }, { metadata: { resourceVersion: raw, annotations: raw } }]) {
          const { resourceVersion, continue: more, annotations } = metadataOf(one)
          assert.deepEqual([typeof resourceVersion, typeof more, typeof annotations], ['string', 'string', 'object'])
        }
      }),
    )
  })
})

describe('asApiError', () => {
  it('keeps what is one, and wraps what is none with its cause', () => {
    const known = new ApiError('ERR_API_STREAM', 'x')
    assert.equal(asApiError(known), known)
    const cause = new Error('socket hang up')
    const wrapped = asApiError(cause)
    assert.deepEqual([wrapped.code, wrapped.cause], ['ERR_API_UNREACHABLE', cause])
    assert.equal(asApiError('a string').code, 'ERR_API_UNREACHABLE')
  })
})
