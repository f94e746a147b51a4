/** RFC 8914, Extended DNS Errors. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { queryOf, RCODES, strictDecode } from '../support/messages.ts'
import { createWorld, WORLD_NAMES } from '../support/world.ts'

const server = createWorld({ unsynced: true })

describe('RFC 8914 §2: the EDE option', () => {
  it('is option 15 with a code of two octets, here without text', () => {
    const reply = strictDecode(server.exchange(queryOf('web.default.svc.cluster.local', 'A', { opt: {} }))!)
    assert.deepEqual(reply.opt!.options, [{ code: 15, data: Buffer.from([0, 14]) }])
  })

  it('is only in replies to queries with OPT', () => {
    const reply = strictDecode(server.exchange(queryOf('web.default.svc.cluster.local', 'A'))!)
    assert.deepEqual([reply.rcode, reply.opt, reply.length], [RCODES.SERVFAIL, undefined, 12 + 31 + 4])
  })
})

describe('RFC 8914 §4.15: Not Ready (14) until the first sync', () => {
  it('every name of our zones is SERVFAIL with it', () => {
    for (const name of WORLD_NAMES) {
      const reply = strictDecode(server.exchange(queryOf(name, 'A', { opt: {} }))!)
      if (reply.rcode === RCODES.REFUSED) continue
      assert.equal(reply.rcode, RCODES.SERVFAIL)
      assert.equal(reply.opt!.options[0]!.data.readUInt16BE(0), 14)
    }
  })

  it('no reply has it afterwards', () => {
    const ready = createWorld()
    for (const name of WORLD_NAMES) {
      const reply = strictDecode(ready.exchange(queryOf(name, 'A', { opt: {} }))!)
      assert.deepEqual(reply.opt!.options, [])
    }
  })
})

describe('RFC 8914 §4.4, §4.20: Stale Answer (3) and Stale NXDOMAIN Answer (19)', () => {
  const stale = createWorld()
  stale.serving.table.setStale(true)
  const codesOf = (name: string, type = 'A') => {
    const { rcode, opt } = strictDecode(stale.exchange(queryOf(name, type, { opt: {} }))!)
    return [rcode, opt!.options.map(({ code, data }) => `${code} ${data.readUInt16BE(0)}`)]
  }

  it('3 with answers, NODATA and CNAMEs, 19 with NXDOMAIN', () => {
    assert.deepEqual(codesOf('web.default.svc.cluster.local'), [RCODES.NOERROR, ['15 3']])
    assert.deepEqual(codesOf('web.default.svc.cluster.local', 'TXT'), [RCODES.NOERROR, ['15 3']])
    assert.deepEqual(codesOf('twice.default.svc.cluster.local'), [RCODES.NOERROR, ['15 3']])
    assert.deepEqual(codesOf('none.default.svc.cluster.local'), [RCODES.NXDOMAIN, ['15 19']])
    assert.deepEqual(codesOf('10-0-0-1.default.pod.cluster.local'), [RCODES.NOERROR, ['15 3']])
  })

  it('none with what is not of the cluster', () => {
    assert.deepEqual(codesOf('www.example.com'), [RCODES.REFUSED, []])
  })

  it('the reply stays within the size asked for, and keeps its OPT', () => {
    for (const size of [512, 513, 520, 527, 528, 1232]) {
      for (const name of ['big.default.svc.cluster.local', 'to-big.default.svc.cluster.local']) {
        const octets = stale.exchange(queryOf(name, 'A', { opt: { size } }))!
        const { opt, answers } = strictDecode(octets)
        assert.ok(octets.length <= size && octets.length > size - 16 - 6, `${octets.length} of ${size}`)
        assert.ok(answers.length > 0)
        assert.equal(opt!.options.length, 1)
      }
    }
  })

  it('over no OPT nothing is said, and no room is kept for it', () => {
    const server = createWorld()
    const query = queryOf('big.default.svc.cluster.local', 'A')
    const octets = server.exchange(query)!.length
    server.serving.table.setStale(true)
    assert.equal(server.exchange(query)!.length, octets)
  })

  it('no more when fresh lists are there', () => {
    stale.serving.table.setStale(false)
    assert.deepEqual(codesOf('web.default.svc.cluster.local'), [RCODES.NOERROR, []])
  })
})
