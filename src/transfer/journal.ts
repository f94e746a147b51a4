/**
 * What was at names before they changed: the states of zones that are not in the table any more. Layer: transfer.
 * On the writer's thread. Bounded: what is older than fits is forgotten, and who asks for it is given the whole zone.
 *
 *   serial      10 ──────▶ 11 ──────▶ 12 ──────▶ 14          RFC 1995 §5: what differs between 11 and now is where the
 *   images         {a, b}     {b, c}      {d}                table differs from the oldest images since: b, c, d
 *
 * An image is the copied block of a name (table/layout.ts), or that there was none. Records are made of it when somebody asks:
 * a change costs one copy of what it replaces.
 */

import { BLOCK_META, CONTROL_STATE, META_ZONE_SHIFT, STATE_SYNCED } from '../table/layout.ts'
import type { TableWatcher } from '../table/writer.ts'
import { copyBlock, hashAt, type Image, nameKey } from './zone-records.ts'

/** By name (nameKey); undefined: the name was not there. */
export type Images = ReadonlyMap<string, Image | undefined>

/** Wants to know of changes of a zone before they happen, so to say. */
export interface Observer {
  readonly zone: number
  /** Whether it needs what was at the name. */
  wants(hash: number, key: string): boolean
  take(key: string, image: Image | undefined): void
}

/** From a serial to the next. */
interface Step {
  readonly from: number
  readonly images: Images
  readonly octets: number
}

/** Octets that a name costs beside its image, and a step beside its names. */
const NAME_COST = 200

export class Journal implements TableWatcher {
  private readonly zones = new Map<number, ZoneJournal>()
  private readonly observers = new Set<Observer>()
  private readonly onMoved: (zone: number) => void

  /**
   * @param zones     numbers of the zones that are recorded
   * @param maxOctets of images, of all zones together
   * @param onMoved   told of every zone whose serial moves
   */
  constructor(zones: readonly number[], maxOctets: number, onMoved: (zone: number) => void) {
    for (const zone of zones) this.zones.set(zone, new ZoneJournal(maxOctets / zones.length))
    this.onMoved = onMoved
  }

  changed(words: Int32Array, octets: Uint8Array, old: number, block: number): void {
    const at = block === 0 ? old : block
    const zone = (words[at + BLOCK_META]! >>> META_ZONE_SHIFT) & 0xff
    const journal = this.zones.get(zone)
    if (journal === undefined) return
    // What comes before all sources have said what there is was never served: nobody has an older state.
    const isRecorded = (words[CONTROL_STATE]! & STATE_SYNCED) !== 0
    if (!isRecorded) journal.lose()
    if (!isRecorded && this.observers.size === 0) return
    const key = nameKey(octets, words, at)
    const hash = hashAt(words, at)
    const isWanted = isRecorded && journal.wants(key)
    const observers = [...this.observers].filter(each => each.zone === zone && each.wants(hash, key))
    if (!isWanted && observers.length === 0) return
    const image = old === 0 ? undefined : copyBlock(words, old)
    if (isWanted) journal.take(key, image)
    for (const observer of observers) observer.take(key, image)
  }

  serialMoved(zone: number, from: number): void {
    const journal = this.zones.get(zone)
    if (journal === undefined) return
    journal.step(from)
    this.onMoved(zone)
  }

  /**
   * @returns what was at names before they changed, of each step since that version, the oldest first: they stay as they are;
   * undefined: it is not known any more, or never was
   */
  since(zone: number, serial: number): Images[] | undefined {
    return this.zones.get(zone)?.since(serial)
  }

  /**
   * The zone as it is now is given under its latest serial. Names that have changed since that serial moved (the next one found no
   * room) make it the serial of two states: what changed since it, or since an earlier one, is told to nobody.
   */
  given(zone: number): void {
    this.zones.get(zone)?.given()
  }

  observe(observer: Observer): void {
    this.observers.add(observer)
  }

  forget(observer: Observer): void {
    this.observers.delete(observer)
  }

  /** Octets of all images. */
  get octets(): number {
    let sum = 0
    for (const journal of this.zones.values()) sum += journal.octets
    return sum
  }
}

class ZoneJournal {
  /** Of all steps and of what is not a step yet. */
  octets = 0
  private readonly maxOctets: number
  private steps: Step[] = []
  private images = new Map<string, Image | undefined>()
  private stepOctets = 0
  /** What changes now is not recorded whole. */
  private isLost = false

  constructor(maxOctets: number) {
    this.maxOctets = maxOctets
  }

  wants(key: string): boolean {
    return !this.isLost && !this.images.has(key)
  }

  take(key: string, image: Image | undefined): void {
    const octets = octetsOf(image)
    this.images.set(key, image)
    this.stepOctets += octets
    this.octets += octets
    this.forgetOldest()
    if (this.octets > this.maxOctets) this.lose()
  }

  private forgetOldest(): void {
    while (this.octets > this.maxOctets && this.steps.length > 0) this.octets -= this.steps.shift()!.octets
  }

  /** Until the next step nothing is recorded, and what was is forgotten. */
  lose(): void {
    if (this.isLost) return
    this.isLost = true
    this.steps = []
    this.images = new Map()
    this.octets = 0
    this.stepOctets = 0
  }

  given(): void {
    if (this.images.size > 0) this.lose()
  }

  step(from: number): void {
    if (!this.isLost) {
      this.octets += NAME_COST
      this.steps.push({ from, images: this.images, octets: this.stepOctets + NAME_COST })
      this.forgetOldest()
    }
    this.isLost = false
    this.images = new Map()
    this.stepOctets = 0
  }

  since(serial: number): Images[] | undefined {
    const first = this.steps.findIndex(({ from }) => from === serial)
    return first < 0 ? undefined : this.steps.slice(first).map(({ images }) => images)
  }
}

export function octetsOf(image: Image | undefined): number {
  return NAME_COST + (image?.octets.length ?? 0)
}
