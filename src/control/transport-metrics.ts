/**
 * What `/metrics` says of sockets. Layer: control.
 */

import type { Sample } from '../admin/prometheus.ts'
import type { TcpServer } from '../transport/tcp.ts'
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

export function transportCounters(workers: Workers | undefined, tcp: TcpServer | undefined): Observed['counters'] {
  return [
    {
      name: 'headless_dns_udp_datagrams_total',
      help: 'Datagrams, by what became of them.',
      samples: UDP_EVENTS.map((event, field) => ({
        labels: { event },
        value: (workers?.rows ?? []).reduce((sum, row) => sum + row[field]!, 0),
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
  const { accepted, evicted, overdue, acceptErrors } = tcp.stats
  const values = { accepted, evicted, overdue, failed: acceptErrors }
  return Object.entries(values).map(([event, value]) => ({ labels: { event }, value }))
}
