/**
 * Where everything lies in the table's shared memory. Layer: table. Numbers only.
 *
 * One shared WebAssembly.Memory, read as 32-bit words (host order: every reader is on this machine) and as octets:
 *
 *   0        control words (below)
 *   64 KiB   arena: blocks in granules of 16 octets, handed out by the writer's allocator
 *
 * Control words:
 *   CONTROL_EPOCH   the global epoch, raised by the writer after every commit
 *   CONTROL_INDEX   word offset of the index block in use
 *   CONTROL_STATE   STATE_… bits
 *   CONTROL_SEED    the secret seed of the name hash
 *   CONTROL_WAITING one bit per zone: its names are answered only when STATE_WAITING is gone
 *   CONTROL_ZONES   one word per zone: word offset of its SOA block
 *   CONTROL_READERS one cache line per reader; its first word is the epoch it saw, or OFFLINE
 *
 * Index block (word offsets from its first word). A slot is one word, so that it is published and read whole:
 *   ┌───────────┬──────┬────────┬────────┬─ - -
 *   │ allocator │ mask │ slot 0 │ slot 1 │            slot = tag (6 bits) | granule of the block (26 bits);
 *   └───────────┴──────┴────────┴────────┴─ - -       0 = never used, TOMBSTONE = was used
 *
 * Name block: all there is at one owner name. Written whole, then published by one store of its slot; readers never see
 * it change. Only CHILDREN changes in place: the writer alone reads it.
 *   word 0  allocator's own
 *   word 1  hash of the owner name
 *   word 2  name octets (8) | zone (8) | flags (16)
 *   word 3  A records (16) | AAAA records (16)
 *   word 4  TTL, seconds
 *   word 5  children: names directly below
 *   word 6… owner name in wire form, lower case, padded with zeros to a word
 *           A: one word each, AAAA: four words each (integers; the first octet of an address is uppermost)
 *           then, as the flags say and in this order: SRV set, raw sets, topology zones
 *
 * SRV set:    count (16) | weight (16)      suffix start in the owner name, octets (8) | words of the set (24)
 *             offset of each entry, words from the set's first word
 *             entry: port (16) | IPv4 count (8) | IPv6 count (8);  addresses;  octets of labels (8), labels, padding
 * Raw sets:   number of sets, words of all sets together; per set: type (16) | records (16), words of the set; then the
 *             records: RDLENGTH (16, network order), RDATA, end to end, padding
 * Zones:      groups (16) | words up to the addresses (16);  IPv4 addresses here, IPv6 addresses here;  of these all of the Service
 *             per group: IPv4 start, count; IPv6 start, count; label octets (8), labels, padding
 *             then IPv4 addresses, then IPv6 addresses, group after group: all of the Service, each once, then those that are
 *             there again (ZoneGroup.isAgain)
 *
 * SOA block:  allocator's own;  zone name octets;  SERIAL, REFRESH, RETRY, EXPIRE, MINIMUM
 */

export const PAGE_OCTETS = 65_536
/** 1 GiB: what 26 bits of 16-octet granules reach. Reserved as address space, not as memory. */
export const MAX_PAGES = 16_384

export const GRANULE_OCTETS = 16
export const GRANULE_WORDS = 4
export const ARENA_WORD = PAGE_OCTETS / 4

export const CONTROL_EPOCH = 0
export const CONTROL_INDEX = 1
export const CONTROL_STATE = 2
export const CONTROL_SEED = 3
export const CONTROL_WAITING = 8
export const CONTROL_ZONES = 64
export const MAX_ZONES = 255
export const CONTROL_READERS = 512
export const READER_WORDS = 16
export const MAX_READERS = 128

/** A reader that holds nothing: asleep, stopped, or dead. */
export const OFFLINE = 0

/** Every source has committed its first list: names may be answered. */
export const STATE_SYNCED = 1
/** What is answered comes from a snapshot, and says so (RFC 8914 §4.4). */
export const STATE_STALE = 2
/** Zones marked in CONTROL_WAITING have not had their first lists. */
export const STATE_WAITING = 4

export const SLOT_EMPTY = 0
export const SLOT_TOMBSTONE = -1
export const SLOT_GRANULE_MASK = 0x03ff_ffff
export const INDEX_MASK = 1
export const INDEX_SLOTS = 2

export const BLOCK_HASH = 1
export const BLOCK_META = 2
export const BLOCK_COUNTS = 3
export const BLOCK_TTL = 4
export const BLOCK_CHILDREN = 5
export const BLOCK_NAME = 6

export const META_FLAGS_SHIFT = 16
export const META_ZONE_SHIFT = 8

// The low bits of a block's flags are those of wire/owner-records.ts (NAME_…).
export const HAS_SRV = 0x100
export const HAS_RAW = 0x200
export const HAS_ZONES = 0x400
/** The raw set is a CNAME. */
export const HAS_CNAME = 0x800
/** Something was put at the name, be it nothing: it is no empty non-terminal. */
export const IS_PUT = 0x1000

export const SOA_NAME_OCTETS = 1
export const SOA_SERIAL = 2
export const SOA_MINIMUM = 6
export const SOA_WORDS = 7

export const MAX_COUNT = 65_535

// Words of the topology zones, from their first on.
export const ZONES_V4 = 1
export const ZONES_V6 = 2
export const ZONES_ALL_V4 = 3
export const ZONES_ALL_V6 = 4
export const ZONES_GROUPS = 5

/** The six uppermost bits of the hash, which the position in the index does not use. Never makes a slot EMPTY or TOMBSTONE. */
export function slotTag(hash: number): number {
  return hash & ~SLOT_GRANULE_MASK
}
