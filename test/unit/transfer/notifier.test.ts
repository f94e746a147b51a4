import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Notifier, type Secondary } from '../../../src/transfer/notifier.ts'
import { parseName } from '../../../src/wire/name.ts'

const ZONE = 3
const TO: Secondary = { zone: ZONE, address: '10.0.0.53', port: 53 }
const SOA = { owner: parseName('cluster.local')!, type: 6, ttl: 5, rdata: new Uint8Array(22) }

function start(secondaries: readonly Secondary[] = [TO]) {
  let nowMs = 0
  let id = 100
  const timers = new Set<{ atMs: number; run: () => void }>()
  const sent: { atMs: number; message: Uint8Array; to: Secondary }[] = []
  const failures: (number | undefined)[] = []
  const notifier = new Notifier(secondaries, {
    soaOf: () => SOA,
    send: (message, to) => void sent.push({ atMs: nowMs, message, to }),
    after(ms, run) {
      const timer = { atMs: nowMs + ms, run }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
    nowMs: () => nowMs,
    randomId: () => ++id,
    onFailure: (_, rcode) => void failures.push(rcode),
  })
  const pass = (ms: number) => {
    const endMs = nowMs + ms
    for (;;) {
      const [next] = [...timers].filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)
      if (next === undefined) break
      timers.delete(next)
      nowMs = next.atMs
      next.run()
    }
    nowMs = endMs
  }
  const reply = (rcode = 0, { address, port } = TO) => {
    const message = sent.at(-1)!.message.slice(0, 12)
    message[2] = 0xa4
    message[3] = rcode
    notifier.received(message, address, port)
  }
  return { notifier, sent, failures, pass, reply, timers }
}

describe('RFC 1996 §3.6: NOTIFY is sent again until it is answered', () => {
  it('after 2, 4, 8, 16 and 32 s, and then not until the next change', () => {
    const { notifier, sent, failures, pass } = start()
    notifier.changed(ZONE)
    pass(3_600_000)
    assert.deepEqual(
      sent.map(({ atMs }) => atMs),
      [0, 2000, 6000, 14_000, 30_000, 62_000],
    )
    assert.deepEqual([notifier.stats, failures], [{ sent: 6, answered: 0, failed: 1 }, [undefined]])
    notifier.changed(ZONE)
    pass(0)
    assert.equal(sent.length, 7)
  })

  it('an answer ends it; an RCODE in it is told', () => {
    const { notifier, sent, failures, pass, reply, timers } = start()
    notifier.changed(ZONE)
    pass(0)
    reply(5)
    pass(3_600_000)
    assert.deepEqual([sent.length, failures, timers.size], [1, [5], 0])
  })
})

describe('RFC 1996 §3.8: a reply is that of the secondary that was asked', () => {
  it('another sender, another ID, or a query ends nothing', () => {
    const { notifier, sent, pass, reply } = start()
    notifier.changed(ZONE)
    pass(0)
    reply(0, { ...TO, address: '10.0.0.54' })
    reply(0, { ...TO, port: 54 })
    notifier.received(Uint8Array.of(0, 1, 0xa4, 0, 0, 0, 0, 0, 0, 0, 0, 0), TO.address, TO.port)
    notifier.received(sent[0]!.message, TO.address, TO.port)
    notifier.received(new Uint8Array(3), TO.address, TO.port)
    assert.equal(notifier.stats.answered, 0)
    reply()
    assert.equal(notifier.stats.answered, 1)
  })
})

describe('NOTIFY', () => {
  it('RFC 1996 §3.7: is opcode 4 with AA, the zone’s SOA in question and answer', () => {
    const { notifier, sent, pass } = start()
    notifier.changed(ZONE)
    pass(0)
    const view = new DataView(sent[0]!.message.buffer)
    assert.deepEqual([view.getUint16(2), view.getUint16(4), view.getUint16(6)], [0x2400, 1, 1])
    assert.equal(view.getUint16(12 + SOA.owner.length), 6)
  })

  it('goes out at most once a second, whatever changes, and to those of the zone alone', () => {
    const { notifier, sent, pass, reply } = start([TO, { ...TO, zone: 4, port: 54 }])
    for (let ms = 0; ms < 10_000; ms += 10) {
      notifier.changed(ZONE)
      pass(10)
      reply()
    }
    assert.ok(sent.length <= 11, `${sent.length} in 10 s`)
    assert.ok(sent.every(({ to }) => to === TO))
  })
})
