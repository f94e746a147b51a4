/**
 * Names in messages from upstreams: compressed on the way in, compressed anew on the way out. Layer: forward; pure.
 * RFC 1035 §4.1.4; RFC 4343 (case). Bounded whatever a message holds: pointers go strictly backwards, a name has at most
 * 255 octets, and a new name is compared with few others.
 */

import { randomInt } from 'node:crypto'
import { MAX_NAME_OCTETS, MAX_POINTER_TARGET, POINTER } from '../wire/constants.ts'
import { hashLabel, hashOctet } from '../wire/hash.ts'
import { lowerCase } from '../wire/name.ts'

const MAX_LABELS = 128
/** Pointers followed for one name: more than its labels could need are there to cost time. */
const MAX_POINTERS = 126
/** Names are compared octet by octet when hashes agree; nobody who sends names can make them agree on purpose. */
const SEED = randomInt(2 ** 31)

/** One name without pointers. */
export class NameBuffer {
  /** Its case kept; `lower` is the same in lower case. */
  readonly octets = new Uint8Array(MAX_NAME_OCTETS)
  readonly lower = new Uint8Array(MAX_NAME_OCTETS)
  /** Where each label starts, and the hash of the name from there on; the root label is the last one. */
  readonly labelAt = new Uint8Array(MAX_LABELS)
  readonly hashes = new Int32Array(MAX_LABELS)
  /** Octets, root label included; labels without it. */
  length = 0
  labels = 0

  /**
   * @param end of the message in `octets`; `start` is its first octet, which pointers are relative to
   * @returns where the name ends in `octets`, or 0 when it is malformed
   */
  read(octets: Uint8Array, start: number, from: number, end: number): number {
    let at = from
    let lowest = from
    let after = 0
    let to = 0
    let labels = 0
    let pointers = 0
    for (;;) {
      if (at >= end) return 0
      const length = octets[at]!
      if (length >= 0xc0) {
        if (at + 2 > end) return 0
        if (after === 0) after = at + 2
        // RFC 1035 §4.1.4: a pointer goes to a prior occurrence
        if (++pointers > MAX_POINTERS) return 0
        at = start + (((length & 0x3f) << 8) | octets[at + 1]!)
        if (at >= lowest) return 0
        lowest = at
        continue
      }
      if (length > 63 || to + length + 1 > MAX_NAME_OCTETS) return 0
      this.labelAt[labels] = to
      this.octets[to] = length
      this.lower[to++] = length
      if (length === 0) break
      if (at + length >= end || labels >= MAX_LABELS - 1) return 0
      let hash = SEED ^ length
      for (const last = at + length; at < last; ) {
        const octet = octets[++at]!
        const lower = lowerCase(octet)
        this.octets[to] = octet
        this.lower[to++] = lower
        hash = hashOctet(hash, lower)
      }
      this.hashes[labels++] = hash
      at++
    }
    this.length = to
    this.labels = labels
    let suffix = SEED
    this.hashes[labels] = suffix
    while (labels > 0) {
      suffix = hashLabel(suffix, this.hashes[--labels]!)
      this.hashes[labels] = suffix
    }
    return after === 0 ? at + 1 : after
  }

  copy(from: NameBuffer): void {
    this.octets.set(from.octets)
    this.lower.set(from.lower)
    this.labelAt.set(from.labelAt)
    this.hashes.set(from.hashes)
    this.length = from.length
    this.labels = from.labels
  }

  equals(other: NameBuffer): boolean {
    return this.length === other.length && this.endsWith(other)
  }

  /** Whether it is `zone` or lies below it. */
  endsWith(zone: NameBuffer): boolean {
    const label = this.labels - zone.labels
    if (label < 0 || this.hashes[label] !== zone.hashes[0]) return false
    const at = this.labelAt[label]!
    if (this.length - at !== zone.length) return false
    for (let i = 0; i < zone.length; i++) if (this.lower[at + i] !== zone.lower[i]) return false
    return true
  }
}

/** Suffixes that a new name is compared with: those written first, which most others end in. */
const MAX_TARGETS = 64

/** Writes names into a message, each ending in a pointer to where its last labels stand already. */
export class NameWriter {
  private octets: Uint8Array = new Uint8Array(0)
  private readonly targets = new Uint16Array(MAX_TARGETS)
  private readonly targetHashes = new Int32Array(MAX_TARGETS)
  private count = 0

  /** @param octets a message from its first octet on */
  begin(octets: Uint8Array): void {
    this.octets = octets
    this.count = 0
  }

  /** A name that stands at `at` without pointers may be pointed to. */
  remember(name: NameBuffer, at: number, labels = name.labels): void {
    for (let label = 0; label < labels && this.count < MAX_TARGETS; label++) {
      const target = at + name.labelAt[label]!
      if (target > MAX_POINTER_TARGET) return
      this.targets[this.count] = target
      this.targetHashes[this.count++] = name.hashes[label]!
    }
  }

  /** @returns its end, or 0 when it does not fit before `end` */
  put(name: NameBuffer, at: number, end: number, mayCompress: boolean): number {
    const { octets } = this
    let label = 0
    let target = 0
    if (mayCompress) {
      for (; label < name.labels; label++) {
        target = this.find(name, label)
        if (target !== 0) break
      }
    } else label = name.labels
    const plain = target === 0 ? name.length : name.labelAt[label]!
    const next = at + plain + (target === 0 ? 0 : 2)
    if (next > end) return 0
    for (let i = 0; i < plain; i++) octets[at + i] = name.octets[i]!
    this.remember(name, at, label)
    if (target !== 0) {
      octets[next - 2] = (POINTER | target) >>> 8
      octets[next - 1] = target & 0xff
    }
    return next
  }

  private find(name: NameBuffer, label: number): number {
    for (let i = 0; i < this.count; i++) {
      if (this.targetHashes[i] === name.hashes[label] && this.stands(name, name.labelAt[label]!, this.targets[i]!)) {
        return this.targets[i]!
      }
    }
    return 0
  }

  /** Whether the name from `from` on is what stands at `at`, where all pointers are ours. */
  private stands(name: NameBuffer, from: number, at: number): boolean {
    const { octets } = this
    for (let i = from; i < name.length; ) {
      let length = octets[at]!
      while (length >= 0xc0) {
        at = ((length & 0x3f) << 8) | octets[at + 1]!
        length = octets[at]!
      }
      if (length !== name.lower[i]) return false
      for (let j = 1; j <= length; j++) if (lowerCase(octets[at + j]!) !== name.lower[i + j]) return false
      i += 1 + length
      at += 1 + length
    }
    return true
  }
}
