/** RFC 1034 and RFC 1035, Domain Names; with RFC 1982, RFC 2136 and RFC 4592 where they say more of the same. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { clusterIP, createAnswering, headless, slice } from '../support/answering.ts'
import { check, checkAll } from '../support/cases.ts'
import {
  AA,
  message,
  nameOf,
  queryOf,
  questionOf,
  RCODES,
  type Reply,
  recordOf,
  strictDecode,
  u16,
  wireName,
} from '../support/messages.ts'
import { createWorld } from '../support/world.ts'

const WEB = 'web.default.svc.cluster.local'
const server = createWorld()

function exchange(query: Buffer, stream = false): Reply {
  return strictDecode(server.exchange(query, stream)!)
}

function assertFormErr(query: Buffer): void {
  const reply = exchange(query)
  assert.deepEqual([reply.rcode, reply.length], [RCODES.FORMERR, 12])
}

describe('RFC 1034 §3.6.2: CNAME', () => {
  it('is put into the answer, and the query starts again at its target', () => {
    const { answers } = exchange(queryOf('twice.default.svc.cluster.local', 'A'))
    assert.deepEqual(
      answers.map(({ type }) => type),
      [5, 5, 1, 1, 1],
    )
    assert.equal(answers[1]!.owner, answers[0]!.names[0])
    assert.equal(answers[2]!.owner, answers[1]!.names[0])
  })

  it('is the answer itself to a query for CNAME or ANY', () => {
    for (const qtype of ['CNAME', 'ANY']) {
      const { answers } = exchange(queryOf('twice.default.svc.cluster.local', qtype))
      assert.deepEqual(
        answers.map(({ type }) => type),
        [5],
      )
    }
  })

  it('is followed for every other type, also one that the target has not', () => {
    for (const qtype of ['AAAA', 'SRV', 'TXT', 'MX', 'HTTPS']) {
      const reply = exchange(queryOf('inside.default.svc.cluster.local', qtype))
      assert.equal(reply.answers[0]!.type, 5, qtype)
    }
  })

  it('a loop of aliases ends, in SERVFAIL', () => {
    const reply = exchange(queryOf('loop.default.svc.cluster.local', 'A'))
    assert.deepEqual([reply.rcode, reply.answers.length], [RCODES.SERVFAIL, 0])
  })

  it('an alias has no other data', () => {
    const { answers } = exchange(queryOf('outside.default.svc.cluster.local', 'NS'))
    assert.deepEqual(
      answers.map(({ type }) => type),
      [5],
    )
  })
})

describe('RFC 1034 §4.3.2: the algorithm', () => {
  it('step 2: a name below none of the zones is REFUSED, without a referral', () => {
    for (const qname of ['www.example.com', 'local', 'cluster', '', 'xcluster.local', 'arpa']) {
      const reply = exchange(queryOf(qname, 'A'))
      assert.deepEqual([reply.rcode, reply.flags & AA, reply.authority.length], [RCODES.REFUSED, 0, 0], qname)
    }
  })

  it('step 3c: a name that does not exist is NXDOMAIN, with AA', () => {
    const reply = exchange(queryOf('none.default.svc.cluster.local', 'A'))
    assert.deepEqual([reply.rcode, reply.flags & AA], [RCODES.NXDOMAIN, AA])
  })

  it('step 3a: a name that exists without the type is NOERROR, with AA', () => {
    const reply = exchange(queryOf(WEB, 'MX'))
    assert.deepEqual([reply.rcode, reply.flags & AA, reply.answers.length], [RCODES.NOERROR, AA, 0])
  })

  it('QTYPE * matches as RFC 8482 says; QTYPEs MAILA and MAILB match nothing', () => {
    for (const qtype of [253, 254]) assert.equal(exchange(queryOf(WEB, qtype)).answers.length, 0)
  })
})

describe('RFC 1035 §2.3.4: size limits', () => {
  const label = 'x'.repeat(63)

  it('a label of 63 octets and a name of 255 octets are names', () => {
    const longest = nameOf(label, label, label, 'x'.repeat(61))
    assert.equal(longest.length, 255)
    assert.equal(exchange(queryOf(longest, 'A')).rcode, RCODES.REFUSED)
    const tail = nameOf('cluster', 'local')
    const inZone = Buffer.concat([nameOf(label, label, label, 'x'.repeat(46)).subarray(0, -1), tail])
    assert.equal(inZone.length, 254)
    assert.equal(exchange(queryOf(inZone, 'A')).rcode, RCODES.NXDOMAIN)
  })

  it('a name of 127 labels is a name', () => {
    const name = nameOf(...Array.from({ length: 120 }, () => 'a'), 'cluster', 'local')
    assert.equal(name.length, 255)
    assert.equal(exchange(queryOf(name, 'A')).rcode, RCODES.NXDOMAIN)
  })

  it('a label of 64 octets is FORMERR', () => {
    assertFormErr(queryOf(Buffer.concat([Buffer.from([64]), Buffer.alloc(64, 0x78), Buffer.from([0])]), 'A'))
  })

  it('a name of 256 octets is FORMERR', () => {
    const name = nameOf(label, label, label, 'x'.repeat(62))
    assert.equal(name.length, 256)
    assertFormErr(queryOf(name, 'A'))
  })

  it('a name of 300 labels of one octet is FORMERR', () => {
    assertFormErr(queryOf(nameOf(...Array.from({ length: 300 }, () => 'a')), 'A'))
  })
})

describe('RFC 1035 §3.1: names are labels behind their lengths', () => {
  it('a label that runs past the end is FORMERR', () => {
    assertFormErr(message({ parts: [Buffer.from([63, 0x61, 0x62])] }))
    assertFormErr(message({ parts: [Buffer.from([3, 0x77, 0x65, 0x62])] }))
  })

  it('label types 01 and 10 are FORMERR', () => {
    for (const first of [0x40, 0x41, 0x7f, 0x80, 0xbf]) {
      assertFormErr(message({ parts: [Buffer.from([first, 0, 0, 0, 1, 0, 1])] }))
    }
  })
})

describe('RFC 1035 §4.1: the message', () => {
  it('a question and nothing else is read to its last octet; octets behind it are FORMERR', () => {
    for (const tail of [[0], [0, 0, 1, 0, 1], Array.from({ length: 400 }, () => 0xff)]) {
      assertFormErr(Buffer.concat([queryOf(WEB, 'A'), Buffer.from(tail)]))
    }
  })

  it('records in the answer or authority section of a query are FORMERR', () => {
    const record = recordOf(wireName(WEB), 1, Buffer.from([6, 6, 6, 6]))
    assertFormErr(message({ counts: [1, 1, 0, 0], parts: [questionOf(WEB, 'A'), record] }))
    assertFormErr(message({ counts: [1, 0, 1, 0], parts: [questionOf(WEB, 'A'), record] }))
    assertFormErr(message({ counts: [1, 0, 0, 3], parts: [questionOf(WEB, 'A'), record, record, record] }))
  })

  it('counts of 65535 are FORMERR', () => {
    for (let section = 1; section < 4; section++) {
      const counts: [number, number, number, number] = [1, 0, 0, 0]
      counts[section] = 65_535
      assertFormErr(message({ counts, parts: [questionOf(WEB, 'A')] }))
    }
    assertFormErr(message({ counts: [65_535, 65_535, 65_535, 65_535] }))
  })
})

describe('RFC 1035 §4.1.1: the header', () => {
  it('the ID is copied', () => {
    for (const id of [0, 1, 0x8000, 0xffff]) assert.equal(exchange(queryOf(WEB, 'A', { id })).id, id)
  })

  it('less than a header is not answered', () => {
    const query = queryOf(WEB, 'A')
    for (let length = 0; length < 12; length++) assert.equal(server.exchange(query.subarray(0, length)), undefined)
  })

  it('a message with QR=1 is not answered, whatever else it says', () => {
    for (const flags of [0x8000, 0x8180, 0xffff, 0x8000 | (5 << 11)]) {
      assert.equal(server.exchange(queryOf(WEB, 'A', { flags })), undefined)
    }
    assert.equal(server.exchange(message({ flags: 0x8000, counts: [0, 0, 0, 0] })), undefined)
  })

  it('RCODE in a query means nothing', () => {
    assert.equal(exchange(queryOf(WEB, 'A', { flags: 5 })).rcode, RCODES.NOERROR)
  })

  it('RA is clear: nothing is resolved here', () => {
    assert.equal(exchange(queryOf(WEB, 'A', { flags: 0x0100 })).flags & 0x0080, 0)
  })
})

describe('RFC 1035 §4.1.2: the question', () => {
  it('is echoed octet by octet', () => {
    const question = questionOf('wEb.DEFAULT.sVc.Cluster.LOCAL', 'A')
    assert.deepEqual(exchange(message({ parts: [question] })).question, question)
  })

  it('a question that is cut anywhere is FORMERR', () => {
    const query = queryOf(WEB, 'A')
    for (let length = 12; length < query.length; length++) assertFormErr(query.subarray(0, length))
  })
})

describe('RFC 1035 §4.1.3: records', () => {
  it('have the class of the question and the TTL that was configured', () => {
    for (const ttl of [0, 1, 5, 3600]) {
      const other = createAnswering({ ttl })
      other.services.upsert(clusterIP('web', ['10.96.0.1']))
      other.flush()
      const [record] = strictDecode(other.exchange(queryOf(WEB, 'A'))!).answers
      assert.deepEqual([record!.class, record!.ttl], [1, ttl])
    }
  })
})

describe('RFC 1035 §4.1.4: compression', () => {
  it('owner names are pointers to a name that is already in the message', () => {
    const octets = server.exchange(queryOf(WEB, 'A'))!
    const at = 12 + WEB.length + 2 + 4
    assert.deepEqual([...octets.subarray(at, at + 2)], [0xc0, 12])
  })

  it('a pointer in QNAME is FORMERR: there is nothing before it to point to', () => {
    for (const pointer of [0, 2, 4, 11, 12, 13, 14, 16, 100, 0x3fff]) {
      const octets = u16(0xc000 | pointer)
      assertFormErr(message({ parts: [octets, u16(1), u16(1)] }))
      assertFormErr(message({ parts: [Buffer.from([3, 0x77, 0x65, 0x62]), octets, u16(1), u16(1)] }))
    }
    assertFormErr(message({ parts: [Buffer.from([0xc0])] }))
  })

  it('a pointer as the owner of a record is not followed: a loop costs nothing', () => {
    const at = 12 + WEB.length + 2 + 4
    for (const target of [at, at + 1, 0, 0x3fff]) {
      const record = Buffer.concat([u16(0xc000 | target), u16(1), u16(1), Buffer.alloc(4), u16(4), Buffer.alloc(4)])
      const reply = exchange(message({ counts: [1, 0, 0, 1], parts: [questionOf(WEB, 'A'), record] }))
      assert.equal(reply.rcode, RCODES.NOERROR)
    }
  })

  it('a record in the additional section that is cut, or whose owner is no name, is FORMERR', () => {
    const record = recordOf(wireName('x.example'), 1, Buffer.alloc(4))
    for (let length = 0; length < record.length; length++) {
      assertFormErr(message({ counts: [1, 0, 0, 1], parts: [questionOf(WEB, 'A'), record.subarray(0, length)] }))
    }
    const reserved = Buffer.concat([Buffer.from([0x40]), record])
    assertFormErr(message({ counts: [1, 0, 0, 1], parts: [questionOf(WEB, 'A'), reserved] }))
  })
})

describe('RFC 1035 §4.2.1: datagrams', () => {
  it('512 octets at most; longer replies are cut and say so with TC', () => {
    const reply = exchange(queryOf('big.default.svc.cluster.local', 'A'))
    assert.ok(reply.length <= 512)
    assert.equal(reply.flags & 0x0200, 0x0200)
    assert.equal(reply.answers.length, Math.floor((512 - 12 - 35) / 16))
  })
})

describe('RFC 1035 §4.2.2: streams', () => {
  it('65,535 octets at most: a set too large for any message is cut, marked, and well formed', () => {
    const huge = createAnswering()
    huge.services.upsert(headless('huge'))
    const endpoints = Array.from({ length: 4200 }, (_, i) => ({ address: `10.8.${i >>> 8}.${i & 255}`, hostname: 'h' }))
    huge.slices.upsert(slice('huge', endpoints))
    huge.flush()
    const qname = 'huge.default.svc.cluster.local'
    const reply = strictDecode(huge.exchange(queryOf(qname, 'A', { opt: {} }), true)!)
    assert.equal(reply.answers.length, Math.floor((65_535 - 12 - (qname.length + 6) - 11) / 16))
    assert.ok(reply.answers.length >= 4091 && reply.length <= 65_535)
    assert.equal(reply.flags & 0x0200, 0x0200)
    assert.ok(reply.opt !== undefined)
  })
})

describe('RFC 1035 §3.4.1: A', () => {
  it('is four octets, first octet first', () => {
    const { answers } = exchange(queryOf('api.default.svc.cluster.local', 'A'))
    assert.deepEqual([...answers[0]!.rdata], [10, 96, 0, 10])
  })
})

describe('RFC 1035 §3.3.13: SOA', () => {
  it('at each apex, in the answer; elsewhere NODATA', () => {
    for (const zone of ['cluster.local', 'in-addr.arpa', 'ip6.arpa']) {
      const { answers } = exchange(queryOf(zone, 'SOA'))
      assert.deepEqual(
        answers.map(({ names }) => names),
        [[wireName(`ns.dns.${zone}`).toString('latin1'), wireName(`hostmaster.${zone}`).toString('latin1')]],
      )
    }
    assert.deepEqual(exchange(queryOf(WEB, 'SOA')).answers, [])
  })

  it('RFC 1982 §3: the serial goes on with every change that is published, modulo 2³², and with no other', () => {
    const changing = createAnswering()
    const serial = (): number => {
      const [record] = strictDecode(changing.exchange(queryOf('cluster.local', 'SOA'))!).answers
      return record!.rdata.readUInt32BE(record!.rdata.length - 20)
    }
    const first = serial()
    changing.services.upsert(clusterIP('web', ['10.96.0.1']))
    changing.flush()
    assert.equal(serial(), first + 1)
    changing.services.upsert(clusterIP('web', ['10.96.0.1']))
    changing.flush()
    assert.equal(serial(), first + 1)
    changing.services.upsert(clusterIP('web', ['10.96.0.2']))
    changing.flush()
    assert.equal(serial(), first + 2)
  })
})

describe('RFC 1035 §3.5: in-addr.arpa', () => {
  it('the octets of an address in reverse order', () => {
    const qname = '10.0.96.10.in-addr.arpa'
    check(server, { qname, qtype: 'PTR', answer: [`${qname}. 5 PTR api.default.svc.cluster.local.`] })
  })

  it('fewer octets are names above: NODATA where something is below, else NXDOMAIN', () => {
    checkAll(server, [
      { qname: '10.in-addr.arpa', qtype: 'PTR' },
      { qname: '96.10.in-addr.arpa', qtype: 'PTR' },
      { qname: '97.10.in-addr.arpa', qtype: 'PTR', rcode: 'NXDOMAIN' },
      { qname: '0.10.0.96.10.in-addr.arpa', qtype: 'PTR', rcode: 'NXDOMAIN' },
      { qname: '010.0.96.10.in-addr.arpa', qtype: 'PTR', rcode: 'NXDOMAIN' },
    ])
  })
})

describe('RFC 2136 §2.2: UPDATE', () => {
  it('is NOTIMP; the update sections are not read', () => {
    const update = message({
      flags: 5 << 11,
      counts: [1, 0, 1, 0],
      parts: [questionOf('cluster.local', 'SOA'), recordOf(wireName(WEB), 1, Buffer.alloc(4))],
    })
    const reply = exchange(update)
    assert.deepEqual([reply.rcode, reply.opcode, reply.length], [RCODES.NOTIMP, 5, 12])
  })

  it('NOTIFY is NOTIMP', () => {
    assert.equal(exchange(queryOf('cluster.local', 'SOA', { flags: (4 << 11) | AA })).rcode, RCODES.NOTIMP)
  })
})

describe('RFC 4592 §2.2.2: empty non-terminals', () => {
  it('exist: NODATA for every type', () => {
    for (const qname of [`_tcp.${WEB}`, 'default.svc.cluster.local', 'dns.cluster.local', '96.10.in-addr.arpa']) {
      for (const qtype of ['A', 'SRV', 'TXT', 'ANY']) check(server, { qname, qtype })
    }
  })

  it('come with the first name below them and go with the last', () => {
    const changing = createAnswering()
    const above = { qname: 'shop.svc.cluster.local', qtype: 'A' }
    check(changing, { ...above, rcode: 'NXDOMAIN' })
    changing.services.upsert(clusterIP('web', ['10.96.0.1'], 'shop'))
    changing.flush()
    check(changing, above)
    changing.services.remove('shop', 'web')
    changing.flush()
    check(changing, { ...above, rcode: 'NXDOMAIN' })
  })
})
