/**
 * Where queries go that a data-plane thread leaves to the main thread: names from rules, names under another name, the
 * table once more, the forwarder. Layer: local.
 *
 *   take ─▶ the first name of a search path? ─▶ autopath.ts: each of its names as if it had just come
 *        ─▶ rewritten? ──▶ may the client have the other name? the same with it ─▶ its reply, with the first name back
 *        ─▶ ours, and not asked of the table? ─▶ a rule that goes before it ─▶ reply, or AAAA with DNS64: dns64.ts
 *                                             ─▶ the table ─▶ reply, or aliases and …
 *        ─▶ template, hosts, loopback? ─▶ reply, or AAAA with DNS64: dns64.ts
 *        ─▶ nobody else is there? ─▶ the table's last word
 *        ─▶ an address in the DNS64 prefix, backwards? ─▶ CNAME, and what is known of the IPv4 address: the table, then as above
 *        ─▶ AAAA with DNS64? ─▶ dns64.ts ─▶ forwarder
 *        ─▶ forwarder
 */

import { askedAt, type ClientQuery, ReplyWriter } from '../forward/client-query.ts'
import { ACL_ALLOW, ACL_DROP, ACL_FILTER } from '../rules/acl.ts'
import { AskedName, keyOf } from '../rules/asked-name.ts'
import type { LocalAnswer } from '../rules/local-answer.ts'
import { NO_NAME, type RewriteRule, type Rewritten, rewrite } from '../rules/rewrite.ts'
import {
  CLASS_IN,
  EDE_FILTERED,
  EDE_PROHIBITED,
  FLAG_RA,
  FLAG_RD,
  HEADER_OCTETS,
  OFFSET_FLAGS,
  POINTER,
  RCODE_NOERROR,
  RCODE_REFUSED,
  RCODE_SERVFAIL,
  TYPE_AAAA,
  TYPE_CNAME,
  TYPE_PTR,
} from '../wire/constants.ts'
import type { WireName } from '../wire/name.ts'
import type { Autopath } from './autopath.ts'
import { type Changes, Composer } from './compose.ts'
import type { Dns64 } from './dns64.ts'
import type { TableAnswers } from './from-table.ts'
import type { LocalNames } from './local-names.ts'
import { nameOctets, writeLocalAnswer } from './local-reply.ts'

export interface DeskOptions {
  readonly names: LocalNames
  readonly rewrites: readonly RewriteRule[]
  /** Whether the client may have what a rule made of its query: ACL_…. Undefined: everybody may have everything. */
  readonly access: ((query: DeskQuery, rewritten: Rewritten) => number) | undefined
  readonly dns64: Dns64 | undefined
  /** Leaves to others what data-plane threads leave to the desk. */
  readonly table: TableAnswers
  /** What the table says where nobody else is to be asked. */
  readonly lastWord: (query: ClientQuery) => Uint8Array
  /** Whether queries come here before the table was asked. */
  readonly isTableFirst: boolean
  /** The table's: for names in none of them it is not asked. */
  readonly zones: readonly WireName[]
  /** Answers the query, now or later; undefined: there is nobody to ask. */
  readonly forward: ((query: ClientQuery) => void) | undefined
  /** Walks search paths, which names of ours that do not exist are left here for; undefined: nobody does. */
  readonly autopath: Autopath | undefined
  /** Octets; of replies over UDP. */
  readonly maxUdpSize: number
}

const RECORD_OCTETS = 12
/** Seconds, of the alias of an address in the DNS64 prefix: it never changes. */
const ALIAS_TTL = 3600
const NO_REPLY = new Uint8Array(0)

export type DeskQuery = ClientQuery & {
  /** Over which family the client asks. */
  readonly isIPv6: boolean
  /** Of the client: 4 or 16 octets. */
  readonly address: Uint8Array
  /** Number of the zone of ours that the table was asked in; −1: in none, or not at all. */
  readonly zone: number
}

export class Desk {
  private readonly options: DeskOptions
  private readonly writer: ReplyWriter
  private readonly composer: Composer
  private readonly zones: ReadonlySet<string>

