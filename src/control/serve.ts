/**
 * Config → a running server in this process, until a signal ends it. Layer: control.
 */

import { networkInterfaces } from 'node:os'
import { ClientPods } from '../cluster/client-pods.ts'
import { LOG_DENIAL, LOG_ERROR, LOG_SUCCESS, type QueryLogRules } from '../dataplane/query-log.ts'
import type { ReplyLimits } from '../dataplane/reply-limits.ts'
import type { ReflectorDeps } from '../kubernetes/reflector-types.ts'
import { parseNetwork } from '../rules/networks.ts'
import { parseAddress } from '../wire/address.ts'
import { parseName } from '../wire/name.ts'
import { type AutopathSetup, addressKey, searchListOf } from './autopath.ts'
import { type Config, formatSocketAddress, type TransferConfig } from './config.ts'
import type { Log } from './log.ts'
import { nameRulesOf } from './name-rules.ts'
import { refuseOpenResolver } from './open-resolver.ts'
import { Reloader, type ReloadOptions } from './reload.ts'
import { startServer } from './server.ts'
import type { RunningServer, ServerOptions } from './server-options.ts'
import { Signals } from './signals.ts'
import { sourcesOf } from './sources.ts'
import type { TransferOptions } from './transfer-service.ts'

/** A running server whose configuration can be loaded again. */
export interface ServedConfig extends RunningServer {
  /** As at SIGHUP; what comes of it is in the log. */
  reloadConfig(): Promise<void>
}

/** Where the configuration comes from; `load` is called again at every reload. */
export type ConfigOrigin = Pick<ReloadOptions, 'file' | 'hash' | 'load'>

/**
 * @param deps   another clock and chance for reflectors than this machine's
 * @param origin undefined: the configuration stays as it is
 * @param ending aborted: the start is given up, and everything closed again
 * @throws what keeps the server from starting, with a stable `code`
 */
export async function serve(
  config: Config,
  version: string,
  log: Log,
  deps?: ReflectorDeps,
  origin: ConfigOrigin = { file: undefined, load: () => config },
  ending?: AbortSignal,
): Promise<ServedConfig> {
  const autopath = autopathOf(config, log)
  const optionsOf = (next: Config): ServerOptions => {
    const interfaces = Object.values(networkInterfaces()).flatMap(list => list ?? [])
    refuseOpenResolver(
      next,
      interfaces.map(({ address }) => address),
    )
    return { ...serverOptions(next, version, log, autopath, deps), report: reloader }
  }
  const reloader = new Reloader(config, { ...origin, optionsOf }, log)
  const server = await startServer(optionsOf(config), log, ending)
  reloader.start(server)
  const stop = server.stop.bind(server)
  return Object.assign(server, {
    reloadConfig: () => reloader.run(),
    async stop(lameduckMs?: number) {
      await reloader.stop()
      await stop(lameduckMs)
    },
  })
}

/**
 * Resolves with the exit code when a signal has ended the server; until then no uncaught error ends the process.
 * @param signals those that may have come while it started
 */
export async function untilSignal(
  server: RunningServer & Partial<ServedConfig>,
  log: Log,
  signals = new Signals(),
): Promise<number> {
  process.on('uncaughtException', (error, origin) => server.uncaught.note(error, origin))
  signals.logTo(log)
  signals.onReload(() => void server.reloadConfig?.())
  const signal = await signals.ended
  log.info('shutting down', { signal })
  // A person who pressed Ctrl-C does not want to wait.
  await server.stop(signal === 'SIGINT' ? 0 : undefined)
  if (server.workers.lost > 0) {
    // An exit waits for the thread's system call, for ever perhaps.
    log.warn('a worker could not be ended: the process kills itself')
    log.flush()
    process.kill(process.pid, 'SIGKILL')
  }
  return 0
}

