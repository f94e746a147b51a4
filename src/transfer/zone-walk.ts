/**
 * The records of a zone as it was at one moment, in pieces, while the zone changes on. Layer: transfer.
 *
 * Of a name that changes before the walk has come to it, what was there at the begin is kept (an image); the walk then passes it
 * over, and the images come last. A name that changes afterwards has been read. So what all pieces hold together is the
 * state at the begin, at the price of the images of what changed meanwhile.
 */

import { BLOCK_META, META_ZONE_SHIFT } from '../table/layout.ts'
import type { SharedMemory } from '../table/memory.ts'
import { NameWalk } from '../table/name-walk.ts'
import { type Journal, type Observer, octetsOf } from './journal.ts'
import { type Image, nameKey, recordsAt, type ZoneRecord } from './zone-records.ts'

/** Homes of one piece: at most some 180 names, a fraction of a millisecond. */
const PIECE_HOMES = 256
/** Images of one piece. */
const PIECE_IMAGES = 64

export class ZoneWalk implements Observer {
  readonly zone: number
  /** More changed than may be kept: what is left of the zone is not known any more. */
  isLost = false
  private readonly journal: Journal
  private readonly walk: NameWalk
  private readonly maxOctets: number
  private readonly images = new Map<string, Image | undefined>()
  private octets = 0

  /**
   * Begins with the state as it is now. To be closed.
   * @param maxOctets of images
   */
  constructor(memory: SharedMemory, zone: number, journal: Journal, maxOctets: number) {
    this.zone = zone
    this.journal = journal
    this.walk = new NameWalk(memory)
    this.maxOctets = maxOctets
    journal.observe(this)
  }

  /** Each with the records of some names, none perhaps. Ends early when `isLost`. */
  *pieces(): Generator<ZoneRecord[]> {
    for (let isMore = true; isMore && !this.isLost; ) {
      const records: ZoneRecord[] = []
      isMore = this.walk.next(PIECE_HOMES, (words, octets, block) => {
        if (((words[block + BLOCK_META]! >>> META_ZONE_SHIFT) & 0xff) !== this.zone) return
        if (this.images.size > 0 && this.images.has(nameKey(octets, words, block))) return
        recordsAt(words, octets, block, records)
      })
      yield records
    }
    this.close()
    let piece: ZoneRecord[] = []
    let images = 0
    for (const image of this.images.values()) {
      if (image === undefined) continue
      recordsAt(image.words, image.octets, 0, piece)
      if (++images % PIECE_IMAGES > 0) continue
      yield piece
      piece = []
    }
    yield piece
  }

  /** Changes need not be kept any more. */
  close(): void {
    this.journal.forget(this)
  }

  wants(hash: number, key: string): boolean {
    return !this.walk.hasPassed(hash) && !this.images.has(key)
  }

  take(key: string, image: Image | undefined): void {
    this.images.set(key, image)
    this.octets += octetsOf(image)
    if (this.octets <= this.maxOctets) return
    this.isLost = true
    this.images.clear()
    this.close()
  }
}
