/**
 * Watches the table's readers: one that stays in an old epoch keeps every block that was replaced since. Layer: control.
 * It tells and ends nothing: whoever may still read keeps what it may read.
 */

import { readerLag } from '../table/epochs.ts'
import { MAX_READERS } from '../table/layout.ts'
import type { SharedMemory } from '../table/memory.ts'
import type { Logger } from './log.ts'

/** Looks in a row that find a reader behind before it is spoken of. */
const LOOKS = 10

export class ReaderWatch {
  private readonly memory: SharedMemory
  private readonly nameOf: (reader: number) => string
  private readonly log: Logger
  private readonly behind = new Uint32Array(MAX_READERS)

  /** @param nameOf who has a row, for people */
  constructor(memory: SharedMemory, nameOf: (reader: number) => string, log: Logger) {
    this.memory = memory
    this.nameOf = nameOf
    this.log = log
  }

  /** Called every so often, after the table's `commit`. */
  look(): void {
    const words = new Int32Array(this.memory.buffer)
    for (let reader = 0; reader < MAX_READERS; reader++) {
      const lag = readerLag(words, reader)
      // One epoch is where a batch ordinarily is that began before the commit.
      this.behind[reader] = lag > 1 ? this.behind[reader]! + 1 : 0
      if (this.behind[reader] !== LOOKS) continue
      const fields = { reader: this.nameOf(reader), epochs: lag }
      this.log.warn('a reader of the table stays behind: memory of replaced answers is not given back', fields)
    }
  }

  /** Epochs that the oldest reader is behind. */
  lag(): number {
    const words = new Int32Array(this.memory.buffer)
    let oldest = 0
    for (let reader = 0; reader < MAX_READERS; reader++) oldest = Math.max(oldest, readerLag(words, reader))
    return oldest
  }
}
