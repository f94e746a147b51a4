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
    const wire = new Uint8Array(name.length)
    for (let i = 0; i < wire.length; i++) wire[i] = lowerCase(name[i]!)
    const labelAt: number[] = []
    let at = 0
    for (; at < wire.length && wire[at] !== 0; at += 1 + wire[at]!) labelAt.push(at)
    labelAt.push(at)
    this.wire = wire
    this.labelAt = labelAt
    this.key = keyOf(wire)
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
    return this.key.endsWith(zone) && this.labelAt.includes(this.key.length - zone.length)
  }
}

/** Octets → text of as many characters, to look a name up by. */
export function keyOf(name: Uint8Array): string {
  return Buffer.from(name.buffer, name.byteOffset, name.length).toString('latin1')
}
