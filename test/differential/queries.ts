/**
 * Queries made from a seed: names in, near and outside the zones × types × classes × opcodes × flags × EDNS × letter case.
 */

import {
  AA,
  AD,
  CD,
  message,
  nameOf,
  type OptFields,
  optRecord,
  questionOf,
  RA,
  RD,
  TC,
  TYPES,
  Z,
} from '../support/messages.ts'
import type { Random } from '../support/random.ts'
import { TOPOLOGY_ZONES } from './services.ts'
import { MARKER_TYPE } from './zone-model.ts'

export interface DifferentialQuery {
  /** Labels without the root, latin1, letter case as asked. */
  readonly labels: readonly string[]
  readonly type: number
  readonly qclass: number
  readonly opcode: number
  readonly flags: number
  readonly opt: OptFields | undefined
  readonly stream: boolean
  /** With ID 0. */
  readonly octets: Buffer
}

const COMMON_TYPES = ['A', 'AAAA', 'SRV', 'PTR', 'CNAME', 'NS', 'SOA', 'TXT', 'ANY'].map(name => TYPES[name]!)
const PAYLOADS = [0, 1, 511, 512, 513, 600, 1231, 1232, 1233, 4096, 65_535]
const NEAR_LABELS = [
  '*',
  '_tcp',
  '_http',
  '_zone',
  'pin',
  'prefer',
  'node-0',
  'svc',
  'direct',
  'ns',
  '10-0-0-1',
  'nobody',
]
const OUTSIDE = [
  '',
  'local',
  'arpa',
  'test',
  'com',
  'www.example.com',
  'xcluster.local',
  'cluster.localx',
  'a.cluster.local.x',
]
const OPTIONS = [
  { code: 3 },
  { code: 8, data: Buffer.from('00010000', 'hex') },
  { code: 10, data: Buffer.from('0102030405060708', 'hex') },
  { code: 100, data: Buffer.from('00ff', 'hex') },
]
const MAX_NAME_OCTETS = 255

export function makeQuery(random: Random, names: readonly string[]): DifferentialQuery {
  const labels = makeName(random, names)
  const type = makeType(random)
  const qclass = random.below(30) > 0 ? 1 : random.oneOf([0, 2, 3, 4, 254, 255, 1000])
  const opcode = random.below(40) > 0 ? 0 : 1 + random.below(15)
  const flags = random.below(4) > 0 ? random.below(2) * RD : random.next() & (AA | TC | RD | RA | Z | AD | CD)
  const opt = random.below(3) > 0 ? makeOpt(random) : undefined
  const parts = [questionOf(nameOf(...labels), type, qclass), ...(opt === undefined ? [] : [optRecord(opt)])]
  const octets = message({ id: 0, flags: (opcode << 11) | flags, counts: [1, 0, 0, parts.length - 1], parts })
  return { labels, type, qclass, opcode, flags, opt, stream: random.below(7) === 0, octets }
}

function makeType(random: Random): number {
  if (random.below(5) > 0) return random.oneOf(COMMON_TYPES)
  const type = random.below(4) > 0 ? random.below(261) : random.below(65_536)
  return type === MARKER_TYPE ? 1 : type
}

function makeOpt(random: Random): OptFields {
  return {
    size: random.oneOf(PAYLOADS),
    version: random.below(30) > 0 ? 0 : 1 + random.below(255),
    flags: (random.below(4) === 0 ? 0x8000 : 0) | (random.below(10) === 0 ? random.below(0x8000) : 0),
    options: random.below(4) > 0 ? [] : [random.oneOf(OPTIONS)],
  }
}

function makeName(random: Random, names: readonly string[]): string[] {
  let labels = near(random, random.oneOf(names).split('.'))
  // A wildcard of the master file stands for any topology zone.
  if (labels[0] === '*' && random.below(8) > 0) labels[0] = random.oneOf([...TOPOLOGY_ZONES, 'zone-x'])
  if (random.below(3) === 0) labels = labels.map(label => mixCase(random, label))
  while (octetsOf(labels) > MAX_NAME_OCTETS) labels = labels.slice(1)
  return labels
}

function near(random: Random, labels: string[]): string[] {
  const kind = random.below(20)
  if (kind < 10) return labels
  // Above: often an empty non-terminal.
  if (kind < 12) return labels.slice(1 + random.below(labels.length))
  // Below a leaf, or a name that may exist.
  if (kind < 15) return [...Array.from({ length: 1 + random.below(3) }, () => labelNear(random)), ...labels]
  // Beside.
  if (kind < 17) return labels.with(random.below(labels.length), labelNear(random))
  if (kind < 18) return random.oneOf(OUTSIDE).split('.').filter(Boolean)
  // As long as a name can be.
  if (kind < 19) {
    let long = labels
    while (octetsOf(long) < MAX_NAME_OCTETS - 1) {
      long = ['l'.repeat(Math.min(1 + random.below(63), MAX_NAME_OCTETS - 1 - octetsOf(long))), ...long]
    }
    return long
  }
  return [random.octets(1 + random.below(63)).toString('latin1'), ...labels.slice(random.below(3))]
}

function labelNear(random: Random): string {
  return random.below(4) > 0 ? random.oneOf(NEAR_LABELS) : random.octets(1 + random.below(12)).toString('latin1')
}

function octetsOf(labels: readonly string[]): number {
  return labels.reduce((sum, label) => sum + 1 + label.length, 1)
}

function mixCase(random: Random, label: string): string {
  return [...label].map(one => (/[a-z]/.test(one) && random.below(2) === 0 ? one.toUpperCase() : one)).join('')
}

/** For people, and for dig. */
export function describeQuery({ labels, type, qclass, opcode, flags, opt, stream, octets }: DifferentialQuery): string {
  const name = labels
    .map(label =>
      label.replaceAll(/[^\x21-\x2d\x2f-\x7e]/g, octet => `\\${octet.charCodeAt(0).toString().padStart(3, '0')}`),
    )
    .join('.')
  const word = Object.entries(TYPES).find(([, number]) => number === type)?.[0] ?? `TYPE${type}`
  const parts = [`${name}. ${word}`, `class ${qclass}`, `opcode ${opcode}`, `flags ${flags.toString(16)}`]
  if (opt !== undefined) parts.push(`opt ${JSON.stringify(opt)}`)
  return `${parts.join(', ')}, ${stream ? 'TCP' : 'UDP'}; ${octets.toString('hex')}`
}
