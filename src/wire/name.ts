/**
 * Names: wire form ↔ presentation format. Layer: wire. Not used on the hot path.
 * RFC 1035 §3.1 (wire form), §5.1 (presentation format and its escapes), RFC 4343 (case), RFC 2181 §11 (any octet may
 * stand in a label).
 *
 *   wire form     +----+-----------+----+--------+----+
 *                 | 03 | 'w' 'e' 'b'| 02 | 'n' 's'| 00 |    each label behind its length, the root label last
 *                 +----+-----------+----+--------+----+
 */

import { MAX_LABEL_OCTETS, MAX_NAME_OCTETS } from './constants.ts'

/** A name in wire form, lower-cased, root label included: 1..255 octets. */
export type WireName = Uint8Array

const encoder = new TextEncoder()

/** The octets of one label, lower-cased (ASCII only, RFC 4343 §3), or undefined when it is empty or over 63 octets. */
export function encodeLabel(label: string): Uint8Array | undefined {
  const end = putLabel(scratch, 0, label)
  return end === 0 ? undefined : scratch.slice(1, end)
}

/** Room for one name more than the longest, so that a name that is too long is noticed and not written past the end. */
const scratch = new Uint8Array(2 * MAX_NAME_OCTETS)

/**
 * Puts labels before a name. A dot inside a label stays inside it.
 * @returns undefined when a label or the whole is too long (RFC 1035 §2.3.4), or a label is empty
 */
export function prependLabels(labels: readonly string[], suffix: WireName): WireName | undefined {
  let at = 0
  for (const label of labels) {
    at = putLabel(scratch, at, label)
    if (at === 0 || at + suffix.length > MAX_NAME_OCTETS) return undefined
  }
  const name = new Uint8Array(at + suffix.length)
  for (let i = 0; i < at; i++) name[i] = scratch[i]!
  name.set(suffix, at)
  return name
}

/** Writes a label behind its length. @returns its end, or 0 when it is empty or over 63 octets */
function putLabel(out: Uint8Array, at: number, label: string): number {
  const { length } = label
  if (length === 0 || length > MAX_LABEL_OCTETS) return 0
  out[at] = length
  for (let i = 0; i < length; i++) {
    const code = label.charCodeAt(i)
    if (code >= 0x80) return putUtf8Label(out, at, label)
    out[at + 1 + i] = lowerCase(code)
  }
  return at + 1 + length
}

function putUtf8Label(out: Uint8Array, at: number, label: string): number {
  const octets = encoder.encode(label)
  if (octets.length > MAX_LABEL_OCTETS) return 0
  out[at] = octets.length
  for (let i = 0; i < octets.length; i++) out[at + 1 + i] = lowerCase(octets[i]!)
  return at + 1 + octets.length
}

/**
 * Presentation format → wire form; `\.` and `\DDD` are understood, a final dot may be left out.
 * @returns undefined for what is no name
 */
export function parseName(text: string): WireName | undefined {
  const octets = encoder.encode(text)
  const name: number[] = []
  let lengthAt = 0
  name.push(0)
  for (let i = 0; i < octets.length; i++) {
    let octet = octets[i]!
    if (octet === 0x2e) {
      if (octets.length === 1) return new Uint8Array(1)
      if (name.length - lengthAt === 1) return undefined
      name[lengthAt] = name.length - lengthAt - 1
      lengthAt = name.length
      name.push(0)
      continue
    }
    if (octet === 0x5c) {
      const digits = text.length >= i ? String.fromCharCode(...octets.subarray(i + 1, i + 4)) : ''
      if (/^[0-9]{3}$/.test(digits)) {
        if (Number(digits) > 255) return undefined
        octet = Number(digits)
        i += 3
      } else if (i + 1 < octets.length) {
        octet = octets[++i]!
      } else return undefined
    }
    name.push(lowerCase(octet))
    if (name.length - lengthAt - 1 > MAX_LABEL_OCTETS || name.length > MAX_NAME_OCTETS) return undefined
  }
  if (name.length - lengthAt > 1) {
    name[lengthAt] = name.length - lengthAt - 1
    name.push(0)
  }
  return name.length > MAX_NAME_OCTETS ? undefined : Uint8Array.from(name)
}

/**
 * Wire form → presentation format with the final dot; octets that are not printable ASCII become `\DDD`.
 * @param name   uncompressed
 * @param offset where it starts
 */
export function formatName(name: Uint8Array, offset = 0): string {
  let text = ''
  for (let at = offset; name[at]! !== 0; at += 1 + name[at]!) {
    for (let i = at + 1; i <= at + name[at]!; i++) text += formatOctet(name[i]!)
    text += '.'
  }
  return text === '' ? '.' : text
}

/** RFC 4343 §3: only the octets of ASCII A..Z have a lower case. */
export function lowerCase(octet: number): number {
  return octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet
}

function formatOctet(octet: number): string {
  if (octet <= 0x20 || octet >= 0x7f) return '\\' + String(octet).padStart(3, '0')
  const character = String.fromCharCode(octet)
  return '.\\"();@$'.includes(character) ? '\\' + character : character
}
