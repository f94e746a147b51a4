/**
 * Objects of the cluster ↔ the lines of a snapshot's text. Layer: snapshot; pure. UTF-8, one JSON array a line:
 *
 *   [kind, partition, n]                                                    a list; its n objects follow
 *   [namespace, name, uid, version, selection, kind, [clusterIP, …],        Service
 *       externalName, ports, [external address, …], external host]
 *   [namespace, name, uid, version, service, addressType, trigger time,     EndpointSlice
 *       ports, [address, flags, hostname, pod, target, node, zone,  …]]
 *   [name, uid, version]                                                    Namespace
 *   [namespace, name, uid, version, [address, …]]                           Pod
 *   ports: [name, protocol, port,  name, …]
 *   flags: 1 ready, 2 terminating, 4 hostname to zone are those of the address before, and not said again
 *
 * What gives no record (`omitted`) is not in it. Arrays by position, and endpoints in one array: 100,000 endpoints are half the text of the same objects as JSON, and are
 * parsed in a third of the time (decision log of src/README.md). What is read is trusted no more than what an API says.
 */

import { familyOf } from '../cluster/from-api.ts'
import type { Endpoint, EndpointSlice, Kind, Kinds, Namespace, Pod, Port, Service } from '../cluster/objects.ts'
import { SnapshotError } from './errors.ts'

export interface ListHead {
  readonly kind: Kind
  readonly partition: string
  readonly count: number
}

const KINDS: readonly Kind[] = ['Service', 'EndpointSlice', 'Namespace', 'Pod']
const SERVICE_KINDS: readonly Service['kind'][] = ['headless', 'clusterIP', 'externalName']
const ADDRESS_TYPES: readonly EndpointSlice['addressType'][] = ['IPv4', 'IPv6', 'FQDN']
const READY = 1
const TERMINATING = 2
/** An endpoint of the API may have a hundred addresses: its line would be many times what the object is in etcd. */
const REPEATS = 4
const PORT_FIELDS = 3
const NOTHING: readonly string[] = []

export function formatListHead({ kind, partition, count }: ListHead): string {
  return JSON.stringify([kind, partition, count])
}

export function formatObject(kind: Kind, object: Kinds[Kind]): string {
  switch (kind) {
    case 'Service': {
      const {
        kind,
        selection = 0,
        clusterIPs,
        externalName,
        ports,
        externalIPs = [],
        externalHost = '',
      } = object as Service
      const head = [...headOf(object as Service), selection, kind]
      return JSON.stringify([...head, clusterIPs, externalName, flatPorts(ports), externalIPs, externalHost])
    }
    case 'EndpointSlice': {
      const { serviceName, addressType, lastChangeTriggerTime, ports, endpoints } = object as EndpointSlice
      const head = [...headOf(object as EndpointSlice), serviceName, addressType, lastChangeTriggerTime]
      return JSON.stringify([...head, flatPorts(ports), flatEndpoints(endpoints)])
    }
    case 'Namespace':
      return JSON.stringify([object.name, object.uid ?? 0, object.version ?? 0])
    default: {
      const { addresses } = object as Pod
      return JSON.stringify([...headOf(object as Pod), addresses])
    }
  }
}

function headOf({ namespace, name, uid = 0, version = 0 }: Service | EndpointSlice | Pod): unknown[] {
  return [namespace, name, uid, version]
}

function flatPorts(ports: readonly Port[]): unknown[] {
  const flat: unknown[] = []
  for (const { name, protocol, port } of ports) flat.push(name, protocol, port)
  return flat
}

function flatEndpoints(endpoints: readonly Endpoint[]): unknown[] {
  const flat: unknown[] = []
  let before: readonly unknown[] | undefined
  for (const { address, ready, terminating, hostname, podName, target = 0, nodeName, zone } of endpoints) {
    const flags = (ready ? READY : 0) | (terminating === true ? TERMINATING : 0)
    const rest = [hostname, podName, target, nodeName, zone]
    if (before !== undefined && rest.every((field, i) => field === before![i])) flat.push(address, flags | REPEATS)
    else flat.push(address, flags, ...rest)
    before = rest
  }
  return flat
}

/**
 * Many lines at once: parsed one by one they take a fifth longer. Which values share a line is not asked: what they say is.
 * @param text without the last newline
 * @returns what each line holds
 * @throws SnapshotError ERR_SNAPSHOT_FORMAT
 */
export function parseLines(text: string): unknown[] {
  try {
    return JSON.parse(`[${text.replaceAll('\n', ',')}]`) as unknown[]
  } catch (error) {
    throw misfit(error)
  }
}

/** Reads the lines of one snapshot, parsed. All methods throw SnapshotError ERR_SNAPSHOT_FORMAT, and nothing else. */
export class LineReader {
  /** One copy of what many objects repeat: nodes, zones, names of ports. */
  private readonly strings = new Map<string, string>()

  readListHead(parsed: unknown): ListHead {
    const [kind, partition, count] = fieldsOf(parsed, 3)
    if (!isWhole(count, Number.MAX_SAFE_INTEGER)) throw misfit()
    return { kind: oneOf(KINDS, kind), partition: text(partition), count }
  }

  readObject(kind: Kind, parsed: unknown): Kinds[Kind] {
    switch (kind) {
      case 'Service':
        return this.readService(parsed)
      case 'EndpointSlice':
        return this.readSlice(parsed)
      case 'Namespace':
        return readNamespace(parsed)
      default:
        return readPod(parsed)
    }
  }

