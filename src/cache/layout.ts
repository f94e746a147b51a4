/**
 * Where everything lies in an entry of the answer cache. Layer: cache. Numbers only.
 *
 * A shared memory of its own, laid out as the answer table's (table/layout.ts): control words, index, arena. An entry is a
 * block: what an upstream said to one question. Written whole, then published; only STALE_UNTIL, HITS and LAST_HIT are
 * changed in place, by plain stores whose loss costs a count. Times are in seconds of clock.ts.
 *
 *   word 0  allocator's own
 *   word 1  hash of the key (`entryHash`)
 *   word 2  name octets (8) | DO (1) | CD (1) | – (6) | QTYPE (16)
 *   word 3  when it expires
 *   word 4  TTL given at first, seconds
 *   word 5  until when it is answered although expired; 0: not
 *   word 6  hits without a pause (`hitsDuration` of the options)
 *   word 7  when it was last hit
 *   word 8  RCODE (4) | ENTRY_… bits
 *   word 9  records of the answer section (16) | of the authority section (16)
 *   word 10 the set whose order is dealt: index of its first record (16) | records (16); no records: there is none
 *   word 11 octets of each record of that set (16) | pointers (16)
 *   word 12 octets of all records
 *   word 13… name in wire form, lower case, padded with zeros to a word
 *           one word per record: where it starts (16) | where its TTL stands (16)
 *           one word per compressed name: where its pointer stands
 *           the records in wire form, end to end; offsets above are from their first octet
 *
 * Pointers in the records are as in a message of the question alone: 12 is the first octet of QNAME, 16 + name octets is
 * the first record.
 */

import { HEADER_OCTETS } from '../wire/constants.ts'

export const ENTRY_KEY = 2
export const ENTRY_EXPIRES = 3
export const ENTRY_TTL = 4
export const ENTRY_STALE_UNTIL = 5
export const ENTRY_HITS = 6
export const ENTRY_LAST_HIT = 7
export const ENTRY_FLAGS = 8
export const ENTRY_COUNTS = 9
export const ENTRY_SET = 10
export const ENTRY_POINTERS = 11
export const ENTRY_OCTETS = 12
export const ENTRY_NAME = 13

export const KEY_DO = 0x100
export const KEY_CD = 0x200
export const KEY_TYPE_SHIFT = 16

export const ENTRY_RCODE_MASK = 15
/** The upstream said AD. */
export const ENTRY_AD = 0x10
/** There are no records of the type: NXDOMAIN, NODATA, SERVFAIL. */
export const ENTRY_DENIAL = 0x20
/** TTLs are given as they came, not counted down. */
export const ENTRY_KEEPS_TTL = 0x40

/** Question type and class behind the name. */
const QUESTION_TAIL = 4

/** Where the records start in a message that holds the question alone. */
export function firstRecordAt(nameOctets: number): number {
  return HEADER_OCTETS + nameOctets + QUESTION_TAIL
}

/** Word 2 of an entry: all of its key but the name's octets. */
export function entryKey(nameOctets: number, type: number, dnssecOk: boolean, checkingDisabled: boolean): number {
  return nameOctets | (dnssecOk ? KEY_DO : 0) | (checkingDisabled ? KEY_CD : 0) | (type << KEY_TYPE_SHIFT)
}

/** @param nameHash of the name, with the table's secret seed */
export function entryHash(nameHash: number, key: number): number {
  const mixed = Math.imul(nameHash ^ (key >>> 8), 0x9e3779b1)
  return mixed ^ (mixed >>> 15)
}
