/**
 * A record's type and data as people write them → octets. Layer: rules; pure. RFC 1035 §5.1, as far as templates need it.
 *
 *   A 10.0.0.1     AAAA fd00::1     PTR host.example.com.     TXT "some text" "more"
 */

import { TYPE_A, TYPE_AAAA, TYPE_PTR, TYPE_TXT } from '../wire/constants.ts'
import { parseName } from '../wire/name.ts'
import { parseAddress } from './hosts-file.ts'
import type { LocalRecord } from './local-answer.ts'

/** RFC 1035 §3.3: a character-string has at most 255 octets. */
const MAX_STRING = 255
const MAX_STRINGS = 16

/** @returns undefined for what is no record */
export function parseRecord(text: string): LocalRecord | undefined {
  const [, word = '', data = ''] = /^\s*([A-Za-z]+)\s+(.*?)\s*$/s.exec(text) ?? []
  const kind = word.toUpperCase()
  if (kind === 'A' || kind === 'AAAA') {
    const rdata = parseAddress(data)
    const type = kind === 'A' ? TYPE_A : TYPE_AAAA
    return rdata?.length === (kind === 'A' ? 4 : 16) ? { type, rdata } : undefined
  }
  if (kind === 'PTR') {
    const rdata = /^\S+$/.test(data) ? parseName(data) : undefined
    return rdata && { type: TYPE_PTR, rdata }
  }
  const rdata = kind === 'TXT' ? encodeStrings(data) : undefined
  return rdata && { type: TYPE_TXT, rdata }
}

/** Strings in quotes, or one without. */
function encodeStrings(data: string): Uint8Array | undefined {
  const isQuoted = /^"[^"\\]*"(\s+"[^"\\]*")*$/.test(data)
  if (!isQuoted && /["\s\\]/.test(data)) return undefined
  const strings = isQuoted ? [...data.matchAll(/"([^"]*)"/g)].map(([, each]) => each!) : [data]
  const octets = strings.map(each => Buffer.from(each))
  if (octets.length > MAX_STRINGS || octets.some(each => each.length > MAX_STRING)) return undefined
  return Uint8Array.from(octets.flatMap(each => [each.length, ...each]))
}
