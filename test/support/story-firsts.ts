/**
 * Who comes first in answers, and how evenly: asks one question many times, some at once, and reads of each reply no more than
 * its first record. Layer: test support.
 */

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'

const OUTSTANDING = 32
const HEADER = 12

export interface Reply {
  /** RDATA of the first answer. */
  readonly first: Buffer
  readonly isTruncated: boolean
}

/** @param query a message with one question */
export async function askOften(
  query: Buffer,
  port: number,
  isTcp: boolean,
  times: number,
  onReply: (reply: Reply) => void,
): Promise<void> {
  const done = Promise.withResolvers<void>()
  let [toAsk, toCome] = [times, times]
  const take = (reply: Buffer, ask: () => void) => {
    onReply({ first: firstOf(reply, endOfQuestion(query)), isTruncated: (reply[2]! & 2) !== 0 })
    if (--toCome === 0) done.resolve()
    if (toAsk-- > 0) ask()
  }
  const close = await (isTcp ? openTcp : openUdp)(query, port, take, done.reject)
  toAsk -= OUTSTANDING
  await done.promise
  close()
}

type Take = (reply: Buffer, ask: () => void) => void
type Fail = (error: Error) => void

async function openUdp(query: Buffer, port: number, take: Take, fail: Fail): Promise<() => void> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 })
  socket.on('error', fail)
  socket.on('message', reply => take(reply, () => socket.send(query)))
  socket.connect(port, '127.0.0.1')
  await once(socket, 'connect')
  for (let i = 0; i < OUTSTANDING; i++) socket.send(query)
  return () => socket.close()
}

async function openTcp(query: Buffer, port: number, take: Take, fail: Fail): Promise<() => void> {
  const framed = Buffer.concat([Buffer.of(query.length >>> 8, query.length & 255), query])
  const socket = connect(port, '127.0.0.1')
  socket.setNoDelay(true)
  socket.on('error', fail)
  let rest = Buffer.alloc(0)
  socket.on('data', chunk => {
    const octets = Buffer.concat([rest, chunk as Buffer])
    let [at, asked] = [0, 0]
    while (octets.length - at >= 2 && octets.length - at >= 2 + octets.readUInt16BE(at)) {
      const end = at + 2 + octets.readUInt16BE(at)
      take(octets.subarray(at + 2, end), () => asked++)
      at = end
    }
    rest = Buffer.from(octets.subarray(at))
    if (asked > 0) socket.write(Buffer.concat(Array(asked).fill(framed)))
  })
  await once(socket, 'connect')
  for (let i = 0; i < OUTSTANDING; i++) socket.write(framed)
  return () => socket.destroy()
}

function endOfQuestion(query: Buffer): number {
  return query.indexOf(0, HEADER) + 5
}

/** Its owner is a pointer. */
function firstOf(reply: Buffer, at: number): Buffer {
  const length = reply.readUInt16BE(at + 10)
  return reply.subarray(at + 12, at + 12 + length)
}

/** Of an even server one pod in 25 million is further off. */
const MOST_DEVIATIONS = 5.5
/** A pod that comes 1.5 times as often as it should is 10 deviations off then: chance hides it once in 20,000 times. */
export const ANSWERS_FOR_EACH = 420

/**
 * Pearson's chi-square, of each pod alone (one degree of freedom) and of all of them together.
 * @param counts how often each came first
 * @returns what is not as even as chance, in words
 */
export function unevenness(counts: readonly number[]): string | undefined {
  const total = counts.reduce((sum, one) => sum + one, 0)
  const expected = total / counts.length
  const deviations = counts.map(seen => (seen - expected) / Math.sqrt(expected * (1 - 1 / counts.length)))
  const most = Math.max(...deviations.map(Math.abs))
  if (most > MOST_DEVIATIONS) return `one comes first ${most.toFixed(1)} deviations from ${expected.toFixed(0)} times`
  const square = counts.reduce((sum, seen) => sum + (seen - expected) ** 2 / expected, 0)
  const freedom = counts.length - 1
  // Wilson and Hilferty: the cube root is nearly normal.
  const z = (Math.cbrt(square / freedom) - (1 - 2 / (9 * freedom))) / Math.sqrt(2 / (9 * freedom))
  return z > MOST_DEVIATIONS ? `chi-square ${square.toFixed(0)} of ${freedom} degrees of freedom` : undefined
}
