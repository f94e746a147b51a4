/**
 * The client against servers that mean harm, or are broken: it waits for the right reply, for so long as it was told to,
 * and decodes nothing that would keep it busy. What it prints is in query.test.ts.
 */

import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { after, describe, it } from 'node:test'
import { ask } from '../../../src/cli/dns-client.ts'

const OPT_OCTETS = 11
const SHORT_MS = 60
/** No test waits for it. */
const LONG_MS = 20_000

const closers: (() => void)[] = []
after(() => {
  for (const close of closers) close()
})

type Ask = Partial<Parameters<typeof ask>[0]>

/** A UDP server that sends what `replies` makes of a query. @returns what asks it */
async function overUdp(replies: (query: Buffer) => Buffer[]) {
  const socket = createSocket('udp4')
  closers.push(() => socket.close())
  socket.on('message', (query, { port, address }) => {
    for (const message of replies(query)) socket.send(message, port, address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return asker(socket.address().port, false)
}

/** A TCP server that does with a connection, once it holds a query, what `serve` does. @returns what asks it */
async function overTcp(serve: (stream: Socket, query: Buffer) => void) {
  const streams = new Set<Socket>()
  const server = createServer(stream => {
    streams.add(stream)
    stream.on('error', () => {})
    stream.once('data', chunk => serve(stream, chunk.subarray(2)))
  }).listen(0, '127.0.0.1')
  closers.push(() => {
    server.close()
    for (const stream of streams) stream.destroy()
  })
  await once(server, 'listening')
  return asker((server.address() as { port: number }).port, true)
}

function asker(port: number, tcp: boolean) {
  return (more: Ask = {}) =>
    ask({ server: '127.0.0.1', port, name: 'web.example', type: 1, tcp, timeoutMs: LONG_MS, ...more })
}

/** A reply to the query with `count` records in the answer section, given as octets. */
function reply(query: Buffer, count = 0, records: readonly number[] | Uint8Array = []): Buffer {
  const message = Buffer.concat([query.subarray(0, query.length - OPT_OCTETS), Buffer.from(records)])
  message.writeUInt16BE(0x8400, 2)
  message.writeUInt16BE(count, 6)
  message.writeUInt16BE(0, 10)
  return message
}

function framed(message: Buffer): Buffer {
  return Buffer.concat([Buffer.from([message.length >> 8, message.length & 255]), message])
}

function changed(message: Buffer, change: (message: Buffer) => void): Buffer {
  const copy = Buffer.from(message)
  change(copy)
  return copy
}

/** Of the largest size: records whose owners all follow one chain of 4,095 pointers, forwards, to the root. */
function pointerBomb(query: Buffer): Buffer {
  const start = query.length - OPT_OCTETS
  const chainOctets = 2 * 4095
  const records: number[] = [0, 0, 10, 0, 1, 0, 0, 0, 0, (chainOctets + 1) >> 8, (chainOctets + 1) & 255]
  const chain = start + records.length
  for (let at = chain + 2; at <= chain + chainOctets; at += 2) records.push(0xc0 | (at >> 8), at & 255)
  records.push(0)
  let count = 1
  for (; start + records.length + 12 <= 0xffff; count++) {
    records.push(0xc0 | (chain >> 8), chain & 255, 0, 10, 0, 1, 0, 0, 0, 0, 0, 0)
  }
  return reply(query, count, records)
}

describe('over UDP', () => {
  it('RFC 5452 §9.1: nothing but junk is no reply, however much of it there is', async () => {
    let sent = 0
    const askIt = await overUdp(query => {
      const right = reply(query, 1, [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 6, 6, 6, 6])
      const junk = [
        Buffer.alloc(0),
        Buffer.from([1]),
        right.subarray(0, 11),
        query,
        Buffer.alloc(1200, 0xff),
        ...Array.from({ length: 50 }, (_, i) =>
          changed(right, message => message.writeUInt16BE(right.readUInt16BE(0) ^ (i + 1), 0)),
        ),
        changed(right, message => message.writeUInt8(message[13]! ^ 1, 13)),
        changed(right, message => message.writeUInt8(28, message.indexOf('example\0') + 9)),
        changed(right, message => message.writeUInt16BE(2, 4)),
        right.subarray(0, 20),
      ]
      sent = junk.length
      return junk
    })
    await assert.rejects(askIt({ timeoutMs: SHORT_MS }), { code: 'ERR_DNS_TIMEOUT' })
    assert.ok(sent > 50)
  })

  it('RFC 5452 §9.1: the right reply is taken after any amount of junk', async () => {
    const askIt = await overUdp(query => [Buffer.alloc(40, 0xff), query, reply(query)])
    const { message, protocol } = await askIt()
    assert.equal(message.header.qr, 1)
    assert.equal(protocol, 'UDP')
  })

  it('RFC 4343: a question in another case is the same question', async () => {
    const askIt = await overUdp(query => [changed(reply(query), message => message.write('WEB', 13, 'latin1'))])
    assert.equal((await askIt()).message.questions[0]!.name, 'WEB.example')
  })

  it('RFC 5452 §9.2: every query has an ID of its own', async () => {
    const ids = new Set<number>()
    const askIt = await overUdp(query => {
      ids.add(query.readUInt16BE(0))
      return [reply(query)]
    })
    for (let i = 0; i < 20; i++) await askIt()
    assert.ok(ids.size >= 18, `${ids.size} IDs in 20 queries`)
  })

  it('RFC 6891 §6.2.3: a query offers 1232 octets', async () => {
    let asked: Buffer = Buffer.alloc(0)
    const askIt = await overUdp(query => {
      asked = query
      return [reply(query)]
    })
    await askIt()
    assert.deepEqual([...asked.subarray(-OPT_OCTETS)], [0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0])
  })

  it('a header that promises 196,605 records is not decoded', async () => {
    const askIt = await overUdp(query => [changed(reply(query), message => message.fill(0xff, 6, 12))])
    const start = performance.now()
    await assert.rejects(askIt(), { code: 'ERR_DNS_MALFORMED', message: /record 1 of 196605 is broken/ })
    assert.ok(performance.now() - start < 1000)
  })

  it('a server that truncates and then will not connect is unreachable', async () => {
    const askIt = await overUdp(query => [changed(reply(query), message => message.writeUInt16BE(0x8600, 2))])
    await assert.rejects(askIt(), { code: 'ERR_DNS_UNREACHABLE', message: /nobody listens there/ })
  })
})

describe('a server that no datagram can be sent to', () => {
  it('is unreachable: nothing is thrown past who asked', async () => {
    const askIt = asker(53, false)
    await assert.rejects(askIt({ server: '255.255.255.255' }), { code: 'ERR_DNS_UNREACHABLE', message: /EACCES/ })
    await assert.rejects(askIt({ server: 'fe80::1' }), {
      code: 'ERR_DNS_UNREACHABLE',
      message: /^\[fe80::1\]:53: (a link-local address needs its interface, as in fe80::1%eth0|.*E[A-Z]+)/,
    })
  })
})

describe('over TCP', () => {
  it('RFC 1035 §4.1.4: 64 KiB of pointers are refused at once', async () => {
    const askIt = await overTcp((stream, query) => stream.write(framed(pointerBomb(query))))
    const start = performance.now()
    await assert.rejects(askIt(), { code: 'ERR_DNS_MALFORMED' })
    assert.ok(performance.now() - start < 1000)
  })

  it('RFC 7766 §8: a reply in segments of one octet is a reply', async () => {
    const askIt = await overTcp((stream, query) => {
      const octets = framed(reply(query, 1, [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 10, 0, 0, 1]))
      stream.setNoDelay(true)
      const send = (at: number): void => {
        if (at < octets.length) stream.write(octets.subarray(at, at + 1), () => setImmediate(send, at + 1))
      }
      send(0)
    })
    assert.equal((await askIt()).message.answers[0]!.address, '10.0.0.1')
  })

  it('what follows the reply is left alone', async () => {
    const askIt = await overTcp((stream, query) =>
      stream.write(Buffer.concat([framed(reply(query)), Buffer.alloc(99, 255)])),
    )
    assert.equal((await askIt()).octets.length, reply(Buffer.alloc(29 + OPT_OCTETS)).length)
  })

  it('a message that is no reply, or no message, ends it', async () => {
    const makers: ((query: Buffer) => Buffer)[] = [
      query => changed(reply(query), message => message.writeUInt16BE(message.readUInt16BE(0) ^ 1, 0)),
      query => query,
      () => Buffer.alloc(0),
      () => Buffer.alloc(300, 0xff),
    ]
    for (const make of makers) {
      const askIt = await overTcp((stream, query) => stream.write(framed(make(query))))
      await assert.rejects(askIt(), { code: 'ERR_DNS_UNREACHABLE', message: /no reply to the query/ })
    }
  })

  it('a connection that ends or breaks before the reply says so', async () => {
    const closing = await overTcp(stream => stream.end())
    await assert.rejects(closing(), { code: 'ERR_DNS_UNREACHABLE', message: /closed the connection without a reply/ })
    const cutting = await overTcp((stream, query) => stream.end(framed(reply(query)).subarray(0, 20)))
    await assert.rejects(cutting(), { code: 'ERR_DNS_UNREACHABLE', message: /closed the connection without a reply/ })
    const resetting = await overTcp(stream => stream.resetAndDestroy())
    await assert.rejects(resetting(), { code: 'ERR_DNS_UNREACHABLE', message: /ECONNRESET/ })
  })

  it('half a reply is waited for no longer than it may take', async () => {
    const askIt = await overTcp((stream, query) => stream.write(framed(reply(query)).subarray(0, 20)))
    await assert.rejects(askIt({ timeoutMs: SHORT_MS }), { code: 'ERR_DNS_TIMEOUT' })
  })
})

describe('a name that is none', () => {
  it('is not asked for', async () => {
    const askIt = await overUdp(query => [reply(query)])
    for (const name of ['a..b', 'a'.repeat(64), `${'a.'.repeat(127)}a`, '\\256']) {
      await assert.rejects(askIt({ name }), { code: 'ERR_DNS_NAME' }, name)
    }
  })
})
