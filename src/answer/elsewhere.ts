/**
 * What the hot path asks besides the table: which queries are somebody else's, and who may have what. Layer: answer; types,
 * and the words that are exchanged. Whoever implements them is called in the hot path, and keeps its rules (answer.ts).
 */

import type { Query } from '../wire/query.ts'

export interface Fallthrough {
  /** Its number. */
  readonly zone: number
  /** Names in wire form, lower case: these and what lies below them; undefined: the whole zone. */
  readonly below?: readonly Uint8Array[]
}

/** Which names are somebody else's to answer. */
export interface Forwarding {
  /** Where what does not exist in our zones is asked elsewhere. Names outside all zones are in any case. */
  readonly fallthrough: readonly Fallthrough[]
  /** False: nobody is asked for them, and they are only looked up in rules (no RA). Default true. */
  readonly recursion?: boolean
  /** Queries that do not ask for recursion (RD) are somebody else's too: rules answer them. Default false. */
  readonly withoutRd?: boolean
  /** AAAA of other names may be made from A (RFC 6147): what upstreams said of them is not the answer. Default false. */
  readonly dns64?: boolean
}

/** Verdicts of a Screen. */
export const SCREEN_PASS = 0
/** The query is somebody else's, whatever the table says. */
export const SCREEN_DEFER = 1
/** REFUSED; NOERROR without records; no reply. */
export const SCREEN_BLOCK = 2
export const SCREEN_FILTER = 3
export const SCREEN_DROP = 4

/** Looks at queries before the table is asked. */
export interface Screen {
  /**
   * @param query read, with nothing wrong
   * @param start where the message begins in the transport's octets
   * @returns SCREEN_…
   */
  judge(query: Query, start: number): number
  /** Whether a client hears nothing whose question could not be read. @param start as above */
  drops(start: number): boolean
}

/** Says who may have transfers. */
export interface TransferAccess {
  /**
   * @param query read, with nothing wrong
   * @param start where the message begins in the transport's octets
   */
  allows(query: Query, start: number): boolean
}

/** Looks at names of our zones that do not exist. */
export interface Misses {
  /**
   * @param zone  its number
   * @param below the label from which on the name exists
   * @param start where the message begins in the transport's octets
   * @returns whether the query is somebody else's
   */
  wants(query: Query, zone: number, below: number, start: number): boolean
}
