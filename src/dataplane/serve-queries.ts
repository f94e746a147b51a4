/**
 * The whole work of a data-plane thread: opens its sockets, reports them, answers until it is told to stop. Layer: dataplane.
 * It never waits for the main thread: the table it reads and the word it is told by are shared memory.
 */

import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { Answerer } from '../answer/answer.ts'
import { Order } from '../answer/order.ts'
import { TableReader } from '../table/reader.ts'
import { openBatch } from '../transport/batch.ts'
import type { MessageHandler } from '../transport/handler.ts'
import { openPortable } from '../transport/portable.ts'
import { openCached } from './cache-access.ts'
import { DeferredWriter } from './deferred.ts'
import { QueryHandler } from './query-handler.ts'
import { QueryChoice, QueryLogWriter } from './query-log.ts'
import { openScreen } from './query-screen.ts'
import { ReplyLimiter } from './reply-limits.ts'
import { SearchGate } from './search-gate.ts'
import type { DeferredReply, WorkerMessage, WorkerSetup } from './setup.ts'
import { TransferGate } from './transfer-gate.ts'

/** Octets that a query may have however small replies are kept: clients may pad it (RFC 7830). */
const MIN_ROOM = 1232

/**
 * Resolves when it was told to stop or cannot serve; the latter is told to `port`, with the error's code.
 * @param around what a test puts between the transport and the handler
 */
export async function serveQueries(
  setup: WorkerSetup,
  port: MessagePort,
  around = (handler: MessageHandler): MessageHandler => handler,
): Promise<void> {
  const tell = (message: WorkerMessage): void => port.postMessage(message)
  const table = new TableReader(setup.memory, setup.reader)
  const order = new Order(setup.order, setup.random)
  const cached = setup.cache && openCached(setup.cache, setup.reader, order, setup.row)
  const answerer = new Answerer(table, order, setup.maxUdpSize, setup.forwarding, cached)
  const handler = new QueryHandler({
    table,
    answerer,
    row: setup.row,
    cached,
    families: setup.sockets.map(({ address }) => (address.includes(':') ? 1 : 0)),
    now: () => performance.now(),
    udp: { limiter: new ReplyLimiter(setup.replyLimits, table.seed), maxUdpSize: setup.maxUdpSize },
    transfers: setup.transfers && new TransferGate(setup.transfers),
    screen: openScreen(setup.screen, table.seed, setup.row),
    search: setup.search && new SearchGate(setup.search),
    log: setup.log && new QueryLogWriter(setup.log.ring, new QueryChoice(setup.log.rules, table.seed, setup.random)),
    ...(setup.forwarding === undefined ? {} : { deferred: new DeferredWriter(setup.forwarding.deferred) }),
  })
  const control = { words: setup.control, index: 0, attend() {} }
  try {
    // RFC 6891 §6.2.3: the size we tell is the largest we take
    const options = { sockets: setup.sockets, capacity: Math.max(setup.maxUdpSize, MIN_ROOM) }
    const transport = setup.transport === 'batch' ? openBatch(options) : await openPortable(options)
    const send = ({ socket, sockaddr, message }: DeferredReply): void => transport.reply?.(socket, sockaddr, message)
    try {
      if (transport.reply !== undefined) port.on('message', send)
      tell({ report: transport.report })
      await transport.serve(around(handler), control, setup.row)
    } finally {
      // What was said before the end is sent.
      if (transport.reply !== undefined) {
        for (let said = receiveMessageOnPort(port); said !== undefined; said = receiveMessageOnPort(port)) {
          send(said.message as DeferredReply)
        }
      }
      // Descriptors are closed by the main thread when this one has ended: it may be sending by them at this moment.
      if (transport.report.fds.length === 0) transport.close(control)
    }
  } catch (error) {
    const { message, code = 'ERR_WORKER' } = error as Error & { code?: string }
    tell({ error: { message, code } })
    process.exitCode = 1
  }
  port.unref()
}
