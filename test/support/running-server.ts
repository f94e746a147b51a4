/**
 * The whole server in this process, on free ports of both loopback addresses, fed by the test instead of a source.
 */

import type { ClusterSink } from '../../src/cluster/sink.ts'
import { createLogger } from '../../src/control/log.ts'
import { startServer } from '../../src/control/server.ts'
import type { RunningServer, ServerOptions } from '../../src/control/server-options.ts'
import type { ListenAddress } from '../../src/transport/datagram.ts'
import { parseName } from '../../src/wire/name.ts'

export interface Listening {
  readonly server: RunningServer
  readonly ipv4: ListenAddress
  readonly ipv6: ListenAddress
}

export type Records = ServerOptions['records']

const MOST_ATTEMPTS = 5

/**
 * @param fill opens the sinks it needs, commits a list to each, and flushes
 */
export async function startListening(
  transport: 'batch' | 'portable',
  fill: (cluster: ClusterSink) => void,
  records: Partial<Records> = {},
  more: Partial<ServerOptions> = {},
): Promise<Listening> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await listen(transport, fill, records, more)
    } catch (error) {
      // A port that was free for TCP is not always free for UDP.
      if ((error as { code?: string }).code !== 'ERR_LISTEN_IN_USE' || attempt === MOST_ATTEMPTS) throw error
    }
  }
}

async function listen(
  transport: 'batch' | 'portable',
  fill: (cluster: ClusterSink) => void,
  records: Partial<Records>,
  more: Partial<ServerOptions>,
): Promise<Listening> {
  const server = await startServer(
    {
      version: 'test',
      listen: [
        { address: '127.0.0.1', port: 0 },
        { address: '::1', port: 0 },
      ],
      admin: undefined,
      workers: 1,
      transport,
      records: {
        zones: [parseName('cluster.local')!],
        reverseZones: [parseName('in-addr.arpa')!, parseName('ip6.arpa')!],
        ttl: 5,
        negativeTtl: 1,
        pods: 'disabled',
        endpointPodNames: false,
        ignoreEmptyService: false,
        noEndpoints: false,
        namespacesAreChosen: false,
        ...records,
      },
      namespaces: [],
      moveWindowMs: 100,
      order: 'shuffle',
      maxUdpSize: 1232,
      replyLimits: { errorRate: 0, responseRate: undefined },
      tcp: { maxConnections: 1000, maxConnectionsPerClient: 1000, idleMs: 30_000 },
      lameduckMs: 0,
      staleError: false,
      startSources: async ({ cluster }) => {
        fill(cluster)
        return []
      },
      ...more,
    },
    createLogger('silent', false),
  )
  const [ipv4, ipv6] = server.addresses
  return { server, ipv4: ipv4!, ipv6: ipv6! }
}
