/**
 * A name somebody asks for, in the forms that rules look at. Layer: rules; pure. Not used on the hot path.
 */

import { formatName, lowerCase, type WireName } from '../wire/name.ts'

export class AskedName {
  /** Lower case. */
  readonly wire: WireName
  /** Where each label starts; the root label is the last one. */
  readonly labelAt: readonly number[]
  /** The same name as a key of a Map. */
  readonly key: string
  private presentation: string | undefined

  /** @param name wire form without pointers, any case; copied */
  constructor(name: Uint8Array) {
    this.wire = Uint8Array.from(name, lowerCase)
    const labelAt: number[] = []
    let at = 0
    for (; name[at]! !== 0; at += 1 + name[at]!) labelAt.push(at)
    labelAt.push(at)
    this.labelAt = labelAt
    this.key = keyOf(this.wire)
  }

  /** Presentation format with the final dot, lower case. */
  get text(): string {
    this.presentation ??= formatName(this.wire)
    return this.presentation
  }

  /** The name from its label `label` on, as a key. */
  suffix(label: number): string {
    return this.key.slice(this.labelAt[label])
  }

  /** Whether it is `zone`, a key, or lies below it. */
  isWithin(zone: string): boolean {
    const at = this.key.length - zone.length
    return at >= 0 && this.labelAt.includes(at) && this.key.endsWith(zone)
  }
}

/** Octets → text of as many characters, to look a name up by. */
export function keyOf(name: Uint8Array): string {
  return Buffer.from(name.buffer, name.byteOffset, name.length).toString('latin1')
}
