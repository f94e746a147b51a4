/**
 * What `/metrics` says: the counters of all rows, summed, under CoreDNS's names where CoreDNS has the figure, so that its
 * dashboards and alerts go on working; what only this server has is called `headless_dns_…`. Layer: control.
 */

import type { Family, Histogram, Sample } from '../admin/prometheus.ts'
import type { SourceState } from '../cluster/state.ts'
import {
  bucketOf,
  COUNTED_TYPES,
  CUT_SETS,
  DURATION_BUCKETS,
  MAX_COUNTED_ZONES,
  PANICS,
  RCODES,
  requestField,
  SIZE_BUCKETS,
  ZONE_DO,
  ZONE_DURATIONS,
  ZONE_RCODES,
  ZONE_REQUEST_SIZES,
  ZONE_RESPONSE_SIZES,
  zoneFields,
} from '../dataplane/counters.ts'
import type { TableStats } from '../table/writer.ts'
import { RCODE_NOERROR, RCODE_NXDOMAIN, RCODE_SERVFAIL } from '../wire/constants.ts'

/** Everything that is asked at the moment of a scrape. */
export interface Observed {
  readonly version: string
  /** As CoreDNS labels a listener, e.g. `dns://:53`. */
  readonly server: string
  /** Names of the zones by number, in presentation format. */
  readonly zones: readonly string[]
  /** Counter rows: those of the workers (UDP), and that of TCP. */
  readonly udp: readonly Float64Array[]
  readonly tcp: Float64Array
  /** Queries that somebody else answered: rows of the same form. */
  readonly deferred: { readonly udp: Float64Array; readonly tcp: Float64Array }
  /** There is somebody else. */
  readonly isDeferring: boolean
  readonly table: TableStats
  readonly counts: { readonly services: number; readonly endpoints: number }
  readonly sources: readonly SourceState[]
  readonly gauges: readonly { readonly name: string; readonly help: string; readonly samples: readonly Sample[] }[]
  readonly counters: readonly { readonly name: string; readonly help: string; readonly samples: readonly Sample[] }[]
  readonly programming: ReadonlyMap<string, DurationHistogram>
}

const RCODE_NAMES = [
  'NOERROR',
  'FORMERR',
  'SERVFAIL',
  'NXDOMAIN',
  'NOTIMP',
  'REFUSED',
  'YXDOMAIN',
  'YXRRSET',
  'NXRRSET',
  'NOTAUTH',
  'NOTZONE',
  'BADVERS',
]
export function rcodeName(rcode: number): string {
  return RCODE_NAMES[rcode] ?? String(rcode)
}

const CACHED_RCODES = [RCODE_NOERROR, RCODE_SERVFAIL, RCODE_NXDOMAIN]
const TYPE_NAMES = [...COUNTED_TYPES.values(), 'other']

/** Bounds of the programming latency, seconds: 1 ms doubled, as CoreDNS has them. */
const PROGRAMMING_BUCKETS = Array.from({ length: 20 }, (_, i) => 0.001 * 2 ** i)

/** A histogram of the main thread. */
export class DurationHistogram implements Histogram {
  readonly counts = new Float64Array(PROGRAMMING_BUCKETS.length + 1)
  sum = 0

  observe(seconds: number): void {
    this.counts[bucketOf(PROGRAMMING_BUCKETS, seconds)]!++
    this.sum += seconds
  }
}

interface ZoneRow {
  readonly zone: string
  readonly proto: 'udp' | 'tcp'
  /** The zone's fields, summed over the rows of the protocol. */
  readonly fields: Float64Array
}

export function metricFamilies(observed: Observed): Family[] {
  return [...dnsFamilies(observed), ...ownFamilies(observed), ...processFamilies()]
}

