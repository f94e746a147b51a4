/**
 * A reply made anew from another one, for a question that differs from the one it answers: with its own name back
 * (rewriting), with records changed (DNS64), or just cut to what the client takes. Layer: local; pure.
 *
 *   reply to   web.default.svc.cluster.local A        ─▶  reply to   old.example A
 *     web.default.svc.cluster.local A 10.1.0.1              old.example A 10.1.0.1
 */

import type { ClientQuery, ReplyWriter } from '../forward/client-query.ts'
import { NameBuffer, NameWriter } from '../forward/names.ts'
import { RDATA_SHAPES } from '../forward/rdata.ts'
import { Response } from '../forward/response.ts'
import {
  CLASS_IN,
  FLAG_AA,
  FLAG_AD,
  FLAG_TC,
  HEADER_OCTETS,
  OFFSET_FLAGS,
  OPT_OCTETS,
  OPTION_EDE,
  POINTER,
  TYPE_CNAME,
  TYPE_OPT,
} from '../wire/constants.ts'

/** What becomes of record `i` of the response. Its name stays, or is exchanged. */
export interface Change {
  readonly type: number
  readonly ttl: number
  /** Undefined: as it is. */
  readonly rdata?: Uint8Array
}

export interface Alias {
  /** Wire form, any case. */
  readonly target: Uint8Array
  readonly ttl: number
}

export interface Changes {
  /** This name, in lower case, becomes the question's. */
  readonly from?: Uint8Array
  /** @returns undefined: it stays as it is; `'none'`: it is left out */
  readonly change?: (response: Response, i: number) => Change | 'none' | undefined
  /** It was not said so by whoever is responsible, even where no record changes: AD is taken away. */
  readonly isOurs?: boolean
  /** The question's name is an alias of what the response is about, which we say: it comes first. */
  readonly alias?: Alias
}

export class Composer {
  /** The message read last. */
  readonly response = new Response()
  private readonly writer: ReplyWriter
  private readonly names = new NameWriter()
  private readonly question = new NameBuffer()
  private readonly owner = new NameBuffer()
  private readonly from = new NameBuffer()
  private readonly copy = new Uint8Array(65_535)

  constructor(writer: ReplyWriter) {
    this.writer = writer
  }

  /**
   * Reads a reply, which is copied: it may lie where the next one is written.
   * @returns false: it is malformed, which would be a defect of ours
   */
  read(reply: Uint8Array, questionEnd: number): boolean {
    this.copy.set(reply)
    return this.response.read(this.copy.subarray(0, reply.length), questionEnd)
  }

  /**
   * The response that was read, as a reply to `query`. What is additional is left out.
   * @returns valid until the writer is used again
   */
  compose(query: ClientQuery, changes: Changes = {}): Uint8Array {
    const { response, writer, names, question } = this
    const limit = writer.limit(query)
    const message = query.message.subarray(0, query.questionEnd)
    let at = writer.begin({ ...query, message })
    names.begin(writer.octets)
    question.read(message, 0, HEADER_OCTETS, message.length)
    names.remember(question, HEADER_OCTETS)
    const { from = question.lower.subarray(0, question.length) } = changes
    this.from.read(from, 0, 0, from.length)
    let answers = 0
    let authority = 0
    let truncated = false
    let isOurs = changes.isOurs === true || changes.alias !== undefined
    if (changes.alias !== undefined) {
      const end = this.putAlias(changes.alias, at, limit)
      truncated = end === 0
      if (!truncated) {
        at = end
        answers++
      }
    }
    for (let i = 0; i < response.records && !truncated; i++) {
      const change = changes.change?.(response, i)
      isOurs ||= change !== undefined
      if (change === 'none') continue
      const end = this.put(i, change, at, limit)
      if (end === 0) {
        truncated = true
        break
      }
      at = end
      if (i < response.answers) answers++
      else authority++
    }
    const flags = response.view.getUint16(OFFSET_FLAGS)
    const tc = truncated ? FLAG_TC : flags & FLAG_TC
    // RFC 4035 §3.2.3: whoever validated has seen other records
    const ad = isOurs ? 0 : flags & FLAG_AD
    const reply = writer.finish(query, at, answers, authority, response.rcode, tc | ad, extendedErrorOf(response))
    const aa = changes.alias === undefined ? flags & FLAG_AA : FLAG_AA
    reply[OFFSET_FLAGS]! = (reply[OFFSET_FLAGS]! & ~(FLAG_AA >>> 8)) | (aa >>> 8)
    return reply
  }

