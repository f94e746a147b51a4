/**
 * What is asked: from the names that this server holds, and from lists of what clients ask. Layer: compare; pure.
 *
 * At a name of the index: A and AAAA, since every client asks both, and each type that is there; PTR in the trees of
 * addresses. Beside them what pods' resolvers ask on the way to a name: with `search NS.svc.ZONE svc.ZONE ZONE` and
 * `ndots:5` most queries of a cluster are for names that do not exist.
 */

import { isReverse, labelsBefore, type Names } from './names.ts'

export type Origin = 'index' | 'search path' | 'list'

export interface Question {
  /** Lower case, final dot. */
  readonly name: string
  /** A mnemonic, or TYPEnnn. */
  readonly type: string
  readonly origin: Origin
}

/** A name of the outside, as pods look it up. */
const OUTSIDE = 'www.example.com'
const ADDRESS_TYPES = ['A', 'AAAA']
const MAX_NAME_CHARACTERS = 254

export function* questionsOf(names: Names): Generator<Question> {
  const namespaces = new Set<string>()
  for (const [name, types] of names.types) {
    const zone = names.zoneOf(name)
    if (zone === undefined) continue
    yield* all([name], new Set([...(isReverse(zone) ? ['PTR'] : ADDRESS_TYPES), ...types]), 'index')
    if (isReverse(zone)) continue
    const [first, namespace, branch, ...more] = labelsBefore(name, zone)
    if (branch !== 'svc' || more.length > 0 || first === undefined || namespace === undefined) continue
    const search = [`${namespace}.svc.${zone}`, `svc.${zone}`, zone]
    if (!namespaces.has(search[0]!)) {
      namespaces.add(search[0]!)
      yield* all(
        search.map(suffix => `${OUTSIDE}.${suffix}`),
        ADDRESS_TYPES,
        'search path',
      )
    }
    const whole = name.slice(0, -1)
    const misses = [
      // `web.ns` and the whole name, looked up from within the namespace.
      `${first}.${namespace}.${search[0]}`,
      ...search.map(suffix => `${whole}.${suffix}`),
      // A pod that is not there, or not yet.
      `absent-0.${name}`,
    ]
    yield* all(misses, ADDRESS_TYPES, 'search path')
    yield* all([`_absent._tcp.${name}`], ['SRV'], 'search path')
  }
}

function* all(names: readonly string[], types: Iterable<string>, origin: Origin): Generator<Question> {
  for (const name of names) {
    if (name.length > MAX_NAME_CHARACTERS) continue
    for (const type of types) yield { name, type, origin }
  }
}
