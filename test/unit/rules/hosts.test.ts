/**
 * Hosts: lines of hosts(5), and what is answered from them.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { AskedName } from '../../../src/rules/asked-name.ts'
import { Hosts, type HostsOptions, reverseNameOf } from '../../../src/rules/hosts.ts'
import { MAX_LINES, parseHostLine, parseHosts } from '../../../src/rules/hosts-file.ts'
import { whole } from '../../support/pieces.ts'
import { asked, text, wire } from '../../support/rule-names.ts'

const [A, AAAA, PTR, TXT, ANY] = [1, 28, 12, 16, 255]

const parsed = (text: string) => whole(parseHosts(text)).value

function hosts(lines: string, options: Partial<HostsOptions> = {}): Hosts {
  const { entries, problems } = parsed(lines)
  assert.deepEqual(problems, [])
  const made = new Hosts({ ttl: 3600, reverse: true, zones: [], ...options })
  whole(made.fill(entries))
  return made
}

function answer(from: Hosts, name: string, type: number): string[] | number | undefined {
  const found = from.answer(asked(name), type)
  if (found === undefined) return undefined
  if (found.records.length === 0) return found.rcode
  return found.records.map(each => (each.type === PTR ? text(each.rdata) : [...each.rdata].join('.')))
}

describe('lines of hosts(5)', () => {
  it('of very many are read, and taken in, in pieces', () => {
    const lines = Array.from({ length: 20_000 }, (_, i) => `10.0.${i >> 8}.${i & 255} host-${i}.example.com`).join('\n')
    const read = whole(parseHosts(lines))
    assert.equal(read.value.entries.length, 20_000)
    assert.ok(read.pieces >= lines.length / 10_000, `${read.pieces} pieces`)
    const made = new Hosts({ ttl: 3600, reverse: true, zones: [] })
    assert.ok(whole(made.fill(read.value.entries)).pieces >= 40)
    assert.deepEqual(answer(made, 'host-19999.example.com', A), ['10.0.78.31'])
  })

  it('have an address, a name, aliases, comments, tabs and CR', () => {
    const { entries, problems } = parsed('# all\r\n\r\n10.0.0.1\tDB.example.com  db # here\r\n ::1 localhost\n')
    assert.deepEqual(problems, [])
    assert.deepEqual(
      entries.map(({ address, names }) => [[...address].join('.'), names.map(text)]),
      [
        ['10.0.0.1', ['db.example.com.', 'db.']],
        ['0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1', ['localhost.']],
      ],
    )
  })

  it('an IPv4 address in IPv6 writing is IPv4, a scope is left out', () => {
    const [mapped, scoped] = ['::ffff:10.0.0.1 a', 'fe80::1%lo0 a'].map(parseHostLine)
    assert.ok(typeof mapped === 'object' && typeof scoped === 'object')
    assert.deepEqual([...mapped.address], [10, 0, 0, 1])
    assert.equal(scoped.address.length, 16)
  })

  it('that say nothing are named with their number and what is wrong', () => {
    const { entries, problems } = parsed(
      ['10.0.0.1 a', '10.0.0.300 b', 'c 10.0.0.1', '10.0.0.2', '10.0.0.3 a..b', '10.0.0.4 x*y', '10.0.0.5 z'].join(
        '\n',
      ),
    )
    assert.equal(entries.length, 2)
    assert.deepEqual(
      problems.map(({ line, reason }) => `${line}: ${reason}`),
      [
        '2: "10.0.0.300" is no IP address',
        '3: "c" is no IP address',
        '4: 10.0.0.2 has no name behind it',
        '5: "a..b" is no host name',
        '6: "x*y" is no host name',
      ],
    )
  })

  it('are bounded: in number, in names, in problems', () => {
    assert.equal(parsed('\n'.repeat(MAX_LINES + 5)).problems.length, 1)
    assert.equal(parsed('x\n'.repeat(1000)).problems.length, 10)
    assert.match(String(parseHostLine(`10.0.0.1 ${'a '.repeat(65)}`)), /more than 64 names/)
  })

  it('whatever they hold, nothing is thrown', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 80 }), line => {
        const entry = parseHostLine(line)
        assert.ok(entry === undefined || typeof entry === 'string' || entry.names.length > 0)
      }),
    )
  })
})

describe('hosts', () => {
  const some = hosts('10.0.0.1 db.example.com db\n10.0.0.2 db.example.com\nfd00::1 db.example.com\n10.0.0.1 db')

  it('answer A and AAAA, of a name in any case; another type is NODATA', () => {
    assert.deepEqual(answer(some, 'DB.example.com', A), ['10.0.0.1', '10.0.0.2'])
    assert.deepEqual(answer(some, 'db.example.com', AAAA), ['253.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1'])
    assert.equal(answer(some, 'db.example.com', TXT), 0)
    assert.equal((answer(some, 'db.example.com', ANY) as string[]).length, 3)
    assert.equal(some.entries, 4)
  })

  it('know nothing of other names, above and below', () => {
    for (const name of ['example.com', 'a.db.example.com', 'xdb', '.']) assert.equal(answer(some, name, A), undefined)
  })

  it('answer PTR with all names of an address, unless told not to', () => {
    assert.deepEqual(answer(some, '1.0.0.10.in-addr.arpa', PTR), ['db.example.com.', 'db.'])
    const fd = text(reverseNameOf(Uint8Array.from({ length: 16 }, (_, i) => [0xfd, ...Array(14).fill(0), 1][i]!)))
    assert.deepEqual(answer(some, fd, PTR), ['db.example.com.'])
    assert.equal(answer(hosts('10.0.0.1 db', { reverse: false }), '1.0.0.10.in-addr.arpa', PTR), undefined)
  })

  it('RFC 4592 §3.3.1: a wildcard answers below the closest encloser, a name that exists itself', () => {
    const wild = hosts('10.0.0.1 *.example.com\n10.0.0.2 www.example.com\n10.0.0.3 *.deep.example.com')
    assert.deepEqual(answer(wild, 'any.example.com', A), ['10.0.0.1'])
    assert.deepEqual(answer(wild, 'a.b.example.com', A), ['10.0.0.1'])
    assert.deepEqual(answer(wild, 'www.example.com', A), ['10.0.0.2'])
    assert.equal(answer(wild, 'below.www.example.com', A), undefined)
    assert.deepEqual(answer(wild, 'x.deep.example.com', A), ['10.0.0.3'])
    assert.equal(answer(wild, 'example.com', A), undefined)
    assert.equal(answer(wild, '1.0.0.10.in-addr.arpa', PTR), undefined)
  })

  it('RFC 4592 §2.2.2, §3.3.1: a name between others exists: no wildcard answers at it, or below it', () => {
    const lines = '10.0.0.1 *.example.com\n10.0.0.2 a.b.example.com\n10.0.0.3 *.c.d.example.com'
    for (const zones of [[], [wire('example.com')]]) {
      const wild = hosts(lines, { zones })
      const isZone = zones.length > 0
      for (const name of ['b.example.com', 'c.d.example.com', 'd.example.com'])
        assert.equal(answer(wild, name, A), isZone ? 0 : undefined, name)
      for (const name of ['x.b.example.com', 'x.d.example.com', 'x.a.b.example.com'])
        assert.equal(answer(wild, name, A), isZone ? 3 : undefined, name)
      for (const name of ['x.example.com', 'x.y.example.com']) assert.deepEqual(answer(wild, name, A), ['10.0.0.1'])
      assert.deepEqual(answer(wild, 'x.y.c.d.example.com', A), ['10.0.0.3'])
    }
  })

  it('RFC 8020 §2: in a zone a name that has names below it is NODATA, whatever has records, in the reverse zones too', () => {
    const zones = ['corp.example', '10.in-addr.arpa', 'ip6.arpa'].map(wire)
    const zoned = hosts('10.0.0.2 a.b.corp.example\nfd00::1 x.y.z.corp.example\nfd00::2 other.example', { zones })
    const reverse = text(reverseNameOf(Uint8Array.of(0xfd, ...Array(14).fill(0), 1))).slice(0, -1)
    for (const name of ['a.b.corp.example', 'x.y.z.corp.example', '2.0.0.10.in-addr.arpa', reverse]) {
      for (let above = name; above.includes('.'); above = above.slice(above.indexOf('.') + 1)) {
        const isIn = zones.some(zone => text(zone) === `${above}.` || `${above}.`.endsWith(`.${text(zone)}`))
        assert.equal(answer(zoned, above, TXT), isIn ? 0 : undefined, above)
      }
    }
    for (const name of ['c.corp.example', 'c.b.corp.example', 'a.a.b.corp.example', '1.10.in-addr.arpa', 'e.ip6.arpa'])
      assert.equal(answer(zoned, name, A), 3, name)
  })

  it('of very many names not all between them are known, and then none is denied', () => {
    const lines = Array.from({ length: 16_000 }, (_, i) => `${(i + 0x1000).toString(16)}::1 host-${i}.example`)
    const zoned = (count: number) => hosts(lines.slice(0, count).join('\n'), { zones: [wire('ip6.arpa')] })
    assert.equal(answer(zoned(10), 'x.ip6.arpa', PTR), 3)
    assert.equal(answer(zoned(16_000), 'x.ip6.arpa', PTR), 0)
  })

  it('are all there is in the zones they are given', () => {
    const zoned = hosts('10.0.0.1 a.corp.example', { zones: [wire('corp.example')] })
    assert.equal(answer(zoned, 'b.corp.example', A), 3)
    assert.equal(answer(zoned, 'corp.example', A), 0)
    assert.equal(answer(zoned, 'b.example', A), undefined)
    assert.equal(text(zoned.answer(asked('b.corp.example'), A)!.zone!), 'corp.example.')
  })

  it('are found by every name they were given, and by no other (property)', () => {
    const label = fc.stringMatching(/^[a-c]{1,2}$/)
    const name = fc.array(label, { minLength: 1, maxLength: 3 }).map(labels => labels.join('.'))
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat({ max: 255 }), name), { maxLength: 12 }), name, (pairs, other) => {
        const index = hosts(pairs.map(([octet, each]) => `10.0.0.${octet} ${each}`).join('\n'))
        const wanted = [...new Set(pairs.filter(([, each]) => each === other).map(([octet]) => `10.0.0.${octet}`))]
        assert.deepEqual(answer(index, other, A) ?? [], wanted)
      }),
    )
  })

  it('of one name are bounded, so that 20,000 names of one address cost what they should', () => {
    const blocked = hosts(Array.from({ length: 20_000 }, (_, i) => `0.0.0.0 ads${i}.example`).join('\n'))
    assert.equal(blocked.entries, 20_000)
    assert.equal((answer(blocked, '0.0.0.0.in-addr.arpa', PTR) as string[]).length, 256)
    assert.deepEqual(answer(blocked, 'ads19999.example', A), ['0.0.0.0'])
  })

  it('a name of any octets is looked up octet by octet', () => {
    const odd = new AskedName(Uint8Array.of(5, 0x64, 0x62, 0x2e, 0x00, 0xff, 0))
    assert.equal(some.answer(odd, A), undefined)
  })
})
