/**
 * Queries on their way from a data-plane thread to the main thread: a ring in shared memory with one writer and one
 * reader. Layer: dataplane. It is bounded: when it is full the writer answers SERVFAIL, and no flood of names that are
 * somebody else's costs the main thread more than it can take.
 *
 *   word 0  entries written   word 1  entries read   word 2  closed   … 64 octets
 *   entry   ┌─────────┬──────────────┬────────┬─────────┬─────────┬─────┬────────┬─────────┬──────┬─────────┐
 *    (1024) │ message │ question end │ target │ payload │ aliases │ DO  │ socket │ control │ zone │ query's │ 16 octets
 *           │ octets  │              │ at     │ size    │ (8)     │ (8) │ (8)    │ octets  │      │ octets  │
 *           ├─────────┴──────────────┴────────┴─────────┴─────────┴─────┴────────┴─────────┴──────┴─────────┤
 *           │ sockaddr (32) │ control (40) │ message: header, question, aliases                             │
 *           └───────────────┴──────────────┴────────────────────────────────────────────────────────────────┘
 */

import { PATH_CONTROL_OCTETS, PATH_SOCKADDR_OCTETS, type ReturnPath } from '../transport/handler.ts'

const WRITTEN = 0
const READ = 1
const CLOSED = 2
const HEAD_OCTETS = 64
const ENTRY_OCTETS = 1024
const ENTRIES = 512
const SOCKADDR_AT = 16
const CONTROL_AT = SOCKADDR_AT + PATH_SOCKADDR_OCTETS
const MESSAGE_AT = CONTROL_AT + PATH_CONTROL_OCTETS
/** Header, question and aliases: longer ones are rare enough to be asked for over TCP, which needs no ring. */
export const MAX_MESSAGE = ENTRY_OCTETS - MESSAGE_AT
/** Listen addresses that an entry can tell apart. */
export const MAX_SOCKETS = 256
/** Entries read in one turn of the event loop. */
const MAX_TURN = 64

/** What goes with the octets of a query: what was read in it, and where it came from. */
export interface DeferredQuery {
  /** Header, question and aliases, a copy. */
  readonly message: Uint8Array
  readonly questionEnd: number
  readonly targetAt: number
  readonly aliases: number
  readonly payloadSize: number
  readonly dnssecOk: boolean
  /** Number of the zone that QNAME lies in; −1: none of ours. */
  readonly zone: number
  /** Of the whole query, as it came. */
  readonly octets: number
  readonly path: ReturnPath
}

/** Takes a query along; what is kept must be copied. @returns false: it cannot */
export type Defer = (query: DeferredQuery) => boolean

export function createDeferred(): SharedArrayBuffer {
  return new SharedArrayBuffer(HEAD_OCTETS + ENTRIES * ENTRY_OCTETS)
}

export class DeferredWriter {
  private readonly words: Int32Array
  private readonly octets: Uint8Array
  private readonly view: DataView
  private written = 0

  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory, 0, HEAD_OCTETS / 4)
    this.octets = new Uint8Array(memory)
    this.view = new DataView(memory)
  }

  /** @returns false: it is full or closed, or the query is too long for it */
  put(query: DeferredQuery): boolean {
    const { message, questionEnd, targetAt, aliases, payloadSize, dnssecOk, path } = query
    const { octets, view, words, written } = this
    if (Atomics.load(words, CLOSED) !== 0) return false
    if (((written - Atomics.load(words, READ)) | 0) >= ENTRIES || message.length > MAX_MESSAGE) return false
    const at = HEAD_OCTETS + (written & (ENTRIES - 1)) * ENTRY_OCTETS
    view.setUint16(at, message.length)
    view.setUint16(at + 2, questionEnd)
    view.setUint16(at + 4, targetAt)
    view.setUint16(at + 6, payloadSize)
    octets[at + 8] = aliases
    octets[at + 9] = dnssecOk ? 1 : 0
    octets[at + 10] = path.socket
    octets[at + 11] = path.controlOctets
    view.setInt16(at + 12, query.zone)
    view.setUint16(at + 14, query.octets)
    octets.set(path.sockaddr, at + SOCKADDR_AT)
    if (path.controlOctets > 0) octets.set(path.control, at + CONTROL_AT)
    octets.set(message, at + MESSAGE_AT)
    this.written = (written + 1) | 0
    Atomics.store(words, WRITTEN, this.written)
    return true
  }

  /** Tells the reader, once per batch. */
  wake(): void {
    Atomics.notify(this.words, WRITTEN)
  }
}

export class DeferredReader {
  private readonly words: Int32Array
  private readonly octets: Uint8Array
  private readonly view: DataView
  private readonly take: (query: DeferredQuery) => void
  private read = 0
  private hasEnded = false

  /** @param take called for each, in a turn of the event loop of its own */
  constructor(memory: SharedArrayBuffer, take: (query: DeferredQuery) => void) {
    this.words = new Int32Array(memory, 0, HEAD_OCTETS / 4)
    this.octets = new Uint8Array(memory)
    this.view = new DataView(memory)
    this.take = take
    void this.run()
  }

  /** From now on nothing more is begun to be put; what is in it is taken now. */
  finish(): void {
    Atomics.store(this.words, CLOSED, 1)
    this.takeSome(ENTRIES, Atomics.load(this.words, WRITTEN))
  }

  /** The writer is no more: what it has left is taken, and reading ends. */
  end(): void {
    this.hasEnded = true
    this.finish()
    Atomics.notify(this.words, WRITTEN)
  }

  private async run(): Promise<void> {
    const { words } = this
    // Also when it is closed: the writer may be putting an entry at that moment.
    while (!this.hasEnded) {
      const written = Atomics.load(words, WRITTEN)
      if (written === this.read) {
        const change = Atomics.waitAsync(words, WRITTEN, written)
        if (change.async) await change.value
        continue
      }
      this.takeSome(MAX_TURN, written)
      // Timers and sockets have their turn, whatever comes.
      await new Promise(resolve => setImmediate(resolve))
    }
  }

  private takeSome(most: number, written: number): void {
    for (let turn = 0; turn < most && this.read !== written; turn++) {
      const query = this.entry()
      this.read = (this.read + 1) | 0
      Atomics.store(this.words, READ, this.read)
      try {
        this.take(query)
      } catch (error) {
        // A defect of ours: it is told as one that nobody caught, and the others are taken.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }

  private entry(): DeferredQuery {
    const { octets, view } = this
    const at = HEAD_OCTETS + (this.read & (ENTRIES - 1)) * ENTRY_OCTETS
    const from = at + MESSAGE_AT
    return {
      message: octets.slice(from, from + Math.min(view.getUint16(at), MAX_MESSAGE)),
      questionEnd: view.getUint16(at + 2),
      targetAt: view.getUint16(at + 4),
      payloadSize: view.getUint16(at + 6),
      aliases: octets[at + 8]!,
      dnssecOk: octets[at + 9] === 1,
      zone: view.getInt16(at + 12),
      octets: view.getUint16(at + 14),
      path: {
        socket: octets[at + 10]!,
        sockaddr: octets.slice(at + SOCKADDR_AT, at + CONTROL_AT),
        control: octets.slice(at + CONTROL_AT, at + MESSAGE_AT),
        controlOctets: octets[at + 11]!,
        stream: undefined,
      },
    }
  }
}
