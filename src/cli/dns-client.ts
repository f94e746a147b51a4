/**
 * Asks one question of one server and decodes the reply. Layer: cli. The one door to dns2, whose decoder knows nothing of the
 * server's own code and so is a second opinion on its answers. It gets no octets that `checkMessage` has not passed.
 */

import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { isIPv6, connect as openStream } from 'node:net'
import { Packet } from 'dns2'
import { FLAG_RD, FLAG_TC, HEADER_OCTETS, OFFSET_FLAGS, OPT_OCTETS, TYPE_OPT } from '../wire/constants.ts'
import type { WireName } from '../wire/name.ts'
import { parseName } from '../wire/name.ts'
import { checkMessage } from './message-check.ts'

export interface Question {
  /** IPv4 or IPv6. */
  readonly server: string
  readonly port: number
  /** Presentation format. */
  readonly name: string
  readonly type: number
  /** Over TCP at once. Else over UDP, and again over TCP when the reply has TC set. */
  readonly tcp: boolean
  /** For one transport. */
  readonly timeoutMs: number
}

/** A record or question as dns2 decodes it: `ttl` and the fields of its type. */
export type DecodedRecord = Packet['answers'][number]

export interface Reply {
  readonly message: Packet
  readonly octets: Uint8Array
  readonly protocol: 'UDP' | 'TCP'
  /** From the first query to the reply. */
  readonly durationMs: number
}

export type DnsClientErrorCode = 'ERR_DNS_NAME' | 'ERR_DNS_TIMEOUT' | 'ERR_DNS_UNREACHABLE' | 'ERR_DNS_MALFORMED'

export class DnsClientError extends Error {
  override readonly name = 'DnsClientError'
  readonly code: DnsClientErrorCode

  constructor(code: DnsClientErrorCode, message: string, cause?: unknown) {
    super(message, { cause })
    this.code = code
  }
}

/** RFC 9715 §3: what fits without fragments. */
const UDP_PAYLOAD = 1232
const CLASS_IN = 1

/** @throws DnsClientError */
export async function ask(question: Question): Promise<Reply> {
  const name = parseName(question.name)
  if (name === undefined) throw new DnsClientError('ERR_DNS_NAME', `${JSON.stringify(question.name)} is no domain name`)
  const query = encodeQuery(name, question.type)
  const start = performance.now()
  let protocol: Reply['protocol'] = question.tcp ? 'TCP' : 'UDP'
  let octets = question.tcp ? await overTcp(question, query) : await overUdp(question, query)
  // RFC 7766 §5: a truncated reply is asked for again over TCP
  if (protocol === 'UDP' && (flagsOf(octets) & FLAG_TC) !== 0) {
    protocol = 'TCP'
    octets = await overTcp(question, query)
  }
  const durationMs = performance.now() - start
  const problem = checkMessage(octets)
  if (problem !== undefined) {
    throw new DnsClientError('ERR_DNS_MALFORMED', `${where(question)} sent a reply that cannot be read: ${problem}`)
  }
  return { message: Packet.parse(Buffer.from(octets)), octets, protocol, durationMs }
}

/**
 *   header      question                    OPT (RFC 6891 §6.1.2)
 *   ┌────────┬────────┬──────┬───────┐ ┌───┬──────┬──────────┬───────────┬──────────┐
 *   │ 12     │ QNAME  │ TYPE │ CLASS │ │ 0 │ 41   │ UDP size │ ttl, here │ RDLENGTH │
 *   │ octets │        │ 2    │ 2     │ │ 1 │ 2    │ 2        │ 0; 4      │ 0; 2     │
 *   └────────┴────────┴──────┴───────┘ └───┴──────┴──────────┴───────────┴──────────┘
 */
