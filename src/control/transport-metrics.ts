/**
 * What `/metrics` says of sockets. Layer: control.
 */

import type { Sample } from '../admin/prometheus.ts'
import { LIMITED_ERRORS, LIMITED_RESPONSES, SLIPPED_RESPONSES } from '../dataplane/counters.ts'
import type { TcpServer, TcpStats } from '../transport/tcp.ts'
import type { Observed } from './metrics.ts'
import type { Workers } from './workers.ts'

/** The STAT_… fields of a row (transport/datagram.ts) in their order, without the last, the number of batches. */
const UDP_EVENTS = [
  'received',
  'answered',
  'unanswered',
  'too_long',
  'from_port_0',
  'send_blocked',
  'send_forbidden',
  'send_unreachable',
  'send_too_long',
  'send_failed',
  'receive_failed',
]

const TCP_EVENTS: readonly (readonly [string, keyof TcpStats])[] = [
  ['accepted', 'accepted'],
  ['evicted', 'evicted'],
  ['evicted_of_client', 'evictedOfClient'],
  ['idle', 'idle'],
  ['slow_query', 'slowQuery'],
  ['slow_reader', 'slowReader'],
  ['not_dns', 'notDns'],
  ['held_too_much', 'heldTooMuch'],
  ['failed', 'acceptErrors'],
]

const LIMITED = [
  { limit: 'errorRate', action: 'dropped', field: LIMITED_ERRORS },
  { limit: 'responseRate', action: 'dropped', field: LIMITED_RESPONSES },
  { limit: 'responseRate', action: 'slipped', field: SLIPPED_RESPONSES },
]

/** @param deferred row of queries over UDP that were left to the main thread */
export function transportCounters(
  workers: Workers | undefined,
  tcp: TcpServer | undefined,
  deferred: Float64Array,
): Observed['counters'] {
  return [
    {
      name: 'headless_dns_udp_datagrams_total',
      help: 'Datagrams, by what became of them.',
      samples: UDP_EVENTS.map((event, field) => ({
        labels: { event },
        value: sumOf(workers, field),
      })),
    },
    {
      name: 'headless_dns_limited_replies_total',
      help: 'Replies over UDP above limits.errorRate or limits.responseRate, by what became of them.',
      samples: LIMITED.map(({ field, ...labels }) => ({
        labels,
        value: sumOf(workers, field) + deferred[field]!,
      })),
    },
    {
      name: 'headless_dns_udp_dropped_by_kernel_total',
      help: 'Queries that found the receive buffer full, by listen address.',
      samples: workers?.drops() ?? [],
    },
    {
      name: 'headless_dns_tcp_connections_total',
      help: 'TCP connections, by what became of them.',
      samples: tcpSamples(tcp),
    },
  ]
}

function tcpSamples(tcp: TcpServer | undefined): Sample[] {
  if (tcp === undefined) return []
  return TCP_EVENTS.map(([event, key]) => ({ labels: { event }, value: tcp.stats[key] }))
}

function sumOf(workers: Workers | undefined, field: number): number {
  return (workers?.rows ?? []).reduce((sum, row) => sum + row[field]!, 0)
}
