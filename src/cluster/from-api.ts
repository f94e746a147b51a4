/**
 * API objects (parsed JSON or YAML, of unknown shape) → the domain's objects.
 * Layer: cluster; pure. Nothing is trusted: an object may hold anything, and one bad field must cost no more than
 * the record it would have made. Functions return the object, or a sentence that says why there is none.
 */

import { isIPv4, isIPv6 } from 'node:net'
import type { Endpoint, EndpointSlice, Namespace, Pod, Port, Service } from './objects.ts'

type Json = Record<string, unknown>

const SERVICE_NAME_LABEL = 'kubernetes.io/service-name'
const TRIGGER_TIME_ANNOTATION = 'endpoints.kubernetes.io/last-change-trigger-time'
const NO_PORTS: readonly Port[] = []
const NO_STRINGS: readonly string[] = []

export function serviceFromApi(raw: unknown): Service | string {
  const { namespace, name } = identityOf(raw)
  if (name === '' || namespace === '') return 'a Service without metadata.name or metadata.namespace'
  const spec = object(object(raw)['spec'])
  const ports = portsOf(spec['ports'])
  if (spec['type'] === 'ExternalName') {
    const externalName = text(spec['externalName']).replace(/\.$/, '')
    return { namespace, name, kind: 'externalName', clusterIPs: NO_STRINGS, externalName, ports: NO_PORTS }
  }
  const clusterIP = text(spec['clusterIP'])
  const listed = list(spec['clusterIPs']).map(text)
  const all = listed.length > 0 ? listed : [clusterIP]
  if (all[0] === 'None') return { namespace, name, kind: 'headless', clusterIPs: NO_STRINGS, externalName: '', ports }
  const clusterIPs = all.filter(ip => familyOf(ip) !== 0)
  return { namespace, name, kind: 'clusterIP', clusterIPs, externalName: '', ports }
}

export function endpointSliceFromApi(raw: unknown): EndpointSlice | string {
  const { namespace, name } = identityOf(raw)
  if (name === '' || namespace === '') return 'an EndpointSlice without metadata.name or metadata.namespace'
  const metadata = object(object(raw)['metadata'])
  const addressType = text(object(raw)['addressType']) as EndpointSlice['addressType']
  if (addressType !== 'IPv4' && addressType !== 'IPv6' && addressType !== 'FQDN') {
    return `addressType ${JSON.stringify(addressType)} is none of IPv4, IPv6, FQDN`
  }
  const trigger = Date.parse(text(object(metadata['annotations'])[TRIGGER_TIME_ANNOTATION]))
  return {
    namespace,
    name,
    serviceName: text(object(metadata['labels'])[SERVICE_NAME_LABEL]),
    addressType,
    ports: portsOf(object(raw)['ports']),
    endpoints: endpointsOf(object(raw)['endpoints'], addressType),
    lastChangeTriggerTime: Number.isNaN(trigger) ? 0 : trigger,
  }
}

export function namespaceFromApi(raw: unknown): Namespace | string {
  const { name } = identityOf(raw)
  return name === '' ? 'a Namespace without metadata.name' : { name }
}

/** A Pod that has ended, is being deleted or has no address yet has no addresses here: it has no name to answer. */
export function podFromApi(raw: unknown): Pod | string {
  const { namespace, name } = identityOf(raw)
  if (name === '' || namespace === '') return 'a Pod without metadata.name or metadata.namespace'
  const status = object(object(raw)['status'])
  const phase = text(status['phase'])
  const deleted = object(object(raw)['metadata'])['deletionTimestamp'] != null
  if (deleted || phase === 'Succeeded' || phase === 'Failed' || phase === 'Unknown') {
    return { namespace, name, addresses: NO_STRINGS }
  }
  const listed = list(status['podIPs']).map(entry => text(object(entry)['ip']))
  const all = listed.length > 0 ? listed : [text(status['podIP'])]
  return { namespace, name, addresses: all.filter(ip => familyOf(ip) !== 0) }
}

/** @returns `metadata.namespace` and `metadata.name`, `''` where absent */
export function identityOf(raw: unknown): { namespace: string; name: string } {
  const metadata = object(object(raw)['metadata'])
  return { namespace: text(metadata['namespace']), name: text(metadata['name']) }
}

/** @returns 4, 6, or 0 for what is no address that a record can carry (a zone identifier included) */
export function familyOf(address: string): 0 | 4 | 6 {
  if (isIPv4(address)) return 4
  return isIPv6(address) && !address.includes('%') ? 6 : 0
}

/** A slice of type FQDN has "no defined semantics" (EndpointSlice API): it names no address. */
function endpointsOf(raw: unknown, addressType: EndpointSlice['addressType']): Endpoint[] {
  const endpoints: Endpoint[] = []
  const family = addressType === 'IPv4' ? 4 : addressType === 'IPv6' ? 6 : -1
  for (const entry of list(raw)) {
    const endpoint = object(entry)
    const target = object(endpoint['targetRef'])
    const ready = object(endpoint['conditions'])['ready'] !== false
    const hostname = text(endpoint['hostname'])
    const podName = target['kind'] === 'Pod' ? text(target['name']) : ''
    const nodeName = shared(text(endpoint['nodeName']))
    const zone = shared(text(endpoint['zone']))
    for (const value of list(endpoint['addresses'])) {
      const address = text(value)
      if (familyOf(address) === family) endpoints.push({ address, ready, hostname, podName, nodeName, zone })
    }
  }
  return endpoints
}

function portsOf(raw: unknown): readonly Port[] {
  const entries = list(raw)
  if (entries.length === 0) return NO_PORTS
  const ports: Port[] = []
  for (const entry of entries) {
    const { name, protocol, port } = object(entry)
    if (typeof port !== 'number' || !Number.isInteger(port) || port < 0 || port > 65535) continue
    ports.push({
      name: shared(text(name).toLowerCase()),
      protocol: shared((text(protocol) || 'TCP').toLowerCase()),
      port,
    })
  }
  return ports
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
