/**
 * Manifest files as a source of the cluster: read at the start, and again whenever one changes. Layer: manifests.
 * Each reading that changes something is handed on as complete lists and one `flush`: an edit is one change.
 */

import { type ClusterSink, replaceWith } from '../cluster/sink.ts'
import { AddressPool } from './address-pool.ts'
import { type Reconciled, reconcile } from './controller.ts'
import { ManifestFiles, type Refresh } from './files.ts'
import { FolderWatch, type WatchTimes } from './folder-watch.ts'
import { parseLabelSelector } from './label-selector.ts'

export interface ManifestsOptions {
  /** Files and folders. */
  readonly paths: readonly string[]
  /** IPv4 range of the addresses of simulated pods. */
  readonly podCIDR: string
  /** The only namespaces to read; empty: all. */
  readonly namespaces: readonly string[]
  /** Label selector of Namespaces; `''`: all. */
  readonly namespaceLabels: string
  /** Label selector of Services, EndpointSlices and Pods; `''`: all. */
  readonly labels: string
  /** Hand on Pods too, for `records.pods: verified`. */
  readonly pods: boolean
  /** Who is told of pods that ask (`autopath`); undefined: nobody. */
  readonly clients?: ClusterSink | undefined
}

export interface Logger {
  info(message: string, fields?: Record<string, unknown>): void
  warn(message: string, fields?: Record<string, unknown>): void
}

export interface ManifestsSummary {
  readonly services: number
  /** Ready addresses in all slices. */
  readonly endpoints: number
  readonly simulatedPods: number
  readonly files: number
}

export interface ManifestsSource {
  /** Nothing is handed on after it; what was stays served. */
  stop(): void
  summary(): ManifestsSummary
}

const PARTITION = 'manifests'
/** An edit is served within 100 ms: this wait, and the reading. */
const WATCH_TIMES: WatchTimes = { delayMs: 20, tickMs: 2000 }

/**
 * Reads the manifests, gives them to `sink` as one change, and follows them.
 * @param watchTimes for tests
 * @throws {ManifestsError} ERR_MANIFESTS_PATH, ERR_MANIFESTS_POD_CIDR, ERR_MANIFESTS_SELECTOR; nothing is left running
 */
export async function startManifests(
  options: ManifestsOptions,
  sink: ClusterSink,
  logger: Logger,
  watchTimes: WatchTimes = WATCH_TIMES,
): Promise<ManifestsSource> {
  const pool = new AddressPool(options.podCIDR)
  const choice = {
    namespaces: options.namespaces,
    namespaceLabels: parseLabelSelector(options.namespaceLabels),
    labels: parseLabelSelector(options.labels),
  }
  const files = new ManifestFiles(options.paths)
  const first = await files.refresh()

  const services = sink.open('Service', PARTITION)
  const slices = sink.open('EndpointSlice', PARTITION)
  // As with an API server: while Namespaces are watched, a Service of one that no source knows is not answered.
  const namespaces = options.namespaceLabels === '' ? undefined : sink.open('Namespace', PARTITION)
  const pods = options.pods ? sink.open('Pod', PARTITION) : undefined
  const clients = options.clients?.open('Pod', PARTITION)
  let summary: ManifestsSummary
  let notes: ReadonlySet<string> = new Set()
  let isRunning = false
  let isDue = false
  /** Why what was read is not served. */
  let failure: string | undefined
  let stopped = false
  serve()
  report(first)
  logger.info('manifests are served', { ...summary! })

  const watching = new FolderWatch(() => void run(), watchTimes)
  watching.follow(first.folders)
  return {
    stop() {
      stopped = true
      watching.stop()
    },
    summary: () => summary,
  }

  /** One reading at a time; notices that come meanwhile make one more. */
  async function run(): Promise<void> {
    isDue = true
    if (isRunning) return
    isRunning = true
    try {
      while (isDue && !stopped) {
        isDue = false
        await refresh()
      }
    } finally {
      isRunning = false
    }
  }

  async function refresh(): Promise<void> {
    const result = await files.refresh()
    if (stopped) return
    watching.follow(result.folders)
    report(result)
    if (!result.changed && failure === undefined) return
    try {
      serve()
    } catch (error) {
      const { stack } = error as Error
      if (stack !== failure) logger.warn('manifests changed and cannot be served; they are tried again', { stack })
      failure = stack ?? ''
      return
    }
    failure = undefined
    logger.info('manifests changed and are served', { ...summary })
  }

  function serve(): void {
    const objects = reconcile(files.objects(), pool, choice)
    replaceWith(services, objects.services)
    replaceWith(slices, objects.slices)
    if (namespaces !== undefined) replaceWith(namespaces, objects.namespaces)
    if (pods !== undefined) replaceWith(pods, objects.pods)
    if (clients !== undefined) replaceWith(clients, objects.clients)
    sink.flush()
    for (const note of objects.notes) if (!notes.has(note)) logger.info(note)
    notes = new Set(objects.notes)
    summary = summarize(objects, files.count)
  }

  function report({ problems, lost }: Refresh): void {
    for (const { file, line, reason, isKept } of problems) {
      const consequence = isKept ? 'what this file gave stays served' : 'it is left out'
      logger.warn(`${file}:${line}: ${reason}; ${consequence}`, { file, line, reason })
    }
    for (const path of lost) logger.warn(`the manifests cannot be read any more, what was served stays: ${path}`)
  }
}

function summarize({ services, slices, simulatedPods }: Reconciled, files: number): ManifestsSummary {
  const endpoints = slices.reduce((sum, slice) => sum + slice.endpoints.filter(endpoint => endpoint.ready).length, 0)
  return { services: services.length, endpoints, simulatedPods, files }
}
