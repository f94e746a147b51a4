/**
 * One set of services for every server of the bench, as objects, as a zone file, as files of queries, and as the
 * octets of the C loop's constant answers. Layer: bench; pure. No randomness but a fixed shuffle: two runs ask the same.
 */

export interface Pod {
  readonly hostname: string
  readonly address: string
}

export interface HeadlessService {
  readonly name: string
  readonly pods: readonly Pod[]
}

/** One kind of load: what is asked, and what a right reply has. */
export interface Workload {
  readonly name: string
  readonly title: string
  /** Lines of `name type`. */
  readonly queries: readonly string[]
  /** EDNS size offered by the client, octets; 0: no EDNS. */
  readonly edns: number
  readonly rcode: number
  /** Least number of answer records in a reply without TC. */
  readonly answers: number
  /** The constant answer of the C loop: what follows the question, and its counts. */
  readonly constant: Constant
}

export interface Constant {
  readonly records: Uint8Array
  /** The set did not fit: TC. */
  readonly cut: boolean
  readonly ancount: number
  readonly arcount: number
}

export const NAMESPACE = 'bench'
export const ZONE = 'cluster.local'
export const TTL = 5
export const PORT_NAME = 'http'
export const PORT = 8080
const EDNS_SIZE = 1232

/** `count` services of `podsEach` pods; addresses are unique from 10.0.0.1 on, shifted by `first`. */
export function makeServices(prefix: string, count: number, podsEach: number, first = 1): HeadlessService[] {
  return Array.from({ length: count }, (_, index) => {
    const name = count === 1 ? prefix : `${prefix}-${index}`
    const pods = Array.from({ length: podsEach }, (_, pod) => ({
      hostname: `${name}-${pod}`,
      address: addressOf(first + index * podsEach + pod),
    }))
    return { name, pods }
  })
}

/** @param n 0..2²⁴−1 */
export function addressOf(n: number): string {
  return `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`
}

const SMALL = makeServices('svc', 1000, 3)
const BIG = [10, 100, 1000].map((pods, i) => makeServices(`pods-${pods}`, 1, pods, (i + 1) << 16)[0]!)

/** Everything that the CPU and latency measures ask for: 1,000 services of 3 pods, and one of 10, 100 and 1,000. */
export const SERVICES: readonly HeadlessService[] = [...SMALL, ...BIG]

export const WORKLOADS: readonly Workload[] = [
  {
    name: 'a',
    title: 'A, 1,000 services of 3 pods',
    queries: shuffled(SMALL.map(service => `${fqdn(service.name)} A`)),
    edns: 0,
    rcode: 0,
    answers: 3,
    constant: addressRecords(SMALL[0]!.pods),
  },
  {
    name: 'srv',
    title: 'SRV, the same services',
    queries: shuffled(SMALL.map(service => `_${PORT_NAME}._tcp.${fqdn(service.name)} SRV`)),
    edns: 0,
    rcode: 0,
    answers: 3,
    constant: serviceRecords(SMALL[0]!),
  },
  {
    name: 'nxdomain',
    title: 'NXDOMAIN',
    queries: shuffled(SMALL.map((_, i) => `none-${i}.${NAMESPACE}.svc.${ZONE} A`)),
    edns: 0,
    rcode: 3,
    answers: 0,
    constant: { records: soaRecord(), cut: false, ancount: 0, arcount: 0 },
  },
  ...BIG.map(service => ({
    name: service.name,
    title: `A, one service of ${service.pods.length.toLocaleString('en')} pods`,
    queries: [`${fqdn(service.name)} A`],
    edns: EDNS_SIZE,
    rcode: 0,
    answers: service.pods.length,
    constant: addressRecords(service.pods),
  })),
]

/** A workload that asks for the first of these services: what a server is to answer before it counts as up. */
export function firstOf([service]: readonly HeadlessService[]): Workload {
  const { name, pods } = service!
  return {
    name: `first-${name}`,
    title: '',
    queries: [`${fqdn(name)} A`],
    edns: EDNS_SIZE,
    rcode: 0,
    answers: pods.length,
    constant: addressRecords(pods),
  }
}

export function fqdn(service: string): string {
  return `${service}.${NAMESPACE}.svc.${ZONE}`
}

