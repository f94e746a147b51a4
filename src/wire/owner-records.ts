/**
 * What is to be answered at one owner name, before it is put into wire form: the shape in which `records/` hands names
 * to the table. Layer: wire; types only.
 */

import type { WireName } from './name.ts'

/** One target of an SRV RRset, RFC 2782: `priority weight port label.suffix`. */
export interface SrvTarget {
  readonly port: number
  /** What the target has before the suffix: a label, or several with dots between them, ASCII in lower case; or `''`: it is the suffix itself. */
  readonly label: string
  /** Addresses for the additional section: IPv4 as unsigned integers, IPv6 as 16 octets each, end to end. */
  readonly v4: readonly number[]
  readonly v6: Uint8Array
}

export interface SrvSet {
  /**
   * Where in the owner name the targets' common suffix starts, in octets: 11 for targets below `web.ns.svc.zone` when
   * the owner is `_http._tcp.web.ns.svc.zone`.
   */
  readonly suffixStart: number
  readonly weight: number
  readonly targets: readonly SrvTarget[]
}

/** Any other RRset, as finished RDATA without compression. */
export interface RawSet {
  readonly type: number
  readonly rdata: readonly Uint8Array[]
}

/** The addresses of one topology zone, for the zonal names below the owner. */
export interface ZoneGroup {
  /** The zone's labels in wire form, lower-cased, without a root label; empty for endpoints without a zone. */
  readonly labels: Uint8Array
  readonly v4: readonly number[]
  readonly v6: Uint8Array
  /** Its addresses are in groups without this too, which come before it: an answer with all addresses has none of its own. */
  readonly isAgain?: boolean
}

export interface OwnerRecords {
  readonly owner: WireName
  /** Seconds, 0..2³¹−1 (RFC 2181 §8). */
  readonly ttl: number
  /** A: addresses as unsigned integers, sorted. */
  readonly a?: readonly number[] | undefined
  /** AAAA: 16 octets each, end to end, sorted. */
  readonly aaaa?: Uint8Array | undefined
  readonly srv?: SrvSet | undefined
  readonly raw?: readonly RawSet[] | undefined
  readonly zones?: readonly ZoneGroup[] | undefined
  /** NAME_… bits: what else the name is. */
  readonly flags?: number
}

/** The name exists even when nothing is at or below it. */
export const NAME_PERMANENT = 1
/** Top of an authoritative zone: has the SOA, and its names' negative answers carry it. */
export const NAME_APEX = 2
/** `<address>.NAME` is answered from the label alone (`records.pods: insecure`). */
export const NAME_PODS = 4
/** `<namespace>.NAME` exists, and `<address>.<namespace>.NAME` is answered from the label alone. */
export const NAME_PODS_ANY_NAMESPACE = 8

/** Where names are written. The answer table is the one in production; a Map is one in tests. */
export interface NameWriter {
  /** Sets all that is at a name; names above it come to exist as empty non-terminals. */
  put(records: OwnerRecords): void
  /** Takes away all that is at a name; it lives on as an empty non-terminal while names exist below it. */
  remove(owner: WireName): void
  /**
   * Adds records to an RRset that several objects share, such as the PTRs of an address, and takes others out of it, in one
   * write. Idempotent.
   * @param ttl of the whole set, if a record is added
   */
  changeRecords(
    owner: WireName,
    type: number,
    ttl: number,
    added: readonly Uint8Array[],
    removed: readonly Uint8Array[],
  ): void
}
