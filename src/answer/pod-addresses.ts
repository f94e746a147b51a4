/**
 * `10-1-0-5.NS.pod.ZONE` answered from the label alone (`records.pods: insecure`). Layer: answer.
 * K8s DNS spec, pod names: the dots or colons of the address are written as dashes. Exactly three single dashes between
 * decimal numbers are IPv4; otherwise the dashes are the colons of an IPv6 address, `--` its `::`.
 */

/** The address that `readPodAddress` read: one word for IPv4, four for IPv6. */
export const podAddress = new Int32Array(4)

/**
 * @param name lower-cased wire form
 * @param at   where the label starts (its length octet)
 * @returns 4 or 6: `podAddress` holds the address; 0: the label is none
 */
export function readPodAddress(name: Uint8Array, at: number): 0 | 4 | 6 {
  const end = at + 1 + name[at]!
  return readV4(name, at + 1, end) ? 4 : readV6(name, at + 1, end) ? 6 : 0
}

function readV4(name: Uint8Array, from: number, end: number): boolean {
  let address = 0
  let octets = 0
  for (let at = from; at < end; at++) {
    let value = 0
    const start = at
    for (; at < end && name[at] !== 0x2d; at++) {
      const digit = name[at]! - 0x30
      if (digit < 0 || digit > 9 || at - start === 3) return false
      value = value * 10 + digit
    }
    // RFC 6943 §3.1.1: a leading zero may mean octal; such text is no address here
    if (at === start || value > 255 || (name[start] === 0x30 && at - start > 1)) return false
    address = (address << 8) | value
    octets++
    if (octets > 4 || at === end - 1) return false
  }
  podAddress[0] = address
  return octets === 4
}

function readV6(name: Uint8Array, from: number, end: number): boolean {
  const groups = v6Groups
  let count = 0
  let gapAt = -1
  let at = from
  if (end - from >= 2 && name[at] === 0x2d) {
    if (name[at + 1] !== 0x2d) return false
    gapAt = 0
    at += 2
  }
  while (at < end) {
    let value = 0
    const start = at
    for (; at < end && name[at] !== 0x2d; at++) {
      const digit = hexDigit(name[at]!)
      if (digit < 0 || at - start === 4) return false
      value = (value << 4) | digit
    }
    if (at === start || count === 8) return false
    groups[count++] = value
    if (at === end) break
    at++
    if (at < end && name[at] === 0x2d) {
      if (gapAt >= 0) return false
      gapAt = count
      at++
    } else if (at === end) return false
  }
  if (gapAt < 0 ? count !== 8 : count > 7) return false
  if (gapAt >= 0) {
    const tail = count - gapAt
    groups.copyWithin(8 - tail, gapAt, count)
    groups.fill(0, gapAt, 8 - tail)
  }
  for (let i = 0; i < 4; i++) podAddress[i] = (groups[2 * i]! << 16) | groups[2 * i + 1]!
  return true
}

const v6Groups = new Uint16Array(8)

function hexDigit(octet: number): number {
  if (octet >= 0x30 && octet <= 0x39) return octet - 0x30
  return octet >= 0x61 && octet <= 0x66 ? octet - 0x57 : -1
}
