/**
 * Why each endpoint of a Service is, or is not, in the answer; what of a Service gives no record, and why. Layer: records;
 * pure. Nothing is kept for it: the same join is done again, and what it did is read off it, so that the two cannot disagree.
 */

import { isIP } from 'node:net'
import { isLabel } from '../cluster/from-api.ts'
import type { Endpoint, EndpointSlice, Port, Service } from '../cluster/objects.ts'
import type { ServiceView } from '../cluster/state.ts'
import { formatName, parseName, prependLabels } from '../wire/name.ts'
import { type JoinedEndpoints, joinEndpoints, labelsOf } from './join.ts'
import type { RecordOptions } from './options.ts'
import { base } from './service-names.ts'
import { type Contribution, isPortName, portsOf } from './slice-word.ts'
import { isNameServer } from './zone-names.ts'

export interface ServiceExplained {
  /** What gives no record and why: sentences; none where all is as it should be. */
  readonly notes: readonly string[]
  /** In the order of slices and of the endpoints in them. */
  readonly endpoints: readonly EndpointExplained[]
}

export interface EndpointExplained {
  readonly slice: string
  readonly address: string
  readonly podName: string
  /** Its address is in the answer, by its own word. */
  readonly isAnswered: boolean
  /** Its label below the Service's name; `''` when it is not answered. */
  readonly label: string
  /** Sentences: why it is not answered, or has not the name that one would expect. */
  readonly notes: readonly string[]
}

export function explainService(view: ServiceView, options: RecordOptions): ServiceExplained {
  const { service, slices, held = [] } = view
  const notes = [...(service.omitted ?? []), ...portNotes(service.ports)]
  if (options.external !== undefined && isNameServer(service)) {
    notes.push('records.external: it has no name there, since ns.dns is the name server of each zone')
  }
  if (service.kind === 'externalName') return { notes: [...notes, ...externalNameNotes(service)], endpoints: [] }
  if (options.noEndpoints)
    return { notes: [...notes, 'records.noEndpoints: endpoints are not looked at'], endpoints: [] }
  const joined = joinEndpoints(view, options.endpointPodNames)
  for (const slice of slices) notes.push(...sliceNotes(slice))
  const hasNone = joined.byLabel.size === 0
  if (hasNone && service.kind === 'headless') notes.push('without a ready endpoint a headless Service has no name')
  if (hasNone && service.kind === 'clusterIP' && options.ignoreEmptyService) {
    notes.push('records.ignoreEmptyService: without a ready endpoint it has no name')
  }
  if (service.kind === 'clusterIP' && service.clusterIPs.length === 0) notes.push('it has no cluster IP')
  const endpoints = [
    ...slices.flatMap(slice => endpointsOf(slice, joined, service, options)),
    ...held
      .flatMap(slice => endpointsOf(slice, joined, service, options))
      .map(one => ({
        ...one,
        notes: [...one.notes, 'it has left its slice a moment ago, and may be on its way to another'],
      })),
  ]
  return { notes, endpoints }
}

function endpointsOf(
  slice: EndpointSlice,
  joined: JoinedEndpoints,
  service: Service,
  options: RecordOptions,
): EndpointExplained[] {
  const { ready } = joined.bySlice.get(slice)!
  let next = 0
  return slice.endpoints.map(endpoint => {
    const common = { slice: slice.name, address: endpoint.address, podName: endpoint.podName }
    if (!endpoint.ready) {
      const why = endpoint.terminating === true ? 'it is terminating' : 'it is not ready'
      return { ...common, isAnswered: false, label: '', notes: [why] }
    }
    const contribution = ready[next++]!
    if (joined.outdated.has(contribution)) {
      const why = 'a newer slice knows the same pod otherwise, or as well'
      return { ...common, isAnswered: false, label: '', notes: [why] }
    }
    const notes = nameNotes(endpoint, contribution, service, options)
    return { ...common, isAnswered: true, label: contribution.name.label, notes }
  })
}

function nameNotes(
  { hostname, podName }: Endpoint,
  { name }: Contribution,
  service: Service,
  { zones, endpointPodNames }: RecordOptions,
): string[] {
  const notes: string[] = []
  const isNoLabel = (field: string, text: string) =>
    notes.push(`its ${field} ${JSON.stringify(text)} is no DNS label: another name stands in`)
  if (hostname !== '' && !isLabel(hostname)) isNoLabel('hostname', hostname)
  if (endpointPodNames && podName !== '' && !isLabel(podName) && !isLabel(hostname)) isNoLabel('pod name', podName)
  for (const zone of zones) {
    // RFC 1035 §2.3.4
    if (prependLabels([...labelsOf(name), ...base(service, 'svc')], zone) === undefined) {
      notes.push(`its own name would be longer than 255 octets in ${formatName(zone)}: it has none`)
    }
  }
  return notes
}

function sliceNotes(slice: EndpointSlice): string[] {
  const left = slice.ports.length - portsOf(slice).length
  return [
    ...(slice.omitted ?? []),
    ...portNotes(slice.ports),
    ...(left > 0
      ? [`${left} of ${slice.ports.length} ports are left out: with so many endpoints no answer could hold them`]
      : []),
  ].map(note => `${slice.name}: ${note}`)
}

function portNotes(ports: readonly Port[]): string[] {
  return ports
    .filter(({ name, protocol }) => name !== '' && !isPortName(name, protocol))
    .map(({ name, protocol }) => {
      const [label, protocolLabel] = [`_${name}`, `_${protocol}`].map(text => JSON.stringify(text))
      return `${label} and ${protocolLabel} are not both DNS labels of at most 63 octets: the port has no SRV name`
    })
}

function externalNameNotes({ externalName }: Service): string[] {
  if (isIP(externalName) !== 0) return [`externalName ${externalName} is an address: a CNAME needs a name`]
  const name = parseName(externalName)
  if (name === undefined || name.length === 1) return [`externalName ${JSON.stringify(externalName)} is no name`]
  return []
}