  /** @returns the CNAME's end, or 0 when it does not fit */
  private putAlias({ target, ttl }: Alias, at: number, limit: number): number {
    const { names, owner, writer } = this
    const { view } = writer
    if (at + 12 > limit) return 0
    view.setUint16(at, POINTER | HEADER_OCTETS)
    view.setUint32(at + 2, (TYPE_CNAME << 16) | CLASS_IN)
    view.setUint32(at + 6, ttl)
    owner.read(target, 0, 0, target.length)
    const end = names.put(owner, at + 12, limit, true)
    if (end > 0) view.setUint16(at + 10, end - at - 12)
    return end
  }

  /** @returns the record's end, or 0 when it does not fit */
  private put(i: number, change: Change | undefined, start: number, limit: number): number {
    const { response, names, owner, from, question } = this
    const { octets, length } = response
    const out = this.writer.octets
    const view = new DataView(out.buffer, out.byteOffset)
    owner.read(octets, 0, response.owner[i]!, length)
    const fixed = names.put(owner.equals(from) ? question : owner, start, limit, true)
    if (fixed === 0 || fixed + 10 > limit) return 0
    view.setUint16(fixed, change?.type ?? response.type[i]!)
    view.setUint16(fixed + 2, CLASS_IN)
    view.setUint32(fixed + 4, change?.ttl ?? response.ttl[i]!)
    const end =
      change?.rdata === undefined
        ? this.putRdata(i, fixed + 10, limit)
        : putOctets(out, change.rdata, fixed + 10, limit)
    if (end > 0) view.setUint16(fixed + 8, end - fixed - 10)
    return end
  }

  private putRdata(i: number, start: number, limit: number): number {
    const { response, names, owner } = this
    const { octets } = response
    const out = this.writer.octets
    const end = response.rdataEnd[i]!
    const shape = RDATA_SHAPES.get(response.type[i]!)
    let from = response.rdata[i]!
    let at = start
    if (shape !== undefined && shape.names > 0) {
      let plain = from + shape.before
      for (let n = 0; n < shape.strings; n++) plain += 1 + octets[plain]!
      at = putOctets(out, octets.subarray(from, plain), at, limit)
      from = plain
      for (let n = 0; n < shape.names && at > 0; n++) {
        from = owner.read(octets, 0, from, end)
        at = names.put(owner, at, limit, shape.compress)
      }
    }
    return at === 0 ? 0 : putOctets(out, octets.subarray(from, end), at, limit)
  }
}

function putOctets(out: Uint8Array, octets: Uint8Array, at: number, limit: number): number {
  if (at + octets.length > limit) return 0
  out.set(octets, at)
  return at + octets.length
}

/** RFC 8914 §2: of a reply made here, whose OPT stands at its end and holds nothing else. @returns −1: none */
function extendedErrorOf({ octets, view, hasOpt }: Response): number {
  const opt = octets.length - OPT_OCTETS - 6
  if (!hasOpt || opt < HEADER_OCTETS || octets[opt] !== 0 || view.getUint16(opt + 1) !== TYPE_OPT) return -1
  const isOne = view.getUint16(opt + 9) === 6 && view.getUint16(opt + OPT_OCTETS) === OPTION_EDE
  return isOne ? view.getUint16(opt + OPT_OCTETS + 4) : -1
}
