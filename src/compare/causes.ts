/**
 * Why two servers answer differently: one entry for each known cause, the first that fits is the cause. Layer: compare; pure.
 *
 * `explained`: this server is right by the rule named, or both are. `advice`: a difference that clients would feel, and what
 * to do about it. What no entry fits is told as it is. Numbers of defects (`#21`) are those of CoreDNS's kubernetes plugin in
 * this project's list of them, which test/conformance/coredns-defects.test.ts goes through.
 */

import { type Difference, isNoData, type Part } from './answers.ts'
import {
  type Case,
  dataWithoutLabel,
  hasAlias,
  hasDottedInstead,
  hasEqualWeights,
  hasSame,
  isAddressName,
  isAlias,
  isDeniedThere,
  isDotted,
  isOutside,
  isPointerToUnknown,
  isServiceName,
  nameFrom,
  reverseNameOf,
  withoutWeight,
} from './case.ts'
import type { Question } from './questions.ts'

export interface Cause {
  readonly name: string
  readonly kind: 'explained' | 'advice'
  /** What is seen. */
  readonly says: string
  /** The rule by which it is right, or what to do. */
  readonly because: string
  /** The parts of the replies whose difference it accounts for. */
  readonly parts: readonly Part[]
  readonly fits: (one: Case, difference: Difference) => boolean
  /** Asked of the other server alone, and given to `fits` again. */
  readonly proof?: (one: Case) => Question | undefined
}

/** As `_http`, `_tcp`. */
const PORT_LABEL = /^_[^_]/
const DENIAL: readonly Part[] = ['rcode', 'answer', 'authority', 'additional']

