/**
 * Tells secondaries that a zone has changed. Layer: transfer. RFC 1996. Pure: sending, time and chance are given to it.
 *
 * To one secondary, of one zone, at most one NOTIFY goes out in a second, whatever changes; one that is not answered is sent
 * again after 2, 4, 8, 16 and 32 s, and then not until the next change: a secondary asks by itself in the SOA's time (§3.6).
 *
 *   NOTIFY, §3:  header (opcode 4, AA) │ question: zone SOA │ answer: the SOA, a hint (§3.7)
 */

import {
  CLASS_IN,
  FLAG_AA,
  FLAG_QR,
  HEADER_OCTETS,
  OFFSET_ANCOUNT,
  OFFSET_FLAGS,
  OFFSET_QDCOUNT,
  OPCODE_MASK,
  POINTER,
  TYPE_SOA,
} from '../wire/constants.ts'
import type { ZoneRecord } from './zone-records.ts'

export interface Secondary {
  readonly zone: number
  readonly address: string
  readonly port: number
}

export interface NotifierDeps {
  /** @returns the latest SOA of the zone; undefined: nothing is to be had of it yet */
  soaOf(zone: number): ZoneRecord | undefined
  send(message: Uint8Array, to: Secondary): void
  /** Calls `run` once. @returns what prevents it */
  after(ms: number, run: () => void): () => void
  /** Monotonic. */
  nowMs(): number
  /** 16 bits that cannot be guessed. */
  randomId(): number
  /** Told of each secondary that never answered, and of an RCODE other than NOERROR. */
  onFailure(to: Secondary, rcode: number | undefined): void
}

export interface NotifyStats {
  sent: number
  answered: number
  /** Not answered after all tries. */
  failed: number
}

const OPCODE_NOTIFY = 4 << 11
const LEAST_INTERVAL_MS = 1000
const FIRST_WAIT_MS = 2000
const MAX_SENDS = 6

interface Target {
  readonly to: Secondary
  /** Of the NOTIFY that is not answered yet; −1: none. */
  id: number
  sends: number
  lastMs: number
  cancel: (() => void) | undefined
}

export class Notifier {
  readonly stats: NotifyStats = { sent: 0, answered: 0, failed: 0 }
  private readonly deps: NotifierDeps
  private readonly targets: readonly Target[]

  constructor(secondaries: readonly Secondary[], deps: NotifierDeps) {
    this.deps = deps
    const lastMs = Number.NEGATIVE_INFINITY
    this.targets = secondaries.map(to => ({ to, id: -1, sends: 0, lastMs, cancel: undefined }))
  }

  /** The zone has another version. */
  changed(zone: number): void {
    for (const target of this.targets) {
      if (target.to.zone !== zone) continue
      const isDue = target.sends === 0 && target.cancel !== undefined
      target.sends = 0
      if (!isDue) this.schedule(target, Math.max(0, target.lastMs + LEAST_INTERVAL_MS - this.deps.nowMs()))
    }
  }

  /** What came to the socket that NOTIFYs leave by. RFC 1996 §3.8: a reply is known by its ID, and whom it is from. */
  received(message: Uint8Array, address: string, port: number): void {
    if (message.length < HEADER_OCTETS) return
    const view = new DataView(message.buffer, message.byteOffset)
    const flags = view.getUint16(OFFSET_FLAGS)
    if ((flags & (FLAG_QR | OPCODE_MASK)) !== (FLAG_QR | OPCODE_NOTIFY)) return
    const id = view.getUint16(0)
    const target = this.targets.find(({ to, id: sent }) => sent === id && to.address === address && to.port === port)
    if (target === undefined) return
    target.id = -1
    this.stats.answered++
    if ((flags & 15) !== 0) this.deps.onFailure(target.to, flags & 15)
    // Another change may wait for its second.
    if (target.sends === 0) return
    target.cancel?.()
    target.cancel = undefined
    target.sends = 0
  }

  stop(): void {
    for (const target of this.targets) target.cancel?.()
  }

  private schedule(target: Target, ms: number): void {
    target.cancel?.()
    target.cancel = this.deps.after(ms, () => this.notify(target))
  }

  private notify(target: Target): void {
    const { deps } = this
    target.cancel = undefined
    if (target.sends === MAX_SENDS) {
      target.sends = 0
      target.id = -1
      this.stats.failed++
      deps.onFailure(target.to, undefined)
      return
    }
    const soa = deps.soaOf(target.to.zone)
    if (soa === undefined) {
      this.schedule(target, LEAST_INTERVAL_MS)
      return
    }
    target.id = deps.randomId()
    target.lastMs = deps.nowMs()
    this.stats.sent++
    // RFC 1996 §3.6: sent again, with longer waits each time, until it is answered
    this.schedule(target, FIRST_WAIT_MS << target.sends++)
    deps.send(notification(target.id, soa), target.to)
  }
}

function notification(id: number, { owner, ttl, rdata }: ZoneRecord): Uint8Array {
  const message = new Uint8Array(HEADER_OCTETS + owner.length + 4 + 12 + rdata.length)
  const view = new DataView(message.buffer)
  view.setUint16(0, id)
  view.setUint16(OFFSET_FLAGS, OPCODE_NOTIFY | FLAG_AA)
  view.setUint16(OFFSET_QDCOUNT, 1)
  view.setUint16(OFFSET_ANCOUNT, 1)
  message.set(owner, HEADER_OCTETS)
  let at = HEADER_OCTETS + owner.length
  view.setUint32(at, (TYPE_SOA << 16) | CLASS_IN)
  at += 4
  view.setUint16(at, POINTER | HEADER_OCTETS)
  view.setUint32(at + 2, (TYPE_SOA << 16) | CLASS_IN)
  view.setUint32(at + 6, ttl)
  view.setUint16(at + 10, rdata.length)
  message.set(rdata, at + 12)
  return message
}