  constructor(options: DeskOptions) {
    this.options = options
    this.zones = new Set(options.zones.map(keyOf))
    this.writer = new ReplyWriter(options.maxUdpSize)
    this.composer = new Composer(this.writer)
  }

  /** Answers the query, now or later, once. */
  take(query: DeskQuery): void {
    const { autopath } = this.options
    const isFirst = autopath !== undefined && query.targetAt === 0
    const search = isFirst ? autopath.searchOf(query, nameOf(query)) : undefined
    if (search !== undefined) autopath!.walk(query, search, each => this.takeAfresh({ ...query, ...each }))
    // A name of ours that does not exist, for all that is known: nobody else is asked for it unless the table says so.
    else if (isFirst && query.zone >= 0) this.takeAfresh(query)
    else this.takeOne(query)
  }

  /** As if it had just come: what a data-plane thread does, then the rest. */
  private takeAfresh(query: DeskQuery): void {
    const outcome = this.options.autopath!.judge(query)
    if (outcome instanceof Uint8Array) query.path.send(outcome)
    else this.takeOne({ ...query, ...outcome })
  }

  private takeOne(query: DeskQuery): void {
    const { rewrites } = this.options
    if (rewrites.length > 0 && query.targetAt === 0) {
      const rewritten = rewrite(rewrites, nameOf(query), typeOf(query))
      if (rewritten === NO_NAME) {
        this.send(query, this.writer.refuse(query, RCODE_SERVFAIL))
        return
      }
      if (rewritten !== undefined) {
        const verdict = this.options.access?.(query, rewritten) ?? ACL_ALLOW
        if (verdict === ACL_ALLOW) this.takeRewritten(query, rewritten)
        else this.deny(query, verdict)
        return
      }
    }
    this.resolve(query)
  }

  private takeRewritten(query: DeskQuery, rewritten: Rewritten): void {
    const asked = withQuestion(query, rewritten.name, rewritten.type)
    const changes = { from: rewritten.name, isOurs: true }
    const send = (reply: Uint8Array): void => this.composed(query, asked.questionEnd, reply, changes)
    // Its length is judged when the client's own name is back.
    this.resolve({ ...query, ...asked, stream: true, path: { send } })
  }

  private deny(query: DeskQuery, verdict: number): void {
    // Over TCP nobody forges an address, and a query without a reply would hold its connection for ever.
    if (verdict === ACL_DROP && !query.stream) {
      query.path.send(NO_REPLY)
      return
    }
    // RFC 8914 §4.18, §4.19
    const [rcode, ede] = verdict === ACL_FILTER ? [RCODE_NOERROR, EDE_FILTERED] : [RCODE_REFUSED, EDE_PROHIBITED]
    this.send(query, this.writer.refuse(query, rcode, ede))
  }

  /** @param questionEnd of the reply */
  private composed(query: DeskQuery, questionEnd: number, reply: Uint8Array, changes: Changes): void {
    const { composer, writer } = this
    const isSound = composer.read(reply, questionEnd)
    this.send(query, isSound ? composer.compose(query, changes) : writer.refuse(query, RCODE_SERVFAIL))
  }

  private resolve(query: DeskQuery): void {
    const { names, table, isTableFirst } = this.options
    const name = nameOf(query)
    if (!isTableFirst || query.targetAt > 0 || !this.isOurs(name)) {
      this.resolveElsewhere(query, name)
      return
    }
    const answer = names.answerFirst(name, typeOf(query))
    if (answer !== undefined) {
      this.answerLocally(query, answer)
      return
    }
    const outcome = table.answer(query)
    if (outcome instanceof Uint8Array) this.send(query, outcome)
    // What was asked for, or an alias of ours leads to, may be in a rule.
    else this.resolveElsewhere({ ...query, ...outcome }, outcome.targetAt > 0 ? nameOf(outcome) : name)
  }

  private isOurs(name: AskedName): boolean {
    return name.labelAt.some((_, label) => this.zones.has(name.suffix(label)))
  }