export const CAUSES: readonly Cause[] = [
  {
    name: 'not-ready',
    kind: 'advice',
    says: 'one of the two says SERVFAIL',
    because: 'look at the log of the one that does; ask again when both are ready',
    parts: [...DENIAL, 'authoritative'],
    fits: ({ here, there }) => here.rcode === 'SERVFAIL' || there.rcode === 'SERVFAIL',
  },
  {
    name: 'not-forwarded',
    kind: 'advice',
    says: 'a name outside the zones is REFUSED here',
    because:
      'configure `forward` for it (import-corefile carries it over from the Corefile), or let nobody ask it here',
    parts: [...DENIAL, 'authoritative'],
    fits: ({ zone, here, there }) => zone === undefined && here.rcode === 'REFUSED' && there.rcode !== 'REFUSED',
  },
  {
    name: 'any',
    kind: 'explained',
    says: 'ANY: a HINFO here, no data in CoreDNS',
    because: 'RFC 8482 §4.2: a small answer to a question that nobody needs',
    parts: DENIAL,
    fits: ({ question }) => question.type === 'ANY',
  },
  {
    name: 'direct-names',
    kind: 'explained',
    says: 'SVC.NS.direct, the pods of any Service: only here',
    because: 'names that this server has beside the specification (K8s DNS spec §1: extensions are allowed)',
    parts: DENIAL,
    fits: ({ labels, there }) => labels.at(-1) === 'direct' && there.rcode === 'NXDOMAIN',
  },
  {
    name: 'zonal-names',
    kind: 'explained',
    says: '_zone.SVC.NS.svc, the pods of one topology zone: in CoreDNS only with its option `zonal`',
    because: 'names beside the specification (K8s DNS spec §1: extensions are allowed)',
    parts: DENIAL,
    fits: ({ labels, there }) => labels.at(-4) === '_zone' && labels.at(-1) === 'svc' && there.rcode === 'NXDOMAIN',
  },
  {
    name: 'zonal-names-of-nobody',
    kind: 'explained',
    says: 'zonal names of a Service without ready endpoints: NXDOMAIN here, no data in CoreDNS',
    because: 'RFC 8020 §2: the Service’s own name is NXDOMAIN in both, so nothing is below it',
    parts: ['rcode'],
    fits: ({ question, labels, here, there, names }) =>
      labels.at(-4) === '_zone' &&
      labels.at(-1) === 'svc' &&
      !names.has(nameFrom(question.name, labels.length - 3)) &&
      here.rcode === 'NXDOMAIN' &&
      isNoData(there),
  },
  {
    name: 'own-names',
    kind: 'explained',
    says: 'NS of a zone and the addresses of ns.dns: each server names itself',
    because:
      'two servers have two addresses; CoreDNS names the Services that have its own, and nobody when bound to loopback',
    parts: DENIAL,
    fits: ({ question, labels, zone }) =>
      labels.slice(-2).join('.') === 'ns.dns' || (question.name === zone && question.type === 'NS'),
  },
  {
    name: 'text-at-empty-name',
    kind: 'explained',
    says: 'TXT at a name that exists: no data here, NXDOMAIN in CoreDNS, even at the top of the zone (#20)',
    because: 'RFC 8020 §2: NXDOMAIN denies the name and all below it, which a resolver may act upon',
    parts: ['rcode'],
    fits: one => one.question.type === 'TXT' && isDeniedThere(one),
  },
  {
    name: 'empty-non-terminal',
    kind: 'explained',
    says: 'a name that exists without data of the type: no data here, NXDOMAIN in CoreDNS (#21)',
    because: 'RFC 8020 §2: a name with names below it, or with data of another type, exists',
    parts: ['rcode'],
    fits: isDeniedThere,
  },
  {
    name: 'port-name-addresses',
    kind: 'explained',
    says: 'addresses at _PORT._PROTO names: none here, CoreDNS gives those of the targets (#23)',
    because: 'K8s DNS spec §2.3.2, §2.4.2: such a name has SRV records; RFC 2782 gives addresses to targets',
    parts: ['answer', 'authority'],
    fits: ({ question, labels, here, there, names }) =>
      /^A(AAA)?$/.test(question.type) &&
      labels.length === 5 &&
      labels[0]!.startsWith('_') &&
      names.types.get(question.name)?.includes('SRV') === true &&
      isNoData(here) &&
      there.rcode === 'NOERROR',
  },
  {
    name: 'port-name-wildcard',
    kind: 'explained',
    says: 'names of ports without their underscores, or without more than those: NXDOMAIN here, CoreDNS answers them (#23)',
    because: 'RFC 2782: _Service._Proto.Name; K8s DNS spec §2.3.2, §2.4.2: for named ports only',
    parts: DENIAL,
    fits: ({ question, labels, here, there, names }) =>
      labels.length === 5 &&
      labels[4] === 'svc' &&
      !(PORT_LABEL.test(labels[0]!) && PORT_LABEL.test(labels[1]!)) &&
      !names.has(question.name) &&
      names.has(nameFrom(question.name, 2)) &&
      here.rcode === 'NXDOMAIN' &&
      there.rcode === 'NOERROR',
  },
  {
    name: 'below-pod-name',
    kind: 'explained',
    says: 'labels before a pod’s name: NXDOMAIN here, CoreDNS passes over them (#24)',
    because: 'K8s DNS spec §1: a pod’s name has one label of its own, and nothing is below it',
    parts: DENIAL,
    fits: ({ labels, here, there }) =>
      labels.at(-1) === 'pod' && labels.length > 3 && here.rcode === 'NXDOMAIN' && there.rcode === 'NOERROR',
  },
  {
    name: 'pod-name-srv',
    kind: 'explained',
    says: 'SRV at a pod’s name: no data here, CoreDNS gives one of port 0 (#24)',
    because: 'RFC 2782: the port of a target on which a service is; there is none',
    parts: ['answer', 'authority', 'additional'],
    fits: ({ question, labels, here }) => question.type === 'SRV' && labels.at(-1) === 'pod' && isNoData(here),
  },
  {
    name: 'pod-name-spelling',
    kind: 'explained',
    says: 'names of pods with an IPv6 address that ends in zeros: answered here with and without the last 0, CoreDNS compares text (#24)',
    because: 'RFC 4291 §2.2: one address has several texts; a label should not end in a dash',
    parts: DENIAL,
    fits: ({ labels, here, there }) =>
      labels.at(-1) === 'pod' &&
      labels.length === 3 &&
      /--0$/.test(labels[0]!) &&
      here.rcode === 'NOERROR' &&
      there.rcode === 'NXDOMAIN',
  },
  {
    name: 'pod-names-off',
    kind: 'advice',
    says: 'pods’ names such as 10-1-0-5.NS.pod: NXDOMAIN here',
    because: 'set `records.pods` to what the Corefile says (`pods insecure` or `pods verified`)',
    parts: DENIAL,
    fits: ({ labels, here, there }) =>
      labels.at(-1) === 'pod' && labels.length === 3 && here.rcode === 'NXDOMAIN' && there.rcode === 'NOERROR',
  },
  {
    name: 'namespace-without-services',
    kind: 'explained',
    says: 'NS.svc and NS.pod of a namespace without Services: NXDOMAIN here, no data in CoreDNS',
    because: 'Namespaces are not watched here (a smaller role); nothing is at such a name in either',
    parts: ['rcode'],
    fits: ({ labels, here, there }) =>
      labels.length === 2 && /^(svc|pod)$/.test(labels[1]!) && here.rcode === 'NXDOMAIN' && isNoData(there),
  },
  {
    name: 'alias-forgotten',
    kind: 'explained',
    says: 'ExternalName, asked for a type that its target has not, or for another than an address: CoreDNS leaves the CNAME out (#26)',
    because: 'RFC 1034 §3.6.2: the alias is there for every type; RFC 6604 §3: the RCODE is that of the chain’s end',
    parts: DENIAL,
    fits: ({ question, here, there }) =>
      question.type !== 'CNAME' &&
      isNoData(there) &&
      (isAlias(here) || (hasAlias(here) && !/^A(AAA)?$/.test(question.type))),
  },
  {
    name: 'alias-not-followed',
    kind: 'advice',
    says: 'ExternalName to the outside: the CNAME alone here, CoreDNS adds what its upstream says',
    because: 'configure `forward` for the target',
    parts: DENIAL,
    fits: ({ here, there, names }) =>
      isAlias(here) &&
      there.answers.length > here.answers.length &&
      names.zoneOf(here.answers.at(-1)!.data) === undefined,
  },
  {
    name: 'pointers-of-one-service',
    kind: 'explained',
    says: 'PTR of a virtual address that others have too: all here, CoreDNS gives one (#27)',
    because: 'K8s DNS spec §2.3.3, §2.4.3: a record for each; RFC 2181 §10.2: there may be several PTRs',
    parts: ['answer'],
    fits: ({ question, there, names }, difference) =>
      question.type === 'PTR' &&
      there.answers.length === 1 &&
      isServiceName(there.answers[0]!.data, names) &&
      difference.there.length === 0,
  },
  {
    name: 'pointer-to-nothing',
    kind: 'explained',
    says: 'PTR to a name that does not exist: NXDOMAIN here, CoreDNS gives it for slices without a Service and for hidden namespaces (#27)',
    because:
      'K8s DNS spec §2.4.3: endpoints of Services have PTRs; RFC 1912 §2.1: a PTR has its name. The other server was asked for it: NXDOMAIN',
    parts: DENIAL,
    fits: ({ proof, ...one }) => isPointerToUnknown(one) && (proof === undefined || proof.rcode === 'NXDOMAIN'),
    proof: ({ there }) => ({ name: there.answers[0]!.data, type: 'A', origin: 'index' }),
  },
  {
    name: 'pointer-to-unknown',
    kind: 'advice',
    says: 'PTR to a name that only the other server has',
    because: 'look why it is not served here: `source.kubernetes.namespaces` and `labels`, or another cluster there',
    parts: DENIAL,
    fits: isPointerToUnknown,
  },
  {
    name: 'dotted-pod-names',
    kind: 'explained',
    says: 'endpoints whose pods have dots in their names (`endpoint_pod_names`): the address with dashes here, CoreDNS says names that it does not answer (#25)',
    because:
      'RFC 2782: a target has addresses; K8s DNS spec §2.4.1: an endpoint’s name is one label. The PTR of the other server was asked for',
    parts: DENIAL,
    fits: one =>
      hasDottedInstead(one) ||
      (isAddressName(one) && (one.proof === undefined || one.proof.answers.some(record => isDotted(record, one)))),
    proof: one =>
      hasDottedInstead(one) ? undefined : { name: reverseNameOf(one.labels[0]!)!, type: 'PTR', origin: 'index' },
  },
  {
    name: 'endpoint-names',
    kind: 'advice',
    says: 'endpoints have other names: addresses with dashes in one, pods’ names in the other',
    because: 'set `records.endpointPodNames` to what the Corefile says (`endpoint_pod_names`)',
    parts: ['answer', 'additional'],
    fits: ({ question, here, there }) =>
      /^(SRV|PTR)$/.test(question.type) &&
      hasSame(here, there, dataWithoutLabel) &&
      !hasSame(here, there, withoutWeight),
  },
  {
    name: 'srv-weights',
    kind: 'explained',
    says: 'SRV: the same targets, other weights: CoreDNS counts each family, port and slice of an endpoint as a target',
    because: 'K8s DNS spec §2.3.2, §2.4.2 leave them free; RFC 2782: in equal weights only their proportion counts',
    parts: ['answer'],
    fits: ({ here, there }) =>
      hasSame(here, there, withoutWeight) && hasEqualWeights(here.answers) && hasEqualWeights(there.answers),
  },
  {
    name: 'glue',
    kind: 'explained',
    says: 'addresses of the targets in the additional section: more in one of the two, and none that contradict',
    because: 'RFC 2782: they may be left out; a client asks for what it misses',
    parts: ['additional'],
    fits: ({ here, there }, difference) =>
      here.rcode === there.rcode &&
      hasSame(here, there, withoutWeight) &&
      (difference.here.length === 0 || difference.there.length === 0),
  },
  {
    name: 'too-many-records',
    kind: 'explained',
    says: 'more records than a message holds, over TCP too',
    because: 'RFC 2181 §9: TC is set; which records are in is for each server to choose',
    parts: ['answer', 'authority', 'additional'],
    fits: ({ here, there }) => here.isTruncated || there.isTruncated,
  },
  {
    name: 'outside-authority',
    kind: 'explained',
    says: 'names outside the zones: the flag AA, the authority and additional sections',
    because:
      'RFC 1035 §4.1.1: AA is for the servers of the zone; CoreDNS’s cache sets it, and a forwarder may trim the rest',
    parts: ['authoritative', 'authority', 'additional'],
    fits: ({ zone, here }) => zone === undefined || isOutside(here),
  },
  {
    name: 'outside-data',
    kind: 'explained',
    says: 'names outside the zones: both answered, with other records',
    because: 'what balances load out there answers differently from one moment, and one resolver, to the next',
    parts: ['answer'],
    fits: ({ question, zone, here, there }) =>
      (zone === undefined || isOutside(here)) &&
      here.rcode === 'NOERROR' &&
      there.rcode === 'NOERROR' &&
      [here, there].every(({ answers }) => answers.some(({ type }) => type === question.type)),
  },
]

export function causeOf(one: Case, difference: Difference): Cause | undefined {
  return CAUSES.find(({ parts, fits }) => parts.includes(difference.part) && fits(one, difference))
}
