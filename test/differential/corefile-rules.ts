/**
 * Where this server with an imported Corefile may answer otherwise than CoreDNS with that Corefile, and why. What no rule
 * explains is a defect until it is shown to be none; a rule that nothing needs is a mistake in this list.
 */

import { RA, RCODES } from '../support/messages.ts'
import type { PlainReply } from './reply.ts'

export interface Pair {
  readonly name: string
  readonly type: string
  readonly tcp: boolean
  readonly ours: PlainReply
  readonly theirs: PlainReply
}

export type Aspect = 'rcode' | 'flags' | 'tc' | 'question' | 'answer' | 'authority' | 'additional' | 'ttl'

export interface Rule {
  readonly name: string
  readonly reason: string
  readonly aspects: readonly Aspect[]
  applies(pair: Pair): boolean
}

const { NOERROR, NXDOMAIN, REFUSED, SERVFAIL } = RCODES as Readonly<Record<string, number>>
const isCluster = (name: string) => name.endsWith('.cluster.local')
/** A CNAME among the records. */
const hasAlias = (records: readonly string[]) => records.some(record => record.split(' ')[3] === '5')
const differenceOf = ({ ours, theirs }: Pair) => Number.parseInt(ours.flags, 16) ^ Number.parseInt(theirs.flags, 16)

export const RULES: readonly Rule[] = [
  {
    name: 'RA',
    reason:
      'RFC 1035 §4.1.1: whether recursion is available is said in every reply; CoreDNS says it in forwarded ones alone',
    aspects: ['flags'],
    applies: pair => differenceOf(pair) === RA && (Number.parseInt(pair.ours.flags, 16) & RA) !== 0,
  },
  {
    name: 'nobody to ask',
    reason:
      'RFC 8914 §4.21: a name that no zone and no upstream is for is REFUSED; CoreDNS has SERVFAIL, as if something had failed',
    aspects: ['rcode'],
    applies: ({ ours, theirs }) => ours.rcode === REFUSED && theirs.rcode === SERVFAIL,
  },
  {
    name: 'refused a moment ago',
    reason: 'RFC 9520 §3.2: a failure is remembered for 5 s, REFUSED too, and then told as SERVFAIL with EDE 13',
    aspects: ['rcode'],
    applies: ({ ours, theirs }) => ours.rcode === SERVFAIL && theirs.rcode === REFUSED,
  },
  {
    name: 'alias that leads nowhere',
    reason:
      'RFC 1034 §3.6.2, RFC 6604: the CNAME is in the answer, and the RCODE is that of its end; CoreDNS forgets both',
    aspects: ['rcode', 'answer', 'authority'],
    applies: ({ name, ours, theirs }) => isCluster(name) && hasAlias(ours.answer) && theirs.answer.length === 0,
  },
  {
    name: 'denial behind an alias',
    reason:
      'RFC 2308 §2.2: a SOA says how long there is none; CoreDNS leaves it out when the alias leads out of the cluster',
    aspects: ['authority'],
    applies: ({ name, ours, theirs }) =>
      isCluster(name) && hasAlias(theirs.answer) && theirs.authority.length === 0 && ours.authority.length === 1,
  },
  {
    name: 'TTLs behind an alias',
    reason:
      'each record has the TTL that it has by itself; CoreDNS gives all the least, or that of the plugin kubernetes',
    aspects: ['ttl'],
    applies: ({ name, ours }) => isCluster(name) && hasAlias(ours.answer),
  },
  {
    name: 'a fair sample',
    reason: 'RFC 2181 §9: with TC set the client asks again over TCP; both give some of what there is',
    aspects: ['answer'],
    applies: ({ ours, theirs }) => ours.tc && theirs.tc,
  },
  {
    name: 'localhost',
    reason: 'RFC 6761 §6.3: both answer it, we with authority, with a TTL of a day at most, and a denial without SOA',
    aspects: ['flags', 'ttl', 'authority'],
    applies: ({ name }) => name === 'localhost' || name === '1.0.0.127.in-addr.arpa',
  },
  {
    name: 'no such host',
    reason: 'RFC 1035 §4.1.1: a name that a zone of hosts lacks is NXDOMAIN with authority; CoreDNS has SERVFAIL',
    aspects: ['rcode', 'flags', 'authority'],
    applies: ({ name, ours, theirs }) =>
      name.endsWith('hosts.example') && ours.rcode === NXDOMAIN && theirs.rcode === SERVFAIL,
  },
  {
    name: 'no such type of a host',
    reason: 'RFC 2308 §2.2: with a SOA; CoreDNS has none for hosts',
    aspects: ['authority'],
    applies: ({ ours, theirs }) =>
      ours.rcode === NOERROR &&
      ours.answer.length === 0 &&
      ours.authority.length === 1 &&
      theirs.authority.length === 0,
  },
  {
    name: 'one cache',
    reason: 'cache is one for the whole server: a block without one has its TTLs bounded too, as the import says',
    aspects: ['ttl'],
    applies: ({ name }) => name.endsWith('.2.0.192.in-addr.arpa'),
  },
  {
    name: 'access by what is asked',
    reason: 'acl judges the name that the client asked for, not what rewrite makes of it, as the import says',
    aspects: ['rcode'],
    applies: ({ name, type, theirs }) => name.endsWith('.legacy.example') && type === 'TXT' && theirs.rcode === REFUSED,
  },
]
