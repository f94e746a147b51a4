/**
 * Numbers of the DNS wire format. Layer: wire; imports nothing.
 * Registry: IANA "Domain Name System (DNS) Parameters"; sections beside each group.
 *
 * Header, RFC 1035 §4.1.1 (octets from the first octet of the message):
 *
 *    0        2        4          6          8          10         12
 *   +--------+--------+----------+----------+----------+----------+
 *   |   ID   | flags  | QDCOUNT  | ANCOUNT  | NSCOUNT  | ARCOUNT  |
 *   +--------+--------+----------+----------+----------+----------+
 *
 *   flags    QR | OPCODE (4) | AA | TC | RD |   RA | Z | AD | CD | RCODE (4)
 */

export const HEADER_OCTETS = 12
export const OFFSET_ID = 0
export const OFFSET_FLAGS = 2
export const OFFSET_QDCOUNT = 4
export const OFFSET_ANCOUNT = 6
export const OFFSET_NSCOUNT = 8
export const OFFSET_ARCOUNT = 10

export const FLAG_QR = 0x8000
export const FLAG_AA = 0x0400
export const FLAG_TC = 0x0200
export const FLAG_RD = 0x0100
export const FLAG_RA = 0x0080
// RFC 4035 §3.2.2, §3.2.3
export const FLAG_AD = 0x0020
export const FLAG_CD = 0x0010
/** In the flags of the OPT, RFC 3225 §3. */
export const FLAG_DO = 0x8000
export const OPCODE_MASK = 0x7800
export const OPCODE_QUERY = 0

// RFC 1035 §4.1.1, RFC 2136 §2.2, RFC 6891 §6.1.3 (BADVERS, upper 8 bits in the OPT), RFC 8945 §5.2 (NOTAUTH)
export const RCODE_NOERROR = 0
export const RCODE_FORMERR = 1
export const RCODE_SERVFAIL = 2
export const RCODE_NXDOMAIN = 3
export const RCODE_NOTIMP = 4
export const RCODE_REFUSED = 5
export const RCODE_NOTAUTH = 9
export const RCODE_BADVERS = 16

export const TYPE_A = 1
export const TYPE_NS = 2
export const TYPE_CNAME = 5
export const TYPE_SOA = 6
export const TYPE_PTR = 12
export const TYPE_HINFO = 13
export const TYPE_TXT = 16
export const TYPE_AAAA = 28
export const TYPE_SRV = 33
export const TYPE_OPT = 41
export const TYPE_TSIG = 250
export const TYPE_IXFR = 251
export const TYPE_AXFR = 252
export const TYPE_ANY = 255

export const CLASS_IN = 1

// RFC 1035 §2.3.4
export const MAX_LABEL_OCTETS = 63
export const MAX_NAME_OCTETS = 255

// RFC 1035 §4.2.1; RFC 6891 §6.2.3: smaller values count as 512
export const MIN_UDP_PAYLOAD = 512
// RFC 1035 §4.2.2: a two-octet length field
export const MAX_STREAM_MESSAGE = 65_535

// RFC 1035 §4.1.4: the two upper bits say pointer, 14 bits of offset are left
export const POINTER = 0xc000
export const MAX_POINTER_TARGET = 0x3fff

// RFC 8914 §4.15: the server is not up to date yet
export const EDE_STALE = 3
export const EDE_NOT_READY = 14
export const EDE_STALE_NXDOMAIN = 19
/** RFC 8914 §4.14, §4.23: a failure of a moment ago; nobody who knows could be asked. */
export const EDE_CACHED_ERROR = 13
export const EDE_NO_REACHABLE_AUTHORITY = 22
/** RFC 8914 §4.18, §4.19. */
export const EDE_FILTERED = 17
export const EDE_PROHIBITED = 18
export const OPTION_EDE = 15
/** Octets of an EDE option without text, RFC 8914 §2. */
export const EDE_OCTETS = 6
/** RFC 8767 §4: the TTL of what has expired, seconds. */
export const STALE_TTL = 30

/** Octets of an OPT record without options. */
export const OPT_OCTETS = 11
