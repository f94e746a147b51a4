/**
 * API objects (parsed JSON or YAML, of unknown shape) → the domain's objects.
 * Layer: cluster; pure. Nothing is trusted: an object may hold anything, and one bad field must cost no more than
 * the record it would have made. Functions return the object, or a sentence that says why there is none.
 */

import { isIPv4, isIPv6, SocketAddress } from 'node:net'
import type { Endpoint, EndpointSlice, Identified, Namespace, Pod, Port, Service } from './objects.ts'

type Json = Record<string, unknown>

const SERVICE_NAME_LABEL = 'kubernetes.io/service-name'
/** Of EndpointSlices that come from other clusters (KEP-1645). */
const IMPORTED_SERVICE_LABEL = 'multicluster.kubernetes.io/service-name'
const SOURCE_CLUSTER_LABEL = 'multicluster.kubernetes.io/source-cluster'
/** Of a cluster's identifier (KEP-2149). */
const MAX_CLUSTER = 128
const TRIGGER_TIME_ANNOTATION = 'endpoints.kubernetes.io/last-change-trigger-time'
/** Octets; RFC 1035 §2.3.4, in presentation format, with a final dot. */
const MAX_NAME = 254
const MAX_LABEL = 63
/** Characters of a time, with nanoseconds and a zone. */
const MAX_TIME = 40
/** Characters of what is quoted, and sentences of one object. */
const MAX_QUOTED = 60
const MAX_OMITTED = 10
/** Phases of Pods that are not answered any more. */
const GONE = new Set(['Succeeded', 'Failed', 'Unknown'])
const NO_PORTS: readonly Port[] = []
const NO_STRINGS: readonly string[] = []

export function serviceFromApi(raw: unknown): Service | string {
  const { namespace, name, uid, version } = identityOf(raw)
  if (name === '' || namespace === '') return 'a Service without metadata.name or metadata.namespace'
  const misfit = namesMisfit(namespace, name)
  if (misfit !== undefined) return misfit
  const spec = object(object(raw)['spec'])
  const omitted = new Omitted()
  const common = { namespace, name, uid, version, selection: selectionOf(spec['selector']) }
  if (spec['type'] === 'ExternalName') {
    const externalName = bounded(spec['externalName'], MAX_NAME, 'externalName', omitted).replace(/\.$/, '')
    const ports = NO_PORTS
    return { ...common, kind: 'externalName', clusterIPs: NO_STRINGS, externalName, ports, omitted: omitted.list }
  }
  const ports = portsOf(spec['ports'], omitted)
  const clusterIP = text(spec['clusterIP'])
  const listed = list(spec['clusterIPs']).map(text)
  const all = listed.length > 0 ? listed : [clusterIP]
  const isHeadless = all[0] === 'None'
  const clusterIPs = isHeadless ? NO_STRINGS : addressesIn(all, 'clusterIP', omitted)
  const kind = isHeadless ? 'headless' : 'clusterIP'
  const external = externalOf(raw, omitted)
  return { ...common, kind, clusterIPs, externalName: '', ports, ...external, omitted: omitted.list }
}

/** By what a Service is reached from outside; nearly always by nothing. */
function externalOf(raw: unknown, omitted: Omitted): Pick<Service, 'externalIPs' | 'externalHost'> {
  const { spec, status } = object(raw)
  const ingress = list(object(object(status)['loadBalancer'])['ingress']).map(object)
  const given = [...list(object(spec)['externalIPs']), ...ingress.map(({ ip }) => ip)].map(text)
  const externalIPs = addressesIn(given, 'the external address', omitted)
  if (externalIPs.length > 0) return { externalIPs }
  const host = ingress.map(({ hostname }) => text(hostname)).find(hostname => hostname !== '')
  if (host === undefined) return {}
  const externalHost = bounded(host, MAX_NAME, 'the host name of a load balancer', omitted).replace(/\.$/, '')
  return externalHost === '' ? {} : { externalHost }
}

