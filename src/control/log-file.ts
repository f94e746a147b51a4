/**
 * Lines → a file descriptor, without waiting for who reads them. Layer: control.
 * Not pino's own destination: its flush tries for ever when the reader has gone, and the process would never end.
 */

import { write, writeSync } from 'node:fs'

/** Lines that no reader takes are dropped from here on. */
const MAX_HELD_OCTETS = 4 << 20
const FLUSH_MS = 1000
/** A reader that is behind is given so long before it is tried again. */
const BUSY_MS = 20

export class LogFile {
  private readonly fd: number
  private held: string[] = []
  private heldOctets = 0
  private isWriting = false
  private isGone = false

  constructor(fd: number) {
    this.fd = fd
  }

  write(line: string): void {
    if (this.isGone || this.heldOctets > MAX_HELD_OCTETS) return
    this.held.push(line)
    this.heldOctets += line.length
    if (!this.isWriting) this.writeNext()
  }

  /** Writes what is held; gives up after FLUSH_MS, or when nobody reads any more. */
  flush(): void {
    const end = performance.now() + FLUSH_MS
    let rest = Buffer.from(this.held.splice(0).join(''))
    this.heldOctets = 0
    while (rest.length > 0 && !this.isGone && performance.now() < end) {
      try {
        rest = rest.subarray(writeSync(this.fd, rest))
      } catch (error) {
        if (isFull(error)) return
        this.isGone = !isBusy(error)
      }
    }
  }

  private writeNext(): void {
    this.isWriting = this.held.length > 0
    if (!this.isWriting) return
    const octets = Buffer.from(this.held.splice(0).join(''))
    this.heldOctets = 0
    this.writeRest(octets)
  }

  private writeRest(rest: Buffer): void {
    write(this.fd, rest, (error, count) => {
      if (error !== null && isFull(error)) {
        this.writeNext()
        return
      }
      if (error !== null && !isBusy(error)) {
        this.isGone = true
        return
      }
      const left = error === null ? rest.subarray(count) : rest
      if (left.length === 0) this.writeNext()
      else if (error === null) this.writeRest(left)
      else setTimeout(() => this.writeRest(left), BUSY_MS)
    })
  }
}

/** No room on the disk: what finds none is lost, what comes later may find some. */
function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '')
}

function isBusy(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EAGAIN'
}
