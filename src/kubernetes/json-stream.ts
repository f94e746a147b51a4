/**
 * A stream of octets → JSON objects, one at a time: the whole of a list is never one string. Layer: kubernetes; pure.
 *
 *   watch   one object per line
 *   list    {"kind":…,"metadata":{…},"items":[ {…}, {…} ],…}: the elements of the one array at depth 1, each as soon as
 *           its closing brace is there; what is around them is parsed at the end
 */

import { ApiError } from './errors.ts'

/** An object of more octets than this is not one that the API server stores (etcd's limit is 1.5 MiB by default). */
const MAX_OBJECT_OCTETS = 16 << 20

const NEWLINE = 0x0a
const QUOTE = 0x22
const COMMA = 0x2c
const BACKSLASH = 0x5c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/** Cuts a stream into lines. A line ends at `\n` alone: other separators may stand in strings. */
export class LineParser {
  private parts: Buffer[] = []
  private length = 0;

  /** @throws ApiError ERR_API_MALFORMED for a line that is no JSON or too long */
  *push(chunk: Buffer): Generator<unknown> {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      const line =
        this.parts.length === 0
          ? chunk.subarray(start, end)
          : Buffer.concat([...this.parts, chunk.subarray(start, end)])
      this.parts = []
      this.length = 0
      start = end + 1
      if (line.length > 0) yield parse(line)
    }
    if (start === chunk.length) return
    const rest = chunk.subarray(start)
    this.length += rest.length
    if (this.length > MAX_OBJECT_OCTETS)
      throw new ApiError('ERR_API_MALFORMED', `a line of over ${MAX_OBJECT_OCTETS} octets`)
    // A copy: the chunk's memory is the socket's, and a slice would keep all of it.
    this.parts.push(Buffer.from(rest))
  }
}

/** Takes a list apart while it arrives. */
export class ListParser {
  private depth = 0
  private inString = false
  private escaped = false
  private inItems = false
  /** Octets of the element at hand, or of what is around the elements, not yet complete. */
  private element: Buffer[] = []
  private elementLength = 0
  private readonly around: Buffer[] = []
  private aroundLength = 0;

  /** @throws ApiError ERR_API_MALFORMED for an element that is no JSON or too long */
  *push(chunk: Buffer): Generator<unknown> {
    let start = 0
    for (let at = 0; at < chunk.length; at++) {
      const octet = chunk[at]!
      if (this.inString) {
        if (this.escaped) this.escaped = false
        else if (octet === BACKSLASH) this.escaped = true
        else if (octet === QUOTE) this.inString = false
        continue
      }
      switch (octet) {
        case QUOTE:
          this.inString = true
          break
        case OPEN_BRACE:
        case OPEN_BRACKET:
          if (this.inItems && this.depth === 2) {
            this.keepAround(chunk, start, at)
            start = at
          }
          this.depth++
          if (octet === OPEN_BRACKET && this.depth === 2) this.inItems = true
          break
        case CLOSE_BRACE:
        case CLOSE_BRACKET:
          this.depth--
          if (this.inItems && this.depth === 2) {
            yield this.takeElement(chunk.subarray(start, at + 1))
            start = at + 1
          } else if (this.inItems && this.depth === 1) this.inItems = false
          break
        case COMMA:
          if (this.inItems && this.depth === 2) {
            this.keepAround(chunk, start, at)
            start = at + 1
          }
      }
    }
    if (this.inItems && this.depth > 2) this.keepElement(chunk.subarray(start))
    else this.keepAround(chunk, start, chunk.length)
  }

  /** What was around the elements, with an empty array in their place. @throws ApiError when the list broke off */
  end(): unknown {
    if (this.depth !== 0 || this.aroundLength === 0) throw new ApiError('ERR_API_STREAM', 'the list broke off')
    return parse(Buffer.concat(this.around))
  }

  private takeElement(last: Buffer): unknown {
    const octets = this.element.length === 0 ? last : Buffer.concat([...this.element, last])
    this.element = []
    this.elementLength = 0
    return parse(octets)
  }

  private keepElement(part: Buffer): void {
    this.elementLength += part.length
    if (this.elementLength > MAX_OBJECT_OCTETS)
      throw new ApiError('ERR_API_MALFORMED', `an object of over ${MAX_OBJECT_OCTETS} octets`)
    this.element.push(Buffer.from(part))
  }

  private keepAround(chunk: Buffer, start: number, end: number): void {
    if (end <= start) return
    this.aroundLength += end - start
    if (this.aroundLength > MAX_OBJECT_OCTETS) throw new ApiError('ERR_API_MALFORMED', 'this is no list of objects')
    this.around.push(Buffer.from(chunk.subarray(start, end)))
  }
}

function parse(octets: Buffer): unknown {
  try {
    return JSON.parse(octets.toString('utf8'))
  } catch (cause) {
    throw new ApiError(
      'ERR_API_MALFORMED',
      `the API server sent what is no JSON: ${octets.toString('latin1', 0, 80)}`,
      {
        cause,
      },
    )
  }
}