function encodeQuery(name: WireName, type: number): Buffer {
  const query = Buffer.alloc(HEADER_OCTETS + name.length + 4 + OPT_OCTETS)
  // RFC 5452 §9.2: an ID that nobody can guess
  query.writeUInt16BE(randomInt(0x10000), 0)
  query.writeUInt16BE(FLAG_RD, OFFSET_FLAGS)
  query.writeUInt16BE(1, 4)
  query.writeUInt16BE(1, 10)
  query.set(name, HEADER_OCTETS)
  let at = HEADER_OCTETS + name.length
  at = query.writeUInt16BE(type, at)
  at = query.writeUInt16BE(CLASS_IN, at)
  query.writeUInt16BE(TYPE_OPT, at + 1)
  query.writeUInt16BE(UDP_PAYLOAD, at + 3)
  return query
}

/** RFC 5452 §9.1: a reply has our ID and our question. A server that could not read the question sends none back. */
function isReplyTo(query: Buffer, reply: Buffer): boolean {
  if (reply.length < HEADER_OCTETS || reply.readUInt16BE(0) !== query.readUInt16BE(0) || reply[2]! < 0x80) return false
  if (reply.readUInt16BE(4) === 0) return true
  const end = query.length - OPT_OCTETS
  const asked = query.toString('latin1', HEADER_OCTETS, end).toLowerCase()
  return reply.readUInt16BE(4) === 1 && reply.toString('latin1', HEADER_OCTETS, end).toLowerCase() === asked
}

function overUdp({ server, port, timeoutMs, ...rest }: Question, query: Buffer): Promise<Buffer> {
  const socket = createSocket(isIPv6(server) ? 'udp6' : 'udp4')
  return settle<Buffer>(
    { server, port, timeoutMs, ...rest },
    (resolve, reject) => {
      socket.on('error', reject)
      // What is not a reply to this query is somebody else's, or a forgery: the wait goes on.
      socket.on('message', message => {
        if (isReplyTo(query, message)) resolve(message)
      })
      // Not as the callback of `connect`, which is called with the error of one that failed.
      socket.on('connect', () => socket.send(query))
      // Connected, so that the kernel takes datagrams of this server alone and tells of a closed port.
      socket.connect(port, server)
    },
    () => socket.close(),
  )
}

function overTcp(question: Question, query: Buffer): Promise<Buffer> {
  const { server, port } = question
  const stream = openStream({ host: server, port })
  return settle<Buffer>(
    question,
    (resolve, reject) => {
      let received: Buffer = Buffer.alloc(0)
      stream.on('error', reject)
      stream.on('end', () => reject(new Error('it closed the connection without a reply')))
      stream.on('data', chunk => {
        received = Buffer.concat([received, chunk])
        const length = received.length < 2 ? Number.POSITIVE_INFINITY : received.readUInt16BE(0)
        if (received.length < 2 + length) return
        const message = received.subarray(2, 2 + length)
        if (isReplyTo(query, message)) resolve(message)
        else reject(new Error('it sent something that is no reply to the query'))
      })
      const length = Buffer.alloc(2)
      length.writeUInt16BE(query.length)
      stream.write(Buffer.concat([length, query]))
    },
    () => stream.destroy(),
  )
}

/** Runs `start` until it ends, or the time does; `cleanUp` in any case. */
async function settle<T>(
  question: Question,
  start: (resolve: (value: T) => void, reject: (error: Error) => void) => void,
  cleanUp: () => void,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise<T>((resolve, reject) => {
      const late = `${where(question)} did not answer in ${question.timeoutMs} ms`
      timer = setTimeout(() => reject(new DnsClientError('ERR_DNS_TIMEOUT', late)), question.timeoutMs)
      start(resolve, error =>
        reject(
          new DnsClientError('ERR_DNS_UNREACHABLE', `${where(question)}: ${explain(question.server, error)}`, error),
        ),
      )
    })
  } finally {
    clearTimeout(timer)
    cleanUp()
  }
}

function explain(server: string, { code, message }: Error & { code?: string }): string {
  if (code === 'ECONNREFUSED') return 'nobody listens there'
  if (code === 'EINVAL' && /^fe[89ab].:[^%]*$/i.test(server))
    return `a link-local address needs its interface, as in ${server}%eth0`
  return message
}

function where({ server, port }: Question): string {
  return server.includes(':') ? `[${server}]:${port}` : `${server}:${port}`
}

function flagsOf(message: Buffer): number {
  return message.readUInt16BE(OFFSET_FLAGS)
}