/** What is served, and where, for a person who has just started it. */
export function describe(server: RunningServer, config: Config, sample: string | undefined): string[] {
  const { cluster } = server.serving
  const { services, endpoints } = cluster.counts()
  const where = server.addresses.map(formatSocketAddress).join(', ')
  const place = `${config.zones.join(', ')} on ${where} (UDP and TCP)`
  const lines = [
    cluster.synced
      ? `serving ${services} services with ${endpoints} ready endpoints in ${place}`
      : `listening for ${place}: not ready yet, there is nothing to answer from`,
  ]
  if (server.adminAddress !== undefined)
    lines.push(`health, readiness and metrics on http://${formatSocketAddress(server.adminAddress)}`)
  const first = server.addresses[0]
  if (sample !== undefined && first !== undefined) lines.push(`try:  dig @${first.address} -p ${first.port} ${sample}`)
  return lines
}

/** @returns undefined: nobody's search path is walked */
function autopathOf(config: Config, log: Log): AutopathSetup | undefined {
  if (!config.autopath.enabled) return undefined
  const zones = config.autopath.zones.length > 0 ? config.autopath.zones : config.zones
  return {
    zones: zones.map(zone => parseName(zone)!),
    search: searchListOf(config, log),
    pods: new ClientPods(address => addressKey(parseAddress(address))),
  }
}

function serverOptions(
  config: Config,
  version: string,
  log: Log,
  autopath: AutopathSetup | undefined,
  deps?: ReflectorDeps,
): ServerOptions {
  const { answers, source, limits } = config
  const { moveWindowMs, external, multicluster, ...records } = config.records
  const { namespaces = [], namespaceLabels = '' } = source.kubernetes ?? {}
  const wire = (zone: string) => parseName(zone)!
  return {
    version,
    listen: config.listen,
    admin: config.admin,
    health: config.health,
    ready: config.ready,
    workers: config.workers,
    transport: config.transport,
    records: {
      ...records,
      zones: config.zones.map(wire),
      reverseZones: config.reverseZones.map(wire),
      ...(multicluster.length > 0 && { multicluster: multicluster.map(wire) }),
      ...(external.zones.length > 0 && { external: { ...external, zones: external.zones.map(wire) } }),
      namespacesAreChosen: namespaces.length > 0 || namespaceLabels !== '',
    },
    namespaces,
    moveWindowMs,
    order: answers.order,
    maxUdpSize: answers.maxUdpSize,
    tcp: {
      maxConnections: limits.tcp.connections,
      maxConnectionsPerClient: limits.tcp.perClient,
      idleMs: limits.tcp.idleMs,
    },
    replyLimits: replyLimitsOf(limits),
    ...(config.forward.length > 0 && {
      forwarding: { zones: config.forward, fallthrough: config.fallthrough.map(wire), ...limits.forward },
    }),
    rules: nameRulesOf(config).rules,
    ...(config.transfer.length > 0 && { transfer: config.transfer.map(transferOf) }),
    autopath,
    ...(config.cache && { cache: config.cache }),
    queryLog: queryLogOf(config.log.queries),
    lameduckMs: config.lameduckMs,
    staleError: answers.staleError,
    startSources: sourcesOf(config, log, deps, autopath?.pods),
  }
}

function transferOf({ zones, networks, notify }: TransferConfig): TransferOptions {
  return {
    zones: zones.map(zone => parseName(zone)!),
    // A secondary that is told of changes may fetch them.
    networks: [...networks, ...notify.map(({ address }) => address.split('%')[0]!)].map(each => parseNetwork(each)!),
    notify,
  }
}

const LOG_CLASSES = {
  all: LOG_SUCCESS | LOG_DENIAL | LOG_ERROR,
  success: LOG_SUCCESS,
  denial: LOG_DENIAL,
  error: LOG_ERROR,
}

function queryLogOf({ classes, sample, zones }: Config['log']['queries']): QueryLogRules | undefined {
  if (classes.length === 0) return undefined
  const bits = classes.reduce((all, each) => all | LOG_CLASSES[each], 0)
  return { classes: bits, sample, zones: zones.map(zone => parseName(zone)!) }
}

function replyLimitsOf({ errorRate, responseRate }: Config['limits']): ReplyLimits {
  if (responseRate.perSecond === 0) return { errorRate, responseRate: undefined }
  const exempt = responseRate.exempt.map(cidr => parseNetwork(cidr)!)
  return { errorRate, responseRate: { ...responseRate, exempt } }
}
