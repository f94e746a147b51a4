/**
 * The authoritative zones: the SOA of each as readers find it, and when its serial moves on. Layer: table. Main thread only.
 */

import { type Allocator, TableFullError } from './allocator.ts'
import type { Limbo } from './epochs.ts'
import {
  CONTROL_STATE,
  CONTROL_WAITING,
  CONTROL_ZONES,
  MAX_ZONES,
  SOA_MINIMUM,
  SOA_NAME_OCTETS,
  SOA_SERIAL,
  SOA_WORDS,
  STATE_WAITING,
} from './layout.ts'
import type { Views } from './memory.ts'

/** RFC 1035 §3.3.13, in seconds. */
export interface SoaTimers {
  readonly refresh: number
  readonly retry: number
  readonly expire: number
  /** TTL of negative answers, RFC 2308 §4. */
  readonly minimum: number
}

/**
 * A zone whose serial is so far behind has it moved although nothing changed: RFC 1982 §3.2 knows no order of serials that
 * are 2³¹ apart.
 */
const SERIAL_REACH = 2 ** 30

export class Zones {
  count = 0
  private readonly views: Views
  private readonly allocator: Allocator
  private readonly limbo: Limbo
  /** By zone number: 1 where something changed since its serial moved. */
  private readonly dirty = new Uint8Array(MAX_ZONES)
  private readonly timers: SoaTimers[] = []

  constructor(views: Views, allocator: Allocator, limbo: Limbo) {
    this.views = views
    this.allocator = allocator
    this.limbo = limbo
  }

  /**
   * The number of the new zone is `count` before it.
   * @param apexOctets of its name in wire form
   * @param waits      its names are not answered while STATE_WAITING is set
   */
  add(apexOctets: number, timers: SoaTimers, serial: number, waits: boolean): void {
    if (this.count === MAX_ZONES) throw new Error(`more than ${MAX_ZONES} zones`)
    if (waits) {
      this.views.words[CONTROL_WAITING + (this.count >>> 5)]! |= 1 << (this.count & 31)
      Atomics.or(this.views.words, CONTROL_STATE, STATE_WAITING)
    }
    this.timers.push(timers)
    this.publishSoa(this.count++, apexOctets, serial)
  }

  /** Something of the zone is other than it was. */
  changed(zone: number): void {
    this.dirty[zone] = 1
  }

  /** @param onMoved told of every zone whose serial has moved on to `serial`, and from where */
  setSerial(serial: number, onMoved: (zone: number, from: number) => void): void {
    for (let zone = 0; zone < this.count; zone++) {
      const { words } = this.views
      const soa = words[CONTROL_ZONES + zone]!
      const from = words[soa + SOA_SERIAL]! >>> 0
      if (this.dirty[zone] === 0 && (serial - from) >>> 0 < SERIAL_REACH) continue
      this.publishSoa(zone, words[soa + SOA_NAME_OCTETS]!, serial)
      this.dirty[zone] = 0
      onMoved(zone, from)
    }
  }

  private publishSoa(zone: number, apexOctets: number, serial: number): void {
    const block = this.allocator.allocate(SOA_WORDS)
    if (block === 0) throw new TableFullError()
    const words = this.views.words
    const { refresh, retry, expire, minimum } = this.timers[zone]!
    words[block + SOA_NAME_OCTETS] = apexOctets
    words[block + SOA_SERIAL] = serial
    words[block + SOA_SERIAL + 1] = refresh
    words[block + SOA_SERIAL + 2] = retry
    words[block + SOA_SERIAL + 3] = expire
    words[block + SOA_MINIMUM] = minimum
    const old = words[CONTROL_ZONES + zone]!
    Atomics.store(words, CONTROL_ZONES + zone, block)
    if (old !== 0) this.limbo.retire(old)
  }
}