function dnsFamilies({ server, zones, udp, tcp, deferred, isDeferring, version, programming }: Observed): Family[] {
  // As CoreDNS calls queries that are nobody's, and those of its server block for all names.
  const own = zoneRows(zones, isDeferring ? '.' : 'dropped', udp, tcp)
  const elsewhere = zoneRows(zones, '.', [deferred.udp], deferred.tcp)
  const rows = [...Map.groupBy([...own, ...elsewhere], row => `${row.zone} ${row.proto}`).values()].map(same => ({
    ...same[0]!,
    fields: sumRows(same.map(row => row.fields)),
  }))
  const labels = ({ zone, proto }: ZoneRow) => ({ server, zone, view: '', proto })
  const requests: Sample[] = []
  const responses: Sample[] = []
  const dnssec: Sample[] = []
  const durations: Histogram[] = []
  for (const row of rows) {
    for (let family = 0; family < 2; family++) {
      for (const [index, type] of TYPE_NAMES.entries()) {
        const value = row.fields[requestField(family, index)]!
        if (value > 0) requests.push({ labels: { ...labels(row), family: String(family + 1), type }, value })
      }
    }
  }
  for (const [zone, both] of Map.groupBy(rows, row => row.zone)) {
    const sum = sumRows(both.map(row => row.fields))
    const zoneLabels = { server, zone, view: '' }
    if (sum[ZONE_DO]! > 0) dnssec.push({ labels: zoneLabels, value: sum[ZONE_DO]! })
    durations.push(histogramAt(sum, ZONE_DURATIONS, DURATION_BUCKETS.length, zoneLabels))
  }
  for (const [plugin, answered] of [
    ['kubernetes', own],
    ['forward', elsewhere],
  ] as const) {
    for (const [zone, both] of Map.groupBy(answered, row => row.zone)) {
      const sum = sumRows(both.map(row => row.fields))
      for (let rcode = 0; rcode < RCODES; rcode++) {
        const value = sum[ZONE_RCODES + rcode]!
        if (value === 0) continue
        // What data-plane threads answer of names that are not ours, they have from the cache.
        const isCached = zone === '.' && plugin === 'kubernetes' && CACHED_RCODES.includes(rcode)
        const name = RCODE_NAMES[rcode]!
        responses.push({ labels: { server, zone, view: '', rcode: name, plugin: isCached ? 'cache' : plugin }, value })
      }
    }
  }
  const sizes = (at: number) => rows.map(row => histogramAt(row.fields, at, SIZE_BUCKETS.length, labels(row)))
  const panics = [...udp, tcp].reduce((sum, row) => sum + row[PANICS]!, 0)
  const enabled = zones.map(zone => ({ labels: { server, zone, view: '', name: 'kubernetes' }, value: 1 }))
  return [
    counter('coredns_dns_requests_total', 'DNS requests by zone, protocol, family and type.', requests),
    counter('coredns_dns_responses_total', 'DNS responses by zone and RCODE.', responses),
    counter('coredns_dns_do_requests_total', 'DNS requests with the DO bit.', dnssec),
    histogram(
      'coredns_dns_request_duration_seconds',
      'Time from reading a batch of queries to the sending of its replies.',
      DURATION_BUCKETS,
      durations,
    ),
    histogram('coredns_dns_request_size_bytes', 'Octets of requests.', SIZE_BUCKETS, sizes(ZONE_REQUEST_SIZES)),
    histogram('coredns_dns_response_size_bytes', 'Octets of responses.', SIZE_BUCKETS, sizes(ZONE_RESPONSE_SIZES)),
    counter('coredns_panics_total', 'Queries answered SERVFAIL because of a defect of the server.', [
      { value: panics },
    ]),
    histogram(
      'coredns_kubernetes_dns_programming_duration_seconds',
      'Time from the change of a Pod or Service (annotation of the EndpointSlice) until it is served.',
      PROGRAMMING_BUCKETS,
      [...programming].map(([kind, { counts, sum }]) => ({ labels: { service_kind: kind }, counts, sum })),
    ),
    gauge('coredns_build_info', 'Always 1; the labels name the build.', [
      { labels: { version, revision: '', goversion: '' }, value: 1 },
    ]),
    gauge('coredns_plugin_enabled', 'Always 1, for dashboards that ask.', enabled),
    gauge('headless_dns_build_info', 'Always 1; the labels name the build.', [
      { labels: { version, node: process.versions.node }, value: 1 },
    ]),
  ]
}

