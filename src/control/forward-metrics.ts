/**
 * What `/metrics` says of forwarding, under CoreDNS's names where CoreDNS has the figure. Layer: control.
 */

import type { Family, Sample } from '../admin/prometheus.ts'
import { RTT_BUCKETS } from '../forward/upstream.ts'
import type { ForwardService } from './forwarding.ts'
import { rcodeName } from './metrics.ts'

/**
 * @param notDeferred queries that found the ring of a worker full
 * @param lostReplies replies that the kernel did not take
 */
export function forwardFamilies(service: ForwardService, notDeferred: number, lostReplies: number): Family[] {
  const { forwarder, upstreams } = service
  const { stats } = forwarder
  const counter = (name: string, help: string, samples: Sample[]): Family => ({ name, help, type: 'counter', samples })
  const {
    answered,
    cached,
    servfail,
    refused,
    unrouted,
    shared,
    failedBefore,
    overTotal,
    overClient,
    overZone,
    loops,
    allDown,
  } = stats
  const results = { answered, cached, servfail, refused, unrouted }
  const reasons = {
    failed_before: failedBefore,
    over_total: overTotal,
    over_client: overClient,
    over_zone: overZone,
    loop: loops,
    not_taken: notDeferred,
  }
  return [
    counter(
      'coredns_forward_max_concurrent_rejects_total',
      'Queries refused because their zone had maxConcurrent questions in flight.',
      [{ value: overZone }],
    ),
    counter('coredns_forward_healthcheck_broken_total', 'Questions for which all upstreams were down.', [
      { value: allDown },
    ]),
    {
      name: 'coredns_proxy_request_duration_seconds',
      help: 'Time from asking an upstream to its reply.',
      type: 'histogram',
      bounds: RTT_BUCKETS,
      histograms: upstreams.flatMap(({ name, durations }) =>
        [...durations].map(([rcode, row]) => ({
          labels: { proxy_name: 'forward', to: name, rcode: rcodeName(rcode) },
          counts: row.subarray(0, RTT_BUCKETS.length + 1),
          sum: row[RTT_BUCKETS.length + 1]!,
        })),
      ),
    },
    counter(
      'coredns_proxy_healthcheck_failures_total',
      'Probes of an upstream, after an error, that were not answered.',
      upstreams.map(({ name, probeFailures }) => ({
        labels: { proxy_name: 'forward', to: name },
        value: probeFailures,
      })),
    ),
    counter(
      'coredns_proxy_conn_cache_hits_total',
      'Queries over TCP or TLS that found a connection open.',
      upstreams.map(({ name, where, connectionHits }) => ({
        labels: { proxy_name: 'forward', to: name, proto: where.tls ? 'tcp-tls' : 'tcp' },
        value: connectionHits,
      })),
    ),
    counter(
      'coredns_proxy_conn_cache_misses_total',
      'Queries over TCP or TLS for which a connection was opened.',
      upstreams.map(({ name, where, connectionMisses }) => ({
        labels: { proxy_name: 'forward', to: name, proto: where.tls ? 'tcp-tls' : 'tcp' },
        value: connectionMisses,
      })),
    ),
    counter(
      'headless_dns_forward_junk_total',
      'Messages from an upstream’s address that were no reply to what was asked, or malformed.',
      upstreams.map(({ name, junk }) => ({ labels: { to: name }, value: junk })),
    ),
    counter(
      'headless_dns_forward_replies_total',
      'Replies to forwarded queries.',
      Object.entries(results).map(([result, value]) => ({ labels: { result }, value })),
    ),
    counter('headless_dns_forward_shared_total', 'Queries that joined an equal question in flight.', [
      { value: shared },
    ]),
    counter(
      'headless_dns_forward_not_asked_total',
      'Queries answered SERVFAIL without asking anybody, by reason.',
      Object.entries(reasons).map(([reason, value]) => ({ labels: { reason }, value })),
    ),
    counter('headless_dns_forward_replies_lost_total', 'Replies that the kernel did not take.', [
      { value: lostReplies },
    ]),
    {
      name: 'headless_dns_forward_in_flight',
      help: 'Questions that upstreams have been asked and have not answered.',
      type: 'gauge',
      samples: [{ value: forwarder.inFlight }],
    },
  ]
}