/** The services as a zone file: the same names, types and times to live that Kubernetes DNS gives them. */
export function zoneFile(services: readonly HeadlessService[]): string {
  const lines = [
    `$ORIGIN ${ZONE}.`,
    `$TTL ${TTL}`,
    `@ IN SOA ns.dns hostmaster 1 7200 1800 86400 ${TTL}`,
    '@ IN NS ns.dns',
    'ns.dns IN A 127.0.0.1',
  ]
  for (const { name, pods } of services) {
    const owner = `${name}.${NAMESPACE}.svc`
    for (const { hostname, address } of pods) {
      lines.push(`${owner} IN A ${address}`, `${hostname}.${owner} IN A ${address}`)
      const weight = Math.max(1, Math.floor(100 / pods.length))
      lines.push(`_${PORT_NAME}._tcp.${owner} IN SRV 0 ${weight} ${PORT} ${hostname}.${owner}`)
    }
  }
  return `${lines.join('\n')}\n`
}

/** Fisher and Yates with a fixed linear congruential generator. */
function shuffled(lines: string[]): string[] {
  let state = 1
  for (let i = lines.length - 1; i > 0; i--) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    const j = state % (i + 1)
    ;[lines[i], lines[j]] = [lines[j]!, lines[i]!]
  }
  return lines
}

/** Names that are somebody else's, with as many addresses as the services of `a`: what is forwarded once, and kept. */
export const OUTSIDE: Workload = {
  name: 'cached',
  title: 'A, 1,000 forwarded names of 3 addresses, kept',
  queries: shuffled(SMALL.map((_, i) => `host-${i}.office.department.example.com A`)),
  edns: 0,
  rcode: 0,
  answers: 3,
  constant: addressRecords(SMALL[0]!.pods, 3600),
}

/** The same with TTL 0: nobody keeps them, each query is asked of the upstream. */
export const UNCACHED: Workload = {
  ...OUTSIDE,
  name: 'uncached',
  title: 'A, 1,000 forwarded names of 3 addresses, asked anew each time',
  constant: addressRecords(SMALL[0]!.pods, 0),
}

/** Names that nobody has asked for before, for an upstream that says nothing. */
export const RANDOM_NAMES: Workload = {
  name: 'random',
  title: 'A, random names',
  queries: Array.from({ length: 200_000 }, (_, i) => `x${(i * 2_654_435_761) % 4_294_967_296}.example.com A`),
  edns: 0,
  rcode: 2,
  answers: 0,
  constant: { records: new Uint8Array(0), cut: false, ancount: 0, arcount: 0 },
}

/** A records owned by the question's name; as many as fit a reply of EDNS_SIZE octets. */
function addressRecords(pods: readonly Pod[], ttl = TTL): Constant {
  const fits = Math.min(pods.length, Math.floor((EDNS_SIZE - 100) / 16))
  const records = pods.slice(0, fits).map(pod => record([0xc0, 12], 1, pod.address.split('.').map(Number), ttl))
  return { records: Uint8Array.from(records.flat()), cut: fits < pods.length, ancount: fits, arcount: 0 }
}

/** RFC 2782: the target of an SRV record is not compressed; the owner of the address beside it may point at the target. */
function serviceRecords({ name, pods }: HeadlessService): Constant {
  const questionOctets = nameOctets(`_${PORT_NAME}._tcp.${fqdn(name)}`).length + 4
  const octets: number[] = []
  const targets: number[] = []
  for (const { hostname } of pods) {
    targets.push(12 + questionOctets + octets.length + 12 + 6)
    octets.push(
      ...record([0xc0, 12], 33, [0, 0, 0, 33, PORT >> 8, PORT & 255, ...nameOctets(`${hostname}.${fqdn(name)}`)]),
    )
  }
  pods.forEach((pod, i) => {
    octets.push(...record([0xc0 | (targets[i]! >> 8), targets[i]! & 255], 1, pod.address.split('.').map(Number)))
  })
  return { records: Uint8Array.from(octets), cut: false, ancount: pods.length, arcount: pods.length }
}

function soaRecord(): Uint8Array {
  const times = [1, 7200, 1800, 86_400, TTL].flatMap(n => [n >>> 24, (n >> 16) & 255, (n >> 8) & 255, n & 255])
  const data = [...nameOctets(`ns.dns.${ZONE}`), ...nameOctets(`hostmaster.${ZONE}`), ...times]
  return Uint8Array.from(record(nameOctets(ZONE), 6, data))
}

function record(owner: number[], type: number, data: number[], ttl = TTL): number[] {
  return [...owner, 0, type, 0, 1, 0, 0, ttl >> 8, ttl & 255, data.length >> 8, data.length & 255, ...data]
}

function nameOctets(name: string): number[] {
  return [...name.split('.').flatMap(label => [label.length, ...Buffer.from(label)]), 0]
}
