/**
 * Lines → a file descriptor, without waiting for who reads them. Layer: control.
 * Not pino's own destination: its flush tries for ever when the reader has gone, and the process would never end.
 *
 * Written on this thread, to a descriptor that does not block: a write that another thread has begun can be neither waited
 * for nor taken back when the process ends, and what follows it would stand before it, or inside it.
 */

import { constants, openSync, writeSync } from 'node:fs'
import { isatty } from 'node:tty'

/** Lines that no reader takes are dropped from here on. */
const MAX_HELD_OCTETS = 4 << 20
const FLUSH_MS = 1000
/** A reader that is behind is given so long before it is tried again. */
const BUSY_MS = 20
const STANDARD_OUTPUT = 1
const NOTHING = Buffer.alloc(0)

export class LogFile {
  private readonly fd: number
  private held: string[] = []
  private heldOctets = 0
  /** Of what has begun to be written, what no reader has taken: it goes before all that is held. */
  private rest: Buffer = NOTHING
  private isWriting = false
  private isGone = false

  constructor(fd: number) {
    this.fd = withoutWaiting(fd)
  }

  write(line: string): void {
    if (this.isGone || this.heldOctets > MAX_HELD_OCTETS) return
    this.held.push(line)
    this.heldOctets += line.length
    if (this.isWriting) return
    this.isWriting = true
    // Once in a turn: one system call for all lines of it.
    setImmediate(() => this.writeOn())
  }

  /** Writes what is held; gives up after FLUSH_MS, or when nobody reads any more. */
  flush(): void {
    const end = performance.now() + FLUSH_MS
    while (!this.writeOut() && performance.now() < end);
  }

  private writeOn(): void {
    this.isWriting = !this.writeOut()
    if (this.isWriting) setTimeout(() => this.writeOn(), BUSY_MS)
  }

  /** @returns false: the reader is behind, some is left */
  private writeOut(): boolean {
    try {
      for (let octets = this.next(); octets.length > 0; octets = this.next()) {
        this.rest = octets.subarray(writeSync(this.fd, octets))
      }
      return true
    } catch (error) {
      if (isBusy(error)) return false
      this.rest = NOTHING
      this.isGone = !isFull(error)
      if (this.isGone) this.held = []
      return true
    }
  }

  private next(): Buffer {
    if (this.rest.length > 0 || this.isGone) return this.rest
    this.rest = Buffer.from(this.held.splice(0).join(''))
    this.heldOctets = 0
    return this.rest
  }
}

/** @returns a descriptor of the same file that says EAGAIN where `fd` would wait for a reader */
function withoutWaiting(fd: number): number {
  // Whoever asks for this stream has Node make a pipe or socket there non-blocking.
  if (fd === STANDARD_OUTPUT) process.stdout.isTTY
  if (!isatty(fd)) return fd
  // Node leaves a terminal blocking, and Ctrl-S stops it. Opened anew it has a flag of its own: that of `fd` is the shell's, too.
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    return fd
  }
}

/** No room on the disk: what finds none is lost, what comes later may find some. */
function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '')
}

function isBusy(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EAGAIN'
}
