/**
 * Whether the name of a query ends in another one. Layer: rules; pure. Hot where rules are configured.
 */

import type { WireName } from '../wire/name.ts'
import type { Query } from '../wire/query.ts'

/** @param from where a label of QNAME starts */
export function isSuffix({ name, nameLength }: Query, from: number, suffix: WireName): boolean {
  if (nameLength - from !== suffix.length) return false
  for (let i = 0; i < suffix.length; i++) if (name[from + i] !== suffix[i]) return false
  return true
}

/** Whether QNAME is `zone` or lies below it. */
export function isWithin(query: Query, zone: WireName): boolean {
  const from = query.nameLength - zone.length
  for (let label = 0; label <= query.labels; label++) {
    if (query.labelStart[label] === from) return isSuffix(query, from, zone)
  }
  return false
}