/** A ServiceImport (KEP-1645) as the Service that it is for clients of the clusterset. */
export function serviceImportFromApi(raw: unknown): Service | string {
  const { namespace, name, uid, version } = identityOf(raw)
  if (name === '' || namespace === '') return 'a ServiceImport without metadata.name or metadata.namespace'
  const misfit = namesMisfit(namespace, name)
  if (misfit !== undefined) return misfit
  const { type, ips, ports } = object(object(raw)['spec'])
  const isHeadless = type === 'Headless'
  if (!isHeadless && type !== 'ClusterSetIP') return `spec.type ${quote(type)} is none of ClusterSetIP, Headless`
  const omitted = new Omitted()
  const clusterIPs = isHeadless ? NO_STRINGS : addressesIn(list(ips).map(text), 'the address', omitted)
  const kind = isHeadless ? 'headless' : 'clusterIP'
  const given = portsOf(ports, omitted)
  return { namespace, name, uid, version, kind, clusterIPs, externalName: '', ports: given, omitted: omitted.list }
}

/** An EndpointSlice of a ServiceImport: its endpoints are in one cluster of the clusterset, this one included. */
export function importedSliceFromApi(raw: unknown): EndpointSlice | string {
  const slice = sliceFromApi(raw, IMPORTED_SERVICE_LABEL)
  if (typeof slice === 'string') return slice
  const given = object(object(object(raw)['metadata'])['labels'])[SOURCE_CLUSTER_LABEL]
  const sourceCluster = text(given).toLowerCase()
  if (sourceCluster.length <= MAX_CLUSTER && sourceCluster.split('.').every(isLabel)) return { ...slice, sourceCluster }
  const reason = `${SOURCE_CLUSTER_LABEL} ${quote(given)} is no name: endpoints are named without their cluster`
  return { ...slice, omitted: [...(slice.omitted ?? []), reason] }
}

export function endpointSliceFromApi(raw: unknown): EndpointSlice | string {
  return sliceFromApi(raw, SERVICE_NAME_LABEL)
}

function sliceFromApi(raw: unknown, serviceLabel: string): EndpointSlice | string {
  const { namespace, name, uid, version } = identityOf(raw)
  if (name === '' || namespace === '') return 'an EndpointSlice without metadata.name or metadata.namespace'
  const metadata = object(object(raw)['metadata'])
  const addressType = text(object(raw)['addressType']) as EndpointSlice['addressType']
  if (addressType !== 'IPv4' && addressType !== 'IPv6' && addressType !== 'FQDN') {
    return `addressType ${quote(object(raw)['addressType'])} is none of IPv4, IPv6, FQDN`
  }
  const trigger = text(object(metadata['annotations'])[TRIGGER_TIME_ANNOTATION])
  const triggerMs = trigger.length > MAX_TIME ? Number.NaN : Date.parse(trigger)
  const omitted = new Omitted()
  return {
    namespace,
    name,
    uid,
    version,
    serviceName: bounded(object(metadata['labels'])[serviceLabel], MAX_NAME, serviceLabel, omitted),
    addressType,
    ports: portsOf(object(raw)['ports'], omitted),
    endpoints: endpointsOf(object(raw)['endpoints'], addressType, omitted),
    lastChangeTriggerTime: Number.isNaN(triggerMs) ? 0 : triggerMs,
    omitted: omitted.list,
  }
}

export function namespaceFromApi(raw: unknown): Namespace | string {
  const { name, uid, version } = identityOf(raw)
  return name === '' ? 'a Namespace without metadata.name' : (namesMisfit(name, 'any') ?? { name, uid, version })
}

/** A Pod that has ended, is being deleted or has no address yet has no addresses here: it has no name to answer. */
export function podFromApi(raw: unknown): Pod | string {
  const { namespace, name, uid, version } = identityOf(raw)
  if (name === '' || namespace === '') return 'a Pod without metadata.name or metadata.namespace'
  return { namespace, name, uid, version, addresses: isPodGone(raw) ? NO_STRINGS : podAddresses(raw) }
}

/** Whether a Pod has ended, is being deleted, or was lost with its Node. */
export function isPodGone(raw: unknown): boolean {
  const { metadata, status } = object(raw)
  return object(metadata)['deletionTimestamp'] != null || GONE.has(text(object(status)['phase']))
}

/** @returns those that a record can carry, each in the one spelling by which pods are asked for */
export function podAddresses(raw: unknown): string[] {
  const status = object(object(raw)['status'])
  const listed = list(status['podIPs']).map(entry => text(object(entry)['ip']))
  const all = listed.length > 0 ? listed : [text(status['podIP'])]
  return all.filter(ip => familyOf(ip) !== 0).map(inOneSpelling)
}

