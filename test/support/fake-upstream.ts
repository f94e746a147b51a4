/**
 * A server to forward to, on a free loopback port over UDP and TCP (or TLS), that answers as a test says: rightly, late,
 * wrongly or not at all. Layer: test support.
 */

import { createSocket, type RemoteInfo } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { message, optRecord, questionOf, u16, wireName } from './messages.ts'

/** A query as it came. */
export interface Asked {
  readonly octets: Buffer
  readonly id: number
  readonly flags: number
  /** QNAME, QTYPE, QCLASS. */
  readonly question: Buffer
  /** Presentation format without the final dot, case kept. */
  readonly name: string
  readonly type: number
  readonly hasOpt: boolean
  readonly tcp: boolean
  readonly port: number
}

/** Messages to send, in their order; none: silence. */
export type Script = (asked: Asked) => readonly Uint8Array[] | Promise<readonly Uint8Array[]>

export interface FakeUpstream {
  readonly port: number
  /** Every query that came. */
  readonly asked: Asked[]
  script: Script
  /** Sends what no script says. */
  sendTo(octets: Uint8Array, to: number): Promise<void>
  /** Sends from another port than the one that was asked. */
  sendFromElsewhere(octets: Uint8Array, to: number): Promise<void>
  close(): Promise<void>
}

/**
 * @param tls key and certificate: the stream side speaks TLS
 * @param at a port that a resolv.conf can name, say; default: a free one
 */
export async function startUpstream(
  script: Script,
  tls?: { readonly key: Buffer; readonly cert: Buffer },
  at = { address: '127.0.0.1', port: 0 },
): Promise<FakeUpstream> {
  const udp = createSocket('udp4')
  const stranger = createSocket('udp4')
  const connections = new Set<Socket>()
  const upstream = { asked: [] as Asked[], script }

  const onStream = (socket: Socket): void => {
    connections.add(socket)
    let held = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('close', () => connections.delete(socket))
    socket.on('data', async chunk => {
      held = Buffer.concat([held, chunk as Buffer])
      while (held.length >= 2 && held.length >= 2 + held.readUInt16BE()) {
        const octets = held.subarray(2, 2 + held.readUInt16BE())
        held = held.subarray(2 + octets.length)
        const asked = read(octets, true, socket.remotePort ?? 0)
        upstream.asked.push(asked)
        for (const reply of await upstream.script(asked)) socket.write(Buffer.concat([u16(reply.length), reply]))
      }
    })
  }
  udp.on('message', async (octets: Buffer, peer: RemoteInfo) => {
    const asked = read(octets, false, peer.port)
    upstream.asked.push(asked)
    for (const reply of await upstream.script(asked)) udp.send(reply, peer.port, peer.address, () => {})
  })
  let tcp: Server
  for (let tries = 0; ; tries++) {
    tcp = tls === undefined ? createServer(onStream) : createTlsServer({ ...tls }, onStream)
    tcp.listen(at.port, at.address)
    await once(tcp, 'listening')
    const { port } = tcp.address() as AddressInfo
    try {
      const bound = once(udp, 'listening')
      udp.bind(port, at.address)
      await bound
      break
    } catch (error) {
      tcp.close()
      if (tries === 10) throw error
    }
  }
  const { port } = tcp.address() as AddressInfo
  return Object.assign(upstream, {
    port,
    sendTo: (octets: Uint8Array, to: number) =>
      new Promise<void>(resolve => udp.send(octets, to, '127.0.0.1', () => resolve())),
    sendFromElsewhere: (octets: Uint8Array, to: number) =>
      new Promise<void>(resolve => stranger.send(octets, to, '127.0.0.1', () => resolve())),
    async close() {
      udp.close()
      try {
        stranger.close()
      } catch {}
      for (const socket of connections) socket.destroy()
      tcp.close()
      await once(tcp, 'close')
    },
  })
}

function read(octets: Buffer, tcp: boolean, port: number): Asked {
  let end = 12
  const labels: string[] = []
  for (; octets[end] !== 0; end += 1 + octets[end]!) {
    labels.push(octets.toString('latin1', end + 1, end + 1 + octets[end]!))
  }
  return {
    octets,
    id: octets.readUInt16BE(0),
    flags: octets.readUInt16BE(2),
    question: octets.subarray(12, end + 5),
    name: labels.join('.'),
    type: octets.readUInt16BE(end + 1),
    hasOpt: octets.readUInt16BE(10) > 0,
    tcp,
    port,
  }
}

export interface ReplyFields {
  readonly id?: number
  readonly flags?: number
  readonly question?: Uint8Array
  readonly answers?: readonly Uint8Array[]
  readonly authority?: readonly Uint8Array[]
  readonly additional?: readonly Uint8Array[]
  readonly opt?: boolean
}

/** The reply to what was asked, with QR, RD and RA. */
export function replyTo(asked: Asked, fields: ReplyFields = {}): Buffer {
  const { answers = [], authority = [], additional = [], opt = asked.hasOpt } = fields
  const more = [...additional, ...(opt ? [optRecord({})] : [])]
  return message({
    id: fields.id ?? asked.id,
    flags: 0x8180 | (fields.flags ?? 0),
    counts: [1, answers.length, authority.length, more.length],
    parts: [fields.question ?? asked.question, ...answers, ...authority, ...more],
  })
}

/** @param owner presentation format, or the octets of a pointer */
export function recordOf(owner: string | Uint8Array, type: number, rdata: Uint8Array, ttl = 60): Buffer {
  const name = typeof owner === 'string' ? wireName(owner) : owner
  const ttls = Buffer.alloc(4)
  ttls.writeUInt32BE(ttl)
  return Buffer.concat([name, u16(type), u16(1), ttls, u16(rdata.length), rdata])
}

/** A pointer to QNAME. */
export const QNAME = Uint8Array.of(0xc0, 12)

export function addressOf(name: string | Uint8Array, address: string, ttl?: number): Buffer {
  return recordOf(name, 1, Uint8Array.from(address.split('.'), Number), ttl)
}

/** Answers every A with one address. */
export function always(address: string): Script {
  return asked => [replyTo(asked, { answers: asked.type === 1 ? [addressOf(QNAME, address)] : [] })]
}

export { questionOf, wireName }
