/**
 * Asks a server thousands of queries, many under way at once, and gives the replies in the order of the queries.
 */

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { exchangeTcp } from '../support/dns-client.ts'
import type { DifferentialQuery } from './queries.ts'

const WINDOW = 64
const STREAMS = 16
const PATIENCE_MS = 700

/** @returns undefined where nothing came back, and nothing the second time */
export async function askAll(queries: readonly DifferentialQuery[], port: number): Promise<(Buffer | undefined)[]> {
  const replies: (Buffer | undefined)[] = new Array(queries.length).fill(undefined)
  const indexes = [...queries.keys()]
  const datagrams = indexes.filter(i => !queries[i]!.stream)
  await Promise.all([
    askDatagrams(queries, datagrams, port, replies),
    askStreams(
      queries,
      indexes.filter(i => queries[i]!.stream),
      port,
      replies,
    ),
  ])
  await askDatagrams(
    queries,
    datagrams.filter(i => replies[i] === undefined),
    port,
    replies,
  )
  return replies
}

async function askDatagrams(
  queries: readonly DifferentialQuery[],
  indexes: readonly number[],
  port: number,
  replies: (Buffer | undefined)[],
): Promise<void> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 })
  socket.connect(port, '127.0.0.1')
  await once(socket, 'connect')
  const waiting = new Map<number, (reply: Buffer | undefined) => void>()
  // NSD sends no reply to what its kernel port refuses while it starts; later an error here is told by the missing reply.
  socket.on('error', () => {})
  socket.on('message', reply => {
    if (reply.length >= 2) waiting.get(reply.readUInt16BE(0))?.(reply)
  })
  await inParallel(indexes, WINDOW, async i => {
    const id = i & 0xffff
    const query = withId(queries[i]!.octets, id)
    const reply = await new Promise<Buffer | undefined>(resolve => {
      const timer = setTimeout(() => resolve(undefined), PATIENCE_MS)
      waiting.set(id, reply => {
        clearTimeout(timer)
        resolve(reply)
      })
      socket.send(query)
    })
    waiting.delete(id)
    replies[i] = reply
  })
  socket.close()
  await once(socket, 'close')
}

async function askStreams(
  queries: readonly DifferentialQuery[],
  indexes: readonly number[],
  port: number,
  replies: (Buffer | undefined)[],
): Promise<void> {
  await inParallel(indexes, STREAMS, async i => {
    replies[i] = await exchangeTcp(withId(queries[i]!.octets, i & 0xffff), { port }).catch(() => undefined)
  })
}

async function inParallel<T>(all: readonly T[], width: number, run: (one: T) => Promise<void>): Promise<void> {
  let next = 0
  const runOn = async (): Promise<void> => {
    while (next < all.length) await run(all[next++]!)
  }
  await Promise.all(Array.from({ length: width }, runOn))
}

function withId(octets: Buffer, id: number): Buffer {
  const query = Buffer.from(octets)
  query.writeUInt16BE(id, 0)
  return query
}
