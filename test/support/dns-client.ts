/**
 * A DNS client for tests, over real sockets, that decodes with dns-packet: nothing of it is shared with the server.
 */

import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import { decode, encode, type Packet } from 'dns-packet'

export interface ClientOptions {
  readonly port: number
  readonly address?: string
  readonly tcp?: boolean
  readonly payload?: number
}

export async function askServer(
  name: string,
  type: string,
  options: ClientOptions,
): Promise<Packet & { rcode: string }> {
  const query = encodeQuery(name, type, options.payload ?? 1232)
  const reply = await (options.tcp === true ? exchangeTcp(query, options) : exchangeUdp(query, options))
  if (reply.readUInt16BE(0) !== query.readUInt16BE(0)) throw new Error('the reply has another ID')
  return decode(reply) as unknown as Packet & { rcode: string }
}

/** The data of the answers of a type, sorted. */
export async function dataOf(name: string, type: string, options: ClientOptions): Promise<string[]> {
  const { answers = [] } = await askServer(name, type, options)
  return answers
    .filter(record => record.type === type)
    .map(record => String((record as unknown as { data: unknown }).data))
    .sort()
}

export function encodeQuery(name: string, type: string, payload: number): Buffer {
  const opt = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: payload,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    options: [],
  }
  return encode({
    type: 'query',
    id: randomInt(65_536),
    flags: 0x100,
    questions: [{ type: type as 'A', name }],
    additionals: payload > 0 ? [opt as never] : [],
  })
}

export function exchangeUdp(
  query: Uint8Array,
  { port, address = '127.0.0.1' }: ClientOptions,
  timeoutMs = 3000,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    const timer = setTimeout(() => finish(() => reject(new Error('no reply over UDP'))), timeoutMs)
    const finish = (how: () => void): void => {
      clearTimeout(timer)
      socket.close()
      how()
    }
    socket.once('message', reply => finish(() => resolve(reply)))
    socket.once('error', error => finish(() => reject(error)))
    socket.connect(port, address, () => socket.send(query))
  })
}

export function exchangeTcp(
  query: Uint8Array,
  { port, address = '127.0.0.1' }: ClientOptions,
  timeoutMs = 3000,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, address)
    let received = Buffer.alloc(0)
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error('no reply over TCP')))
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('the connection was closed without a reply')))
    socket.on('data', chunk => {
      received = Buffer.concat([received, chunk])
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return
      resolve(received.subarray(2, 2 + received.readUInt16BE(0)))
      socket.destroy()
    })
    const length = Buffer.alloc(2)
    length.writeUInt16BE(query.length)
    socket.write(Buffer.concat([length, query]))
  })
}
