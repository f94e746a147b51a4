/**
 * Lines in the form of hosts(5) → addresses and names. Layer: rules; pure. Bounded: what is longer than MAX_LINES is an
 * error, and every line that says nothing is named, the first MAX_PROBLEMS of them. A file of hundreds of thousands of
 * names takes seconds: whoever reads one does so in pieces, and something else between them.
 *
 *   10.0.0.1   db.example.com db     # comment
 *   address    canonical name, then aliases; a name may begin with `*.`
 */

import { isIP } from 'node:net'
import { parseIPv4, parseIPv6 } from '../wire/address.ts'
import { prependLabels, type WireName } from '../wire/name.ts'

export interface HostEntry {
  /** 4 or 16, network order. */
  readonly address: Uint8Array
  /** At least one. */
  readonly names: readonly WireName[]
}

export interface HostProblem {
  /** From 1. */
  readonly line: number
  readonly reason: string
}

export interface HostsText {
  readonly entries: readonly HostEntry[]
  readonly problems: readonly HostProblem[]
}

export const MAX_LINES = 200_000
const PIECE_OCTETS = 8192
const MAX_NAMES_IN_LINE = 64
const MAX_PROBLEMS = 10
const ROOT: WireName = new Uint8Array(1)
const NAME = /^(\*\.)?[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?(\.[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?)*\.?$/i

/** Yields after each piece of some milliseconds at most. */
export function* parseHosts(text: string): Generator<void, HostsText> {
  const entries: HostEntry[] = []
  const problems: HostProblem[] = []
  const lines = text.split('\n', MAX_LINES + 1)
  if (lines.length > MAX_LINES) return { entries, problems: [{ line: MAX_LINES, reason: 'it has too many lines' }] }
  let read = 0
  for (const [i, line] of lines.entries()) {
    const entry = parseHostLine(line)
    if (typeof entry !== 'string') {
      if (entry !== undefined) entries.push(entry)
    } else if (problems.length < MAX_PROBLEMS) problems.push({ line: i + 1, reason: entry })
    read += line.length + 1
    if (read < PIECE_OCTETS) continue
    read = 0
    yield
  }
  return { entries, problems }
}

/** @returns undefined for an empty line, or what is wrong with it */
export function parseHostLine(line: string): HostEntry | undefined | string {
  const comment = line.indexOf('#')
  const [text = '', ...words] = (comment < 0 ? line : line.slice(0, comment)).trim().split(/\s+/)
  if (text === '') return undefined
  const address = parseAddress(text)
  if (address === undefined) return `${shorten(text)} is no IP address`
  if (words.length === 0) return `${text} has no name behind it`
  if (words.length > MAX_NAMES_IN_LINE) return `more than ${MAX_NAMES_IN_LINE} names stand behind ${text}`
  const names: WireName[] = []
  for (const word of words) {
    const labels = word.endsWith('.') ? word.slice(0, -1) : word
    const name = NAME.test(word) ? prependLabels(labels.split('.'), ROOT) : undefined
    if (name === undefined) return `${shorten(word)} is no host name`
    names.push(name)
  }
  return { address, names }
}

/** An IPv4 address written as an IPv6 one (`::ffff:10.0.0.1`) is an IPv4 address. A scope (`%eth0`) is left out. */
export function parseAddress(text: string): Uint8Array | undefined {
  const bare = text.replace(/%[-a-z0-9._]{1,32}$/i, '')
  if (isIP(bare) === 4) {
    const octets = new Uint8Array(4)
    new DataView(octets.buffer).setUint32(0, parseIPv4(bare))
    return octets
  }
  if (isIP(bare) !== 6) return undefined
  const octets = parseIPv6(bare)
  const isMapped = octets[10] === 255 && octets[11] === 255 && octets.subarray(0, 10).every(octet => octet === 0)
  return isMapped ? octets.slice(12) : octets
}

function shorten(word: string): string {
  return JSON.stringify(word.length > 60 ? `${word.slice(0, 60)}…` : word)
}
