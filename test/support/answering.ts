/**
 * A server without sockets: cluster state → records → table → answers, as production wires them, asked with octets.
 */

import { randomInt } from 'node:crypto'
import { decode, encode } from 'dns-packet'
import { Answerer } from '../../src/answer/answer.ts'
import { Order, type OrderName } from '../../src/answer/order.ts'
import type { EndpointSlice, Namespace, Pod, Service } from '../../src/cluster/objects.ts'
import type { ObjectSink } from '../../src/cluster/sink.ts'
import { createServing, type Serving, type ServingOptions } from '../../src/control/serving.ts'
import type { RecordOptions } from '../../src/records/options.ts'
import { TableReader } from '../../src/table/reader.ts'
import { DATAGRAM_CAPACITY } from '../../src/transport/handler.ts'
import { parseName } from '../../src/wire/name.ts'

const START = 40
const MARGIN = 300
/** Fills the buffer around the query. */
export const CANARY = 0xee

export interface AnsweringOptions
  extends Partial<RecordOptions>,
    Pick<ServingOptions, 'memory' | 'onUnpublished' | 'moves'> {
  readonly order?: OrderName
  readonly maxUdpSize?: number
  readonly namespaces?: readonly string[]
  readonly unsynced?: boolean
  /** Of the table's hash and of the order; random when left out. */
  readonly seed?: number
  /** Namespaces, and Pods, are watched too. */
  readonly watchNamespaces?: boolean
  readonly watchPods?: boolean
}

export interface Asked {
  readonly rcode: string
  readonly flags: { aa: boolean; tc: boolean; rd: boolean; ra: boolean; ad: boolean; cd: boolean }
  /** `NAME TTL TYPE DATA`, in the order given. */
  readonly answers: string[]
  readonly authority: string[]
  readonly additional: string[]
  readonly opt:
    | { size: number; version: number; extendedRcode: number; flags: number; options: { code: number; data: Buffer }[] }
    | undefined
  readonly octets: Buffer
}

export interface AskOptions {
  readonly edns?: number | false
  readonly stream?: boolean
}

export interface Answering {
  readonly serving: Serving
  readonly services: ObjectSink<Service>
  readonly slices: ObjectSink<EndpointSlice>
  /** Only with `watchNamespaces`, `watchPods`. */
  readonly namespaces: ObjectSink<Namespace>
  readonly pods: ObjectSink<Pod>
  readonly answerer: Answerer
  /** Octets in, octets out; undefined: nothing is sent. */
  exchange(query: Uint8Array, stream?: boolean): Buffer | undefined
  ask(name: string, type: string, options?: AskOptions): Asked
  flush(): void
}

/** What stands in `options.multicluster` is filled through these. */
export function importSinks({ serving }: Answering): Pick<Answering, 'services' | 'slices' | 'flush'> {
  const { imports } = serving
  const services = imports!.open('Service', 'multicluster')
  const slices = imports!.open('EndpointSlice', 'multicluster')
  return { services, slices, flush: () => imports!.flush() }
}

export function createAnswering(options: AnsweringOptions = {}): Answering {
  const seed = options.seed ?? randomInt(2 ** 31)
  const records: RecordOptions = {
    zones: [parseName('cluster.local')!],
    reverseZones: [parseName('in-addr.arpa')!, parseName('ip6.arpa')!],
    ttl: 5,
    negativeTtl: 1,
    pods: 'disabled',
    endpointPodNames: false,
    ignoreEmptyService: false,
    noEndpoints: false,
    namespacesAreChosen: false,
    ownV4: [0x7f000001],
    ownV6: new Uint8Array(0),
    ...options,
  }
  const { namespaces: chosen = [], memory, moves, onUnpublished } = options
  const serving = createServing({
    records,
    namespaces: chosen,
    seed,
    serials: countingSerials(),
    ...(memory === undefined ? {} : { memory }),
    ...(moves && { moves }),
    ...(onUnpublished === undefined ? {} : { onUnpublished }),
  })
  const services = serving.cluster.open('Service')
  const slices = serving.cluster.open('EndpointSlice')
  const namespaces = options.watchNamespaces === true ? serving.cluster.open('Namespace') : undefined
  const pods = options.watchPods === true ? serving.cluster.open('Pod') : undefined
  if (options.unsynced !== true) {
    for (const sink of [services, slices, namespaces, pods]) sink?.replaceAll().commit()
    serving.cluster.flush()
  }
  const table = new TableReader(serving.memory, 1)
  const answerer = new Answerer(table, new Order(options.order ?? 'shuffle', seed), options.maxUdpSize ?? 1232)
  const buffer = new Uint8Array(START + 65_535 + MARGIN)
  const view = new DataView(buffer.buffer)

  // The query stands somewhere in the buffer, as in a batch, with octets around it that must not get into the reply.
  function exchange(query: Uint8Array, stream = false): Buffer | undefined {
    const capacity = stream ? 65_535 : DATAGRAM_CAPACITY
    const end = START + Math.max(capacity, query.length)
    buffer.fill(CANARY, 0, end + MARGIN)
    buffer.set(query, START)
    table.begin()
    const length = answerer.answer(buffer, view, START, query.length, capacity, stream)
    table.end()
    for (let i = 0; i < START; i++) if (buffer[i] !== CANARY) throw new Error(`octet ${i - START} was written`)
    for (let i = end; i < end + MARGIN; i++) if (buffer[i] !== CANARY) throw new Error(`octet ${i - START} was written`)
    return length === 0 ? undefined : Buffer.from(buffer.slice(START, START + length))
  }

  return {
    serving,
    services,
    slices,
    namespaces: namespaces!,
    pods: pods!,
    answerer,
    exchange,
    ask(name, type, { edns = 1232, stream = false } = {}) {
      const query = encode({
        type: 'query',
        id: randomInt(65_536),
        flags: 0x100,
        questions: [{ type: type as 'A', name }],
        additionals: edns === false ? [] : [optRecord(edns)],
      })
      const reply = exchange(query, stream)
      if (reply === undefined) throw new Error(`no reply to ${name} ${type}`)
      return decodeReply(reply)
    },
    flush: () => serving.cluster.flush(),
  }
}

