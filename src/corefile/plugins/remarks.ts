/**
 * Plugins without a key of ours: what each did and what to do instead. Layer: corefile; a table.
 * CoreDNS's built-in plugins, and those that were built in once.
 */

import type { Remark } from '../finding.ts'

const ZONE_INSTEAD =
  'Serve the zone with a name server of its own (Knot, NSD, CoreDNS) and add {zone: ZONE, upstreams: [ADDRESS]} to forward.'
const CLOUD_INSTEAD = "Forward the zone to the cloud's own resolver: {zone: ZONE, upstreams: [ADDRESS]} in forward."
const NOT_SPOKEN = 'Only DNS over UDP and TCP is served: put a proxy such as dnsdist before it for other transports.'

export const REMARKS: Readonly<Record<string, Remark>> = {
  root: ['leftOut', 'It set the folder that zone files are relative to.', 'There are no zone files here.'],
  metadata: [
    'leftOut',
    'It let plugins hand words about a query to log lines and other plugins.',
    'Nothing here uses them.',
  ],
  geoip: ['leftOut', "It looked up the client's place in a MaxMind database.", 'Nothing here uses it.'],
  cancel: [
    'builtIn',
    'It ended work on a query after a time.',
    'Forwarding ends after 4.4 s; other answers take no time.',
  ],
  tls: ['changesAnswers', 'It gave the certificate for DNS over TLS, HTTPS or QUIC.', NOT_SPOKEN],
  quic: ['changesAnswers', 'It set up DNS over QUIC.', NOT_SPOKEN],
  grpc_server: ['changesAnswers', 'It set up DNS over gRPC.', NOT_SPOKEN],
  https: ['changesAnswers', 'It set up DNS over HTTPS.', NOT_SPOKEN],
  https3: ['changesAnswers', 'It set up DNS over HTTP/3.', NOT_SPOKEN],
  proxyproto: [
    'changesAnswers',
    "It took the client's address from the PROXY protocol of a load balancer.",
    'The PROXY protocol is not understood: let the load balancer keep source addresses.',
  ],
  nsid: [
    'leftOut',
    'It told who answered when a query asks for it (EDNS NSID, RFC 5001).',
    'Ask each pod at its own address to know who answers.',
  ],
  trace: ['leftOut', 'It sent traces to Zipkin, Datadog or OpenTelemetry.', 'Durations are in /metrics.'],
  pprof: [
    'leftOut',
    'It served profiles of the Go runtime.',
    'Run node --inspect or --cpu-prof where a profile is needed.',
  ],
  dnstap: [
    'leftOut',
    'It sent queries and replies to a dnstap collector.',
    'Capture them at the socket with tcpdump or dnscap.',
  ],
  shed: [
    'builtIn',
    'It dropped queries when too many wait.',
    'The queue is the socket buffer, and the kernel drops and counts.',
  ],
  any: [
    'builtIn',
    'It answered queries of type ANY with a short HINFO (RFC 8482).',
    'Names of the cluster always are.',
  ],
  chaos: [
    'changesAnswers',
    'It answered version.bind, hostname.bind and authors.bind in the class CH.',
    'The class CH is REFUSED; dns-version and /metrics tell versions.',
  ],
  tsig: [
    'changesAnswers',
    'It checked and made signatures with shared keys (TSIG, RFC 8945).',
    'TSIG is not checked: allow by network, or put a server before this one that does.',
  ],
  header: [
    'changesAnswers',
    'It set or cleared header bits (AA, RA, RD) of queries or answers.',
    'The bits are as the RFCs say: AA for our zones, RA where there is a forward.',
  ],
  dnssec: ['changesAnswers', 'It signed answers as they went out.', 'Answers are not signed. ' + ZONE_INSTEAD],
  sign: ['changesAnswers', 'It signed zone files.', ZONE_INSTEAD],
  minimal: [
    'leftOut',
    'It left the authority and additional sections out of positive answers.',
    'Addresses beside SRV records stay: clients may use them or not.',
  ],
  file: ['changesAnswers', 'It answered a zone from a zone file.', ZONE_INSTEAD],
  auto: ['changesAnswers', 'It answered zones from the zone files of a folder.', ZONE_INSTEAD],
  secondary: ['changesAnswers', 'It fetched a zone from a primary server and answered it.', ZONE_INSTEAD],
  etcd: ['changesAnswers', 'It answered names from etcd, in the form of SkyDNS.', ZONE_INSTEAD],
  route53: ['changesAnswers', 'It answered names of hosted zones of AWS Route 53.', CLOUD_INSTEAD],
  azure: ['changesAnswers', 'It answered names of zones of Azure DNS.', CLOUD_INSTEAD],
  clouddns: ['changesAnswers', 'It answered names of zones of Google Cloud DNS.', CLOUD_INSTEAD],
  nomad: ['changesAnswers', 'It answered names of services of HashiCorp Nomad.', ZONE_INSTEAD],
  grpc: [
    'changesAnswers',
    'It forwarded queries over gRPC.',
    'Forward over UDP, TCP or TLS: {zone: ZONE, upstreams: [ADDRESS]} in forward.',
  ],
  dynamicforward: [
    'changesAnswers',
    'It forwarded to the ready endpoints of a Kubernetes Service.',
    "Name the Service's cluster IP among the upstreams of forward.",
  ],
  erratic: ['changesAnswers', 'It delayed, cut and dropped answers, for tests of clients.', 'Nothing here does that.'],
  whoami: ['changesAnswers', "It answered every name with the client's address and port.", 'Nothing here does that.'],
  on: [
    'leftOut',
    'It ran a command when the server starts or ends.',
    'Use the life-cycle hooks of the pod, or of systemd.',
  ],
  view: [
    'changesAnswers',
    'It answered from its server block only when an expression about the query held.',
    'All clients get the same names here: run another server for the others.',
  ],
  loop: [
    'builtIn',
    'At the start it looked for a forwarding loop, and ended the process upon one.',
    'Each query that comes back is known and answered SERVFAIL, with a word in the log.',
  ],
  reload: [
    'builtIn',
    'It looked at the Corefile every so often, and loaded it when it had changed.',
    'The configuration file is loaded as soon as it changes (reload); what needs a restart is named.',
  ],
  federation: [
    'changesAnswers',
    'It answered names of Kubernetes Federation v1, which is gone.',
    'Nothing needs to be done.',
  ],
}