  private readService(parsed: unknown): Service {
    const fields = fieldsOf(parsed, 11)
    const [namespace, name, uid, version, selection, kind, clusterIPs, externalName, ports, outside, host] = fields
    const service: Service = {
      namespace: filled(namespace),
      name: filled(name),
      uid: fingerprint(uid),
      version: versionOf(version),
      selection: fingerprint(selection),
      kind: oneOf(SERVICE_KINDS, kind),
      clusterIPs: addressesOf(clusterIPs),
      externalName: text(externalName),
      ports: this.portsOf(ports),
      omitted: NOTHING,
    }
    const externalIPs = addressesOf(outside)
    const externalHost = text(host)
    if (externalIPs.length > 0) return { ...service, externalIPs }
    return externalHost === '' ? service : { ...service, externalHost }
  }

  private readSlice(parsed: unknown): EndpointSlice {
    const [namespace, name, uid, version, service, type, trigger, ports, endpoints] = fieldsOf(parsed, 9)
    if (typeof trigger !== 'number' || !Number.isFinite(trigger)) throw misfit()
    const addressType = oneOf(ADDRESS_TYPES, type)
    return {
      namespace: filled(namespace),
      name: filled(name),
      uid: fingerprint(uid),
      version: versionOf(version),
      serviceName: text(service),
      addressType,
      ports: this.portsOf(ports),
      endpoints: this.endpointsOf(endpoints, addressType === 'IPv4' ? 4 : addressType === 'IPv6' ? 6 : -1),
      lastChangeTriggerTime: trigger,
      omitted: NOTHING,
    }
  }

  private endpointsOf(raw: unknown, family: number): Endpoint[] {
    const flat = listOf(raw, 1)
    const endpoints: Endpoint[] = []
    let [hostname, podName, target, nodeName, zone] = ['', '', 0, '', '']
    for (let i = 0; i < flat.length; ) {
      const address = text(flat[i++])
      const flags = flat[i++]
      if (familyOf(address) !== family || !isWhole(flags, READY | TERMINATING | REPEATS)) throw misfit()
      if ((flags & REPEATS) === 0) {
        hostname = text(flat[i++])
        podName = text(flat[i++])
        target = fingerprint(flat[i++])
        nodeName = this.shared(flat[i++])
        zone = this.shared(flat[i++])
      } else if (endpoints.length === 0) throw misfit()
      const one: Endpoint = { address, ready: (flags & READY) !== 0, hostname, podName, target, nodeName, zone }
      endpoints.push((flags & TERMINATING) === 0 ? one : { ...one, terminating: true })
    }
    return endpoints
  }

  private portsOf(raw: unknown): Port[] {
    const flat = listOf(raw, PORT_FIELDS)
    const ports: Port[] = []
    for (let i = 0; i < flat.length; i += PORT_FIELDS) {
      const port = flat[i + 2]
      if (!isWhole(port, 65_535)) throw misfit()
      ports.push({ name: this.shared(flat[i]).toLowerCase(), protocol: this.shared(flat[i + 1]).toLowerCase(), port })
    }
    return ports
  }

  private shared(raw: unknown): string {
    const value = text(raw)
    const known = this.strings.get(value)
    if (known !== undefined) return known
    this.strings.set(value, value)
    return value
  }
}

function readNamespace(parsed: unknown): Namespace {
  const [name, uid, version] = fieldsOf(parsed, 3)
  return { name: filled(name), uid: fingerprint(uid), version: versionOf(version) }
}

function readPod(parsed: unknown): Pod {
  const [namespace, name, uid, version, addresses] = fieldsOf(parsed, 5)
  return {
    namespace: filled(namespace),
    name: filled(name),
    uid: fingerprint(uid),
    version: versionOf(version),
    addresses: addressesOf(addresses),
  }
}

function versionOf(raw: unknown): number {
  if (!isWhole(raw, Number.MAX_SAFE_INTEGER)) throw misfit()
  return raw
}

/** 32 bits, with a sign. */
function fingerprint(raw: unknown): number {
  if (typeof raw !== 'number' || (raw | 0) !== raw) throw misfit()
  return raw
}

function fieldsOf(parsed: unknown, count: number): unknown[] {
  const fields = listOf(parsed, 1)
  if (fields.length !== count) throw misfit()
  return fields
}

function listOf(raw: unknown, multipleOf: number): unknown[] {
  if (!Array.isArray(raw) || raw.length % multipleOf !== 0) throw misfit()
  return raw
}

function addressesOf(raw: unknown): string[] {
  const addresses = listOf(raw, 1).map(text)
  if (addresses.some(address => familyOf(address) === 0)) throw misfit()
  return addresses
}

function oneOf<T>(words: readonly T[], raw: unknown): T {
  const found = words.find(word => word === raw)
  if (found === undefined) throw misfit()
  return found
}

function isWhole(raw: unknown, most: number): raw is number {
  return typeof raw === 'number' && Number.isInteger(raw) && raw >= 0 && raw <= most
}

function text(raw: unknown): string {
  if (typeof raw !== 'string') throw misfit()
  return raw
}

function filled(raw: unknown): string {
  if (raw === '') throw misfit()
  return text(raw)
}

function misfit(cause?: unknown): SnapshotError {
  return new SnapshotError('ERR_SNAPSHOT_FORMAT', 'it holds a line that no server of this version writes', cause)
}
