/**
 * The names that are served, as text, for `GET /names`: a line each, `OWNER TYPE...`, in no order. Layer: control.
 *
 *   web.default.svc.cluster.local. A AAAA SRV
 *   svc.cluster.local.                           (exists, and nothing is at it)
 *
 * Made while it is read: a slow reader costs no memory, a large table no pause.
 */

import { setImmediate } from 'node:timers/promises'
import type { SharedMemory } from '../table/memory.ts'
import { NameWalk, ownerAt, typesAt } from '../table/name-walk.ts'
import { TYPE_A, TYPE_AAAA, TYPE_CNAME, TYPE_NS, TYPE_PTR, TYPE_SOA, TYPE_SRV, TYPE_TXT } from '../wire/constants.ts'
import { formatName } from '../wire/name.ts'

const MNEMONICS: Readonly<Record<number, string>> = {
  [TYPE_A]: 'A',
  [TYPE_NS]: 'NS',
  [TYPE_CNAME]: 'CNAME',
  [TYPE_SOA]: 'SOA',
  [TYPE_PTR]: 'PTR',
  [TYPE_TXT]: 'TXT',
  [TYPE_AAAA]: 'AAAA',
  [TYPE_SRV]: 'SRV',
}
/** Homes of one piece: at most some 180 names, a fraction of a millisecond. */
const PIECE_HOMES = 256

/** Between two pieces other work of the thread is done. On the thread of the table's writer only. */
export async function* nameList(memory: SharedMemory): AsyncGenerator<string> {
  const walk = new NameWalk(memory)
  for (let isMore = true; isMore; ) {
    let text = ''
    isMore = walk.next(PIECE_HOMES, (words, octets, block) => {
      // RFC 3597 §5: a type without a mnemonic
      const types = typesAt(words, block).map(type => ` ${MNEMONICS[type] ?? `TYPE${type}`}`)
      text += `${formatName(ownerAt(words, octets, block))}${types.join('')}\n`
    })
    if (text !== '') yield text
    await setImmediate()
  }
}