export function decodeReply(octets: Buffer): Asked {
  const packet = decode(octets) as unknown as Record<string, never> & { [key: string]: unknown }
  const [answers, authority, all] = [
    packet['answers'],
    packet['authorities'],
    packet['additionals'],
  ] as DecodedRecord[][]
  const opt = all!.find(record => record.type === 'OPT') as never as Asked['opt'] & {
    udpPayloadSize: number
    ednsVersion: number
  }
  const bits = octets.readUInt16BE(2)
  return {
    rcode: String(packet['rcode']),
    flags: {
      aa: (bits & 0x400) !== 0,
      tc: (bits & 0x200) !== 0,
      rd: (bits & 0x100) !== 0,
      ra: (bits & 0x80) !== 0,
      ad: (bits & 0x20) !== 0,
      cd: (bits & 0x10) !== 0,
    },
    answers: answers!.map(formatRecord),
    authority: authority!.map(formatRecord),
    additional: all!.filter(record => record.type !== 'OPT').map(formatRecord),
    opt:
      opt === undefined
        ? undefined
        : {
            size: opt.udpPayloadSize,
            version: opt.ednsVersion,
            extendedRcode: opt.extendedRcode,
            flags: opt.flags,
            options: opt.options,
          },
    octets,
  }
}

interface DecodedRecord {
  readonly name: string
  readonly type: string
  readonly ttl: number
  readonly data: unknown
}

function formatRecord({ name, type, ttl, data }: DecodedRecord): string {
  return `${name}. ${ttl} ${type} ${formatData(type, data)}`
}

function formatData(type: string, data: unknown): string {
  if (type === 'SRV') {
    const { priority, weight, port, target } = data as Record<string, unknown>
    return `${priority} ${weight} ${port} ${target}.`
  }
  if (type === 'TXT') return (data as Buffer[]).map(part => JSON.stringify(part.toString())).join(' ')
  if (type === 'SOA') {
    const { mname, rname, serial, refresh, retry, expire, minimum } = data as Record<string, unknown>
    return `${mname}. ${rname}. ${serial} ${refresh} ${retry} ${expire} ${minimum}`
  }
  if (type === 'HINFO') return `${(data as { cpu: string }).cpu} ${JSON.stringify((data as { os: string }).os)}`
  return type === 'A' || type === 'AAAA' ? String(data) : `${data}.`
}

function optRecord(udpPayloadSize: number): never {
  return {
    type: 'OPT',
    name: '.',
    udpPayloadSize,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  } as never
}

/** A headless Service and one slice of it, in short. */
export function headless(name: string, namespace = 'default', ports: Service['ports'] = []): Service {
  return { namespace, name, kind: 'headless', clusterIPs: [], externalName: '', ports }
}

export function clusterIP(
  name: string,
  clusterIPs: string[],
  namespace = 'default',
  ports: Service['ports'] = [],
): Service {
  return { namespace, name, kind: 'clusterIP', clusterIPs, externalName: '', ports }
}

export interface EndpointShort {
  readonly address: string
  readonly ready?: boolean
  readonly hostname?: string
  readonly podName?: string
  readonly target?: number
  readonly terminating?: boolean
  readonly zone?: string
}

export function slice(
  serviceName: string,
  endpoints: EndpointShort[],
  more: Partial<EndpointSlice> = {},
): EndpointSlice {
  return {
    namespace: 'default',
    name: `${serviceName}-1`,
    serviceName,
    addressType: endpoints[0]?.address.includes(':') === true ? 'IPv6' : 'IPv4',
    ports: [],
    lastChangeTriggerTime: 0,
    endpoints: endpoints.map(({ address, ready = true, hostname = '', podName = '', zone = '', ...more }) => ({
      ...more,
      address,
      ready,
      hostname,
      podName,
      nodeName: '',
      zone,
    })),
    ...more,
  }
}

/** 1, and then one more each time. */
export function countingSerials(latest = 1): ServingOptions['serials'] {
  return {
    get latest() {
      return latest
    },
    next: () => ++latest >>> 0,
  }
}
