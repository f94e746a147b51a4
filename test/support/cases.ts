/**
 * Cases in presentation format: what is asked, what every section of the reply holds, in any order.
 */

import assert from 'node:assert/strict'
import type { Answering, Asked, AskOptions } from './answering.ts'
import { strictDecode } from './messages.ts'

export interface Case extends AskOptions {
  readonly qname: string
  readonly qtype: string
  readonly rcode?: string
  /** `NAME TTL TYPE DATA`. */
  readonly answer?: readonly string[]
  /** Left out: an SOA alone when there is no answer, else nothing. */
  readonly authority?: readonly string[]
  readonly additional?: readonly string[]
}

/** Asks, and compares every section; the reply has to satisfy the strict decoder too. */
export function check(server: Answering, expected: Case): Asked {
  const { qname, qtype, rcode = 'NOERROR', answer = [], authority, additional = [] } = expected
  const asked = server.ask(qname, qtype, expected)
  strictDecode(asked.octets)
  assert.deepEqual(
    { rcode: asked.rcode, answer: asked.answers.toSorted() },
    { rcode, answer: answer.toSorted() },
    `${qname} ${qtype}`,
  )
  if (authority !== undefined) assert.deepEqual(asked.authority.toSorted(), authority.toSorted())
  else if (answer.length > 0) assert.deepEqual(asked.authority, [])
  else {
    assert.equal(asked.authority.length, 1, 'RFC 2308: a negative answer carries the SOA')
    assert.match(asked.authority[0]!, / SOA /)
  }
  assert.deepEqual(asked.additional.toSorted(), additional.toSorted(), `additional of ${qname} ${qtype}`)
  assert.equal(asked.flags.aa, true)
  assert.equal(asked.flags.tc, false)
  return asked
}

export function checkAll(server: Answering, cases: readonly Case[]): void {
  for (const one of cases) check(server, one)
}