  /** @param name that the query asks for, and the table leaves to others */
  private resolveElsewhere(query: DeskQuery, name: AskedName): void {
    const { names, dns64, lastWord, forward } = this.options
    const type = typeOf(query)
    const answer = names.answer(name, type)
    if (answer !== undefined) {
      this.answerLocally(query, answer)
      return
    }
    const wantsRecursion = (query.message[OFFSET_FLAGS]! & (FLAG_RD >>> 8)) !== 0
    if (forward === undefined || !wantsRecursion) {
      this.send(query, lastWord(query))
      return
    }
    const target = type === TYPE_PTR && query.targetAt === 0 ? dns64?.targetOf(name) : undefined
    if (target !== undefined) this.follow(query, target)
    else if (type === TYPE_AAAA && dns64?.concerns(query)) dns64.ask(query)
    else forward(query)
  }

  private answerLocally(query: DeskQuery, answer: LocalAnswer): void {
    const { dns64 } = this.options
    if (typeOf(query) === TYPE_AAAA && dns64?.concerns(query)) this.translate(query, answer, dns64)
    else this.send(query, writeLocalAnswer(this.writer, query, answer))
  }

  /** @param answer of rules, to AAAA. For A, others than rules may be asked */
  private translate(query: DeskQuery, answer: LocalAnswer, dns64: Dns64): void {
    dns64.ask(query, each => {
      if (typeOf(each) === TYPE_AAAA) each.path.send(writeLocalAnswer(this.writer, each, answer))
      else this.resolve({ ...query, ...each })
    })
  }

  /** @param target what the name is an alias of, which nobody was asked for yet */
  private follow(query: DeskQuery, target: WireName): void {
    const asked = withQuestion(query, target, TYPE_PTR)
    // Its length is judged when the alias is in front of it.
    const outcome = this.options.table.answer({ ...query, ...asked, stream: true })
    // RFC 1034 §4.3.2: zones of ours come first
    if (outcome instanceof Uint8Array) {
      this.composed(query, asked.questionEnd, outcome, { alias: { target, ttl: ALIAS_TTL }, isOurs: true })
    } else this.resolve({ ...query, ...withAlias(query, target) })
  }

  private send(query: ClientQuery, reply: Uint8Array): void {
    // RFC 1035 §4.1.1: recursion is not available where there is nobody to ask
    if (this.options.forward === undefined) reply[OFFSET_FLAGS + 1]! &= ~FLAG_RA
    query.path.send(reply)
  }
}

/** @returns what of the query changes: it asks for another name */
function withQuestion(
  { message }: ClientQuery,
  name: WireName,
  type: number,
): Pick<ClientQuery, 'message' | 'questionEnd'> {
  const octets = new Uint8Array(HEADER_OCTETS + name.length + 4)
  octets.set(message.subarray(0, HEADER_OCTETS))
  octets.set(name, HEADER_OCTETS)
  octets.set([type >>> 8, type & 255, 0, 1], octets.length - 4)
  return { message: octets, questionEnd: octets.length }
}

/** @returns what of the query changes: its name is an alias of `target` */
function withAlias({ message, questionEnd }: ClientQuery, target: WireName): Partial<ClientQuery> {
  const rdata = questionEnd + RECORD_OCTETS
  const octets = new Uint8Array(rdata + target.length)
  octets.set(message.subarray(0, questionEnd))
  const view = new DataView(octets.buffer)
  view.setUint16(questionEnd, POINTER | HEADER_OCTETS)
  view.setUint32(questionEnd + 2, (TYPE_CNAME << 16) | CLASS_IN)
  view.setUint32(questionEnd + 6, ALIAS_TTL)
  view.setUint16(questionEnd + 10, target.length)
  octets.set(target, rdata)
  return { message: octets, targetAt: rdata, aliases: 1 }
}

/** The name that is asked for: QNAME, or what it is an alias of. */
function nameOf(query: ClientQuery): AskedName {
  const at = askedAt(query)
  return new AskedName(query.message.subarray(at, at + nameOctets(query.message, at)))
}

function typeOf({ message, questionEnd }: ClientQuery): number {
  return (message[questionEnd - 4]! << 8) | message[questionEnd - 3]!
}
