/**
 * Lines of lists and of query logs → what was asked. Layer: compare; pure.
 *
 *   NAME [TYPE]                                                                  a list; `#` begins a comment
 *   [INFO] 10.0.0.7:50759 - 29008 "A IN example.org. udp 41 false 4096" NOERROR qr,rd,ra 68 0.03s    CoreDNS's plugin log
 *   {"name":"example.org.","type":"A", ...}                                      this server's log, or another's of JSON
 */

import { formatName, parseName } from '../wire/name.ts'
import type { Question } from './questions.ts'

/** A line this long is none of these. */
const MAX_LINE_CHARACTERS = 4096
/** CoreDNS's `log` in its default, combined and common forms: the question stands in quotes, type and class before it or after. */
const LOGGED = /"(?<type>[A-Za-z0-9]+) (?<class>[A-Z0-9]+) (?<name>\S+) (?:udp|tcp|tls|https|grpc|quic) /
const LISTED = /^(?<name>\S+)(?:\s+(?<type>[A-Za-z][A-Za-z0-9]*))?\s*(?:#.*)?$/

/** @returns what the line asks, perhaps nothing; undefined: it cannot be read */
export function questionsOfLine(line: string): Question[] | undefined {
  if (line.length > MAX_LINE_CHARACTERS) return undefined
  const text = line.trim()
  if (text === '' || text.startsWith('#')) return []
  if (text.startsWith('{')) return fromJson(text)
  const logged = LOGGED.exec(text)?.groups
  if (logged !== undefined) return logged['class'] === 'IN' ? make(logged['name']!, logged['type']) : []
  // Lines of a log that are about something else.
  if (text.startsWith('[')) return []
  const listed = LISTED.exec(text)?.groups
  return listed === undefined ? undefined : make(listed['name']!, listed['type'])
}

function fromJson(text: string): Question[] | undefined {
  let object: Record<string, unknown>
  try {
    object = JSON.parse(text) as Record<string, unknown>
  } catch {
    return undefined
  }
  const name = object['qname'] ?? object['name']
  const type = object['qtype'] ?? object['type']
  // A log has lines about other things.
  if (typeof name !== 'string' || typeof type !== 'string') return []
  return make(name, type)
}

function make(name: string, type: string | undefined): Question[] | undefined {
  const wire = parseName(name)
  if (wire === undefined) return undefined
  const types = type === undefined ? ['A', 'AAAA'] : [type.toUpperCase()]
  return types.map(one => ({ name: formatName(wire), type: one, origin: 'list' }))
}