function ownFamilies({ table, counts, sources, gauges, counters, udp, tcp }: Observed): Family[] {
  const bySource = (value: (source: SourceState) => number): Sample[] =>
    sources.map(source => ({ labels: { kind: source.kind, partition: source.partition }, value: value(source) }))
  const cut = [...udp, tcp].reduce((sum, row) => sum + row[CUT_SETS]!, 0)
  return [
    gauge('headless_dns_table_names', 'Names in the answer table, empty non-terminals included.', [
      { value: table.names },
    ]),
    gauge('headless_dns_table_memory_bytes', 'Shared memory of the answer table.', [{ value: table.memoryOctets }]),
    gauge('headless_dns_table_used_bytes', 'Octets of the answer table in use.', [{ value: table.usedOctets }]),
    gauge('headless_dns_table_retired_blocks', 'Replaced blocks that a reader may still hold.', [
      { value: table.retired },
    ]),
    gauge('headless_dns_table_retired_bytes', 'Octets of replaced blocks that a reader may still hold.', [
      { value: table.retiredOctets },
    ]),
    gauge('headless_dns_services', 'Services served.', [{ value: counts.services }]),
    gauge('headless_dns_endpoints', 'Ready endpoint addresses served.', [{ value: counts.endpoints }]),
    gauge(
      'headless_dns_source_synced',
      '1 when the source has given its first complete list.',
      bySource(source => Number(source.synced)),
    ),
    gauge(
      'headless_dns_source_stale',
      '1 while the source cannot say what has changed.',
      bySource(source => Number(source.stale !== undefined)),
    ),
    counter('headless_dns_cut_answers_total', 'Answers over TCP that left records out because no message holds them.', [
      { value: cut },
    ]),
    ...gauges.map(({ name, help, samples }) => gauge(name, help, samples)),
    ...counters.map(({ name, help, samples }) => counter(name, help, samples)),
  ]
}

function processFamilies(): Family[] {
  const { user, system } = process.cpuUsage()
  return [
    counter('process_cpu_seconds_total', 'User and system CPU time spent, in seconds.', [
      { value: (user + system) / 1e6 },
    ]),
    gauge('process_resident_memory_bytes', 'Resident memory, in bytes.', [{ value: process.memoryUsage.rss() }]),
    gauge('process_start_time_seconds', 'Start of the process since the Unix epoch, in seconds.', [
      { value: performance.timeOrigin / 1000 },
    ]),
  ]
}

/**
 * Fields of every zone that has been asked, and, if there were any, of the queries outside all zones.
 * @param outside what those are called
 */
function zoneRows(
  zones: readonly string[],
  outside: string,
  udp: readonly Float64Array[],
  tcp: Float64Array,
): ZoneRow[] {
  const named = zones.slice(0, MAX_COUNTED_ZONES).map((zone, number) => ({ zone, at: zoneFields(number) }))
  named.push({ zone: outside, at: zoneFields(-1) })
  const length = zoneFields(1) - zoneFields(0)
  const rows: ZoneRow[] = []
  for (const { zone, at } of named) {
    rows.push({
      zone,
      proto: 'udp',
      fields: sumRows(
        udp.map(row => row.subarray(at, at + length)),
        length,
      ),
    })
    rows.push({ zone, proto: 'tcp', fields: tcp.subarray(at, at + length) })
  }
  return rows.filter(({ fields }) => fields.some(value => value > 0))
}

function sumRows(rows: readonly Float64Array[], length = rows[0]!.length): Float64Array {
  const sum = new Float64Array(length)
  for (const row of rows) for (let i = 0; i < length; i++) sum[i]! += row[i]!
  return sum
}

function histogramAt(fields: Float64Array, at: number, bounds: number, labels: Record<string, string>): Histogram {
  return { labels, counts: fields.subarray(at, at + bounds + 1), sum: fields[at + bounds + 1]! }
}

function counter(name: string, help: string, samples: readonly Sample[]): Family {
  return { name, help, type: 'counter', samples }
}

function gauge(name: string, help: string, samples: readonly Sample[]): Family {
  return { name, help, type: 'gauge', samples }
}

function histogram(name: string, help: string, bounds: readonly number[], histograms: readonly Histogram[]): Family {
  return { name, help, type: 'histogram', bounds, histograms }
}
