/**
 * How long this thread's event loop is held up by what runs in one turn. In CPU time of the thread, which a machine that is
 * busy with others does not lengthen.
 */

export class Turns {
  private longestUs = 0
  private since = now()
  private next: NodeJS.Immediate | undefined

  constructor() {
    this.turn()
  }

  /** @returns ms of the longest turn */
  end(): number {
    clearImmediate(this.next)
    this.note()
    return this.longestUs / 1000
  }

  private turn(): void {
    this.next = setImmediate(() => {
      this.note()
      this.turn()
    })
  }

  private note(): void {
    const at = now()
    this.longestUs = Math.max(this.longestUs, at - this.since)
    this.since = at
  }
}

function now(): number {
  const { user, system } = process.threadCpuUsage()
  return user + system
}
