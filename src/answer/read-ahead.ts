/**
 * The next few queries of a batch, read before the first of them is answered, so that what their answers need of the
 * table is fetched for all at once. Layer: answer. Hot; writes nothing of the messages.
 *
 *   one after the other   read, slot …… block …… copy │ read, slot …… block …… copy │        …… waiting for memory
 *   ahead                 read, read, … │ slot, slot, …… │ block, block, …… │ copy, copy, …
 */

import type { TableReader } from '../table/reader.ts'
import { RCODE_SERVFAIL } from '../wire/constants.ts'
import { Query } from '../wire/query.ts'

export class ReadAhead {
  readonly queries: readonly Query[]
  /** What `Query.read` said of each. */
  readonly verdicts: Int32Array
  private readonly table: TableReader
  /** Here so that nothing that was fetched counts as unused. */
  fetched = 0

  /** @param places queries that are kept at a time */
  constructor(table: TableReader, places: number) {
    this.table = table
    this.queries = Array.from({ length: places }, () => new Query(table.seed))
    this.verdicts = new Int32Array(places)
  }

  /** @param place 0..places−1; the query that was there is forgotten */
  read(octets: Uint8Array, view: DataView, start: number, length: number, place: number): void {
    // stands if the next line throws, which would be a defect of ours
    this.verdicts[place] = RCODE_SERVFAIL
    this.verdicts[place] = this.queries[place]!.read(octets, view, start, length)
  }

  /** Brings the slots and the blocks of the first queries near. Whatever their names hash to may be there. */
  fetch(count: number): void {
    const { queries, table } = this
    let fetched = 0
    for (let i = 0; i < count; i++) fetched ^= table.fetchSlot(queries[i]!.suffixHash[0]!)
    for (let i = 0; i < count; i++) fetched ^= table.fetchBlock(queries[i]!.suffixHash[0]!)
    this.fetched = fetched
  }
}