/** The same for `autopath`: only the addresses by which a pod is known, and only of one that walks the cluster's search path. */
export function clientPodFromApi(raw: unknown): Pod | string {
  const pod = podFromApi(raw)
  return typeof pod === 'string' || walksSearchPath(object(raw)['spec']) ? pod : { ...pod, addresses: NO_STRINGS }
}

/**
 * Whether a pod with this spec has addresses of its own, which it does not share with its Node, and the search path that
 * dnsPolicy ClusterFirst gives, no other: what it asks for is then known from its namespace alone.
 */
export function walksSearchPath(spec: unknown): boolean {
  const { hostNetwork, dnsPolicy = 'ClusterFirst', dnsConfig } = object(spec)
  if (hostNetwork === true || !CLUSTER_FIRST.has(dnsPolicy)) return false
  const { searches, options } = object(dnsConfig)
  return list(searches).length === 0 && !list(options).some(option => object(option)['name'] === 'ndots')
}

/** The second is the first for a pod that does not use its Node's network. */
const CLUSTER_FIRST = new Set<unknown>(['ClusterFirst', 'ClusterFirstWithHostNet', null, ''])

export interface Identity extends Required<Identified> {
  readonly namespace: string
  readonly name: string
}

/** @returns what an object is known by; `''` and 0 for what it does not say, or what cannot be that */
export function identityOf(raw: unknown): Identity {
  const metadata = object(object(raw)['metadata'])
  const version = text(metadata['resourceVersion'])
  const number = /^[0-9]{1,16}$/.test(version) ? Number(version) : 0
  return {
    namespace: nameIn(metadata['namespace']),
    name: nameIn(metadata['name']),
    uid: fingerprint(text(metadata['uid'])),
    version: Number.isSafeInteger(number) ? number : 0,
  }
}

/** What no name may hold would make two objects one. */
function nameIn(value: unknown): string {
  const name = text(value)
  return name.length > MAX_NAME || name.includes('/') ? '' : name
}

/** Names of Services and Namespaces are labels of DNS names: the API server takes no other. */
function namesMisfit(...names: string[]): string | undefined {
  const misfit = names.find(name => !isLabel(name))
  return misfit === undefined ? undefined : `${quote(misfit)} is no DNS label: it would have no name to be asked for`
}

function selectionOf(selector: unknown): number {
  const pairs = Object.entries(object(selector)).map(([key, value]) => `${key}=${text(value)}`)
  return pairs.length === 0 ? 0 : fingerprint(pairs.sort().join(','))
}

/** @returns 4, 6, or 0 for what is no address that a record can carry (a zone identifier included) */
export function familyOf(address: string): 0 | 4 | 6 {
  if (isIPv4(address)) return 4
  return isIPv6(address) && !address.includes('%') ? 6 : 0
}

/** Each address once. */
function addressesIn(given: readonly string[], field: string, omitted: Omitted): string[] {
  const addresses = given.filter(ip => familyOf(ip) !== 0 || omitted.address(field, ip))
  return [...new Set(addresses.map(inOneSpelling))]
}

/** RFC 4291 §2.2: an IPv6 address has many. */
function inOneSpelling(ip: string): string {
  return ip.includes(':') ? new SocketAddress({ address: ip, family: 'ipv6' }).address : ip
}

