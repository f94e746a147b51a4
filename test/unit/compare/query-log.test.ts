import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { questionsOfLine } from '../../../src/compare/query-log.ts'

const read = (line: string) => questionsOfLine(line)?.map(({ name, type }) => `${name} ${type}`)

describe('lists and query logs', () => {
  it('a list: a name, and a type or both of the addresses', () => {
    assert.deepEqual(read('Web.NS.svc.cluster.local AAAA'), ['web.ns.svc.cluster.local. AAAA'])
    assert.deepEqual(read('  web.ns.\t srv # what for'), ['web.ns. SRV'])
    assert.deepEqual(read('web.ns'), ['web.ns. A', 'web.ns. AAAA'])
    for (const nothing of ['', '# web.ns A', '   ']) assert.deepEqual(read(nothing), [])
  })

  it('CoreDNS’s log, with and without what kubectl writes before it; other lines of it ask nothing', () => {
    const logged =
      '[INFO] 10.244.0.7:50759 - 29008 "A IN Example.org. udp 41 false 4096" NOERROR qr,rd,ra,ad 68 0.037990251s'
    assert.deepEqual(read(logged), ['example.org. A'])
    assert.deepEqual(read(`[pod/coredns-5d78c9869d-abcde/coredns] ${logged}`), ['example.org. A'])
    assert.deepEqual(read('[INFO] [fd00::7]:1 - 2 "HTTPS IN x. tcp 41 true 1232" NXDOMAIN qr 68 0.1s'), ['x. HTTPS'])
    assert.deepEqual(read('[INFO] 10.0.0.1:1 - 2 "TXT CH version.bind. udp 41 false 512" NOTIMP qr 68 0.1s'), [])
    assert.deepEqual(read('[INFO] plugin/reload: Running configuration SHA512 = 1234'), [])
  })

  it('JSON, a line each', () => {
    assert.deepEqual(read('{"level":30,"qname":"web.ns.","qtype":"A"}'), ['web.ns. A'])
    assert.deepEqual(read('{"name":"web.ns","type":"aaaa","rcode":"NOERROR"}'), ['web.ns. AAAA'])
    assert.deepEqual(read('{"level":30,"msg":"synced"}'), [])
  })

  it('what is no name, too long or half a line is told from nothing', () => {
    for (const line of [`${'a'.repeat(64)}.b A`, 'a..b', '{"name":', 'three words here', 'x'.repeat(5000)]) {
      assert.equal(read(line), undefined, line.slice(0, 40))
    }
  })

  it('any line is read or refused, quickly', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), line => void questionsOfLine(line)))
    const begin = performance.now()
    for (const hostile of ['"A IN '.repeat(600), ' '.repeat(4000), `a${' '.repeat(3990)}b`, '"A IN x'.repeat(500)])
      questionsOfLine(hostile)
    assert.ok(performance.now() - begin < 100)
  })
})