/** A slice of type FQDN has "no defined semantics" (EndpointSlice API): it names no address. */
function endpointsOf(raw: unknown, addressType: EndpointSlice['addressType'], omitted: Omitted): Endpoint[] {
  const endpoints: Endpoint[] = []
  const family = addressType === 'IPv4' ? 4 : addressType === 'IPv6' ? 6 : -1
  if (family === -1) omitted.add('addressType FQDN: the API defines no meaning for it')
  for (const entry of family === -1 ? [] : list(raw)) {
    const endpoint = object(entry)
    const conditions = object(endpoint['conditions'])
    const ready = conditions['ready'] !== false
    const terminating = conditions['terminating'] === true
    const targetRef = object(endpoint['targetRef'])
    const target = targetOf(targetRef)
    const podName = targetRef['kind'] === 'Pod' ? bounded(targetRef['name'], MAX_NAME, 'targetRef.name', omitted) : ''
    const given = bounded(endpoint['hostname'], MAX_LABEL, 'hostname', omitted)
    // One copy of what pods of a StatefulSet have twice.
    const hostname = given === podName ? podName : given
    const nodeName = shared(bounded(endpoint['nodeName'], MAX_NAME, 'nodeName', omitted))
    const zone = shared(bounded(endpoint['zone'], MAX_NAME, 'zone', omitted))
    for (const value of list(endpoint['addresses'])) {
      const address = text(value)
      if (familyOf(address) === family) {
        const one = { address, ready, hostname, podName, target, nodeName, zone }
        endpoints.push(terminating ? { ...one, terminating } : one)
      } else omitted.add(`the address ${quote(value)} is no ${addressType} address that a record can carry`)
    }
  }
  return endpoints
}

/** By its uid, or else by kind and name: what it refers to is the same as long as this is. */
function targetOf(targetRef: Json): number {
  const uid = text(targetRef['uid'])
  if (uid !== '') return fingerprint(uid)
  const name = text(targetRef['name'])
  return name === '' ? 0 : fingerprint(`${text(targetRef['kind'])}/${name}`)
}

function portsOf(raw: unknown, omitted: Omitted): readonly Port[] {
  const entries = list(raw)
  if (entries.length === 0) return NO_PORTS
  const ports: Port[] = []
  for (const entry of entries) {
    const { name, protocol, port } = object(entry)
    if (typeof port !== 'number' || !Number.isInteger(port) || port < 0 || port > 65535) {
      omitted.add(`the port ${quote(name ?? '')} has no number from 0 to 65535, but ${quote(port)}`)
      continue
    }
    ports.push({
      name: shared(bounded(name, MAX_LABEL, 'the name of a port', omitted).toLowerCase()),
      protocol: shared((bounded(protocol, MAX_LABEL, 'the protocol of a port', omitted) || 'TCP').toLowerCase()),
      port,
    })
  }
  return ports
}

/** What of an object gives no record, in sentences, as few as people read. */
class Omitted {
  list: readonly string[] = NO_STRINGS
  private count = 0

  add(sentence: string): void {
    this.count++
    if (this.count <= MAX_OMITTED) this.list = [...this.list, sentence]
    else this.list = [...this.list.slice(0, MAX_OMITTED), `and ${this.count - MAX_OMITTED} more`]
  }

  /** @returns false, for use in a filter */
  address(field: string, value: string): false {
    // A Service has none until it is given one.
    if (value !== '') this.add(`${field} ${quote(value)} is no address that a record can carry`)
    return false
  }
}

/** A text that is longer than it may be is left out: nobody keeps megabytes of it. */
function bounded(value: unknown, most: number, field: string, omitted: Omitted): string {
  const whole = text(value)
  if (whole.length <= most) return whole
  omitted.add(`${field} ${quote(whole)} is longer than ${most} characters`)
  return ''
}

/** A value that may be anything, for people. */
function quote(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  const whole = typeof value === 'string' ? JSON.stringify(value.slice(0, MAX_QUOTED)) : String(value)
  return typeof value === 'string' && value.length > MAX_QUOTED ? `${whole}…` : whole
}

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/i

/** A DNS label as Kubernetes knows it (RFC 1123 §2.1), letter case aside. */
export function isLabel(value: string): boolean {
  return value !== '' && value.length <= MAX_LABEL && LABEL.test(value)
}

/** FNV-1a, 32 bits; 0 for nothing, and for nothing else. */
function fingerprint(value: string): number {
  if (value === '') return 0
  let hash = 0x811c9dc5
  for (let i = 0; i < value.length; i++) hash = Math.imul(hash ^ value.charCodeAt(i), 0x01000193)
  return hash | 0 || 1
}

const strings = new Map<string, string>()

/** One copy of a string that many objects repeat (node, zone, port name); bounded by starting afresh. */
function shared(value: string): string {
  if (value === '') return ''
  const known = strings.get(value)
  if (known !== undefined) return known
  if (strings.size >= 10_000) strings.clear()
  strings.set(value, value)
  return value
}

function object(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {}
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
