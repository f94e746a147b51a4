/**
 * Takes over a changed configuration while the server runs: when told to, and when the file changes. Layer: control.
 * A file that is broken, or asks for what cannot be had, is told with its lines, and what ran goes on. What cannot be
 * changed in a running server is named, and the rest is taken over.
 */

import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { FolderWatch, type WatchTimes } from '../manifests/folder-watch.ts'
import type { Config } from './config.ts'
import { applicable, changesOf, needsRestart, partsOf } from './config-changes.ts'
import { ConfigError } from './config-error.ts'
import type { Log } from './log.ts'
import type { Observed } from './metrics.ts'
import type { ReloadedParts, ServerOptions } from './server-options.ts'
import { checkFile, readText } from './text-file.ts'

export interface ReloadOptions {
  /** Absolute path; undefined: flags alone say what to do. */
  readonly file: string | undefined
  /** Of the file, from before the configuration that runs was loaded, so that no edit since then is missed. Default: of the file as it is now. */
  readonly hash?: string | undefined
  /** @throws ConfigError */
  readonly load: () => Config
  /** @throws what must not be served, with a stable `code` */
  readonly optionsOf: (config: Config) => ServerOptions
}

interface Reloadable {
  reload(options: ServerOptions, changed: ReloadedParts): Promise<void>
}

/** The delay is for who writes a file in several steps. */
const WATCH_TIMES: WatchTimes = { delayMs: 100, tickMs: 5000 }
const MAX_OCTETS = 1 << 20
/** An end of the process waits no longer for a reload. */
const LAST_RELOAD_MS = 5000

export class Reloader {
  private readonly options: ReloadOptions
  private readonly log: Log
  /** What runs. */
  private config: Config
  /** What the file says, as far as it could be loaded. */
  private wanted: Config
  /** Of the file: as it was taken over last, and as it was looked at last. */
  private hash: string
  private seen: string
  private done = 0
  private failed = 0
  private server: Reloadable | undefined
  private watching: FolderWatch | undefined
  private running: Promise<void> | undefined
  private isDue = false
  /** Why it failed since it was asked for or the file changed: each is told and counted once, however often it is tried again. */
  private readonly told = new Set<string>()
  private retryMs = 0
  private retrying: NodeJS.Timeout | undefined

  /** @param config loaded just now */
  constructor(config: Config, options: ReloadOptions, log: Log) {
    this.config = config
    this.wanted = config
    this.options = options
    this.log = log
    this.hash = options.hash ?? this.hashOf() ?? ''
    this.seen = this.hash
  }

  start(server: Reloadable, times: WatchTimes = WATCH_TIMES): void {
    this.server = server
    const { file } = this.options
    if (file === undefined) return
    this.retryMs = times.tickMs
    this.watching = new FolderWatch(() => this.look(), times)
    const folder = dirname(file)
    this.watching.follow(new Map([[folder, folder]]))
  }

  /** @returns when what is under way has ended, or after `waitMs` */
  async stop(waitMs = LAST_RELOAD_MS): Promise<void> {
    this.watching?.stop()
    clearTimeout(this.retrying)
    this.server = undefined
    const late = new AbortController()
    await Promise.race([this.running, delay(waitMs, undefined, { signal: late.signal }).catch(() => {})])
    late.abort()
  }

  /**
   * Loads the file again, whether it has changed or not, and the certificates that it names. One at a time; what is asked
   * meanwhile makes one more.
   */
  run(): Promise<void> {
    this.told.clear()
    return this.runNext()
  }

  metrics(): Pick<Observed, 'gauges' | 'counters'> {
    const waiting = this.waiting().length
    return {
      gauges: [
        {
          name: 'coredns_reload_version_info',
          help: 'Hash of the configuration file that was taken over last.',
          samples: this.hash === '' ? [] : [{ labels: { hash: 'sha512', value: this.hash }, value: 1 }],
        },
        {
          name: 'headless_dns_reload_restart_keys',
          help: 'Keys of the configuration file whose change waits for a restart.',
          samples: [{ value: waiting }],
        },
      ],
      counters: [
        {
          name: 'coredns_reload_failed_total',
          help: 'Configurations that were not taken over.',
          samples: [{ value: this.failed }],
        },
        {
          name: 'headless_dns_reloads_total',
          help: 'Configurations that were taken over.',
          samples: [{ value: this.done }],
        },
      ],
    }
  }

  notes(): string[] {
    const keys = this.waiting()
    return keys.length === 0 ? [] : [`the configuration has changes that need a restart: ${keys.join(', ')}`]
  }

  private waiting(): string[] {
    return changesOf(this.config, this.wanted)
  }

  private look(): void {
    if (!this.config.reload || this.server === undefined) return
    const hash = this.hashOf()
    if (hash !== undefined && hash !== this.seen) void this.run()
  }

  private runNext(): Promise<void> {
    this.isDue = true
    this.running ??= this.runAll().finally(() => {
      this.running = undefined
    })
    return this.running
  }

  private async runAll(): Promise<void> {
    while (this.isDue) {
      this.isDue = false
      await this.runOnce()
    }
  }

  private async runOnce(): Promise<void> {
    const { options, log, server } = this
    if (server === undefined) return
    clearTimeout(this.retrying)
    // What is broken is told once, not at every tick.
    this.seen = this.hashOf() ?? this.seen
    try {
      // A pipe, which can be read once: another time it is waited for.
      if (options.file !== undefined) checkFile(options.file, statSync(options.file), MAX_OCTETS)
      const wanted = options.load()
      const config = applicable(this.config, wanted)
      const changes = changesOf(this.config, config)
      const restart = changesOf(config, wanted).filter(needsRestart)
      const parts = partsOf(changes)
      const hasCertificates = config.forward.some(({ tlsCa }) => tlsCa !== undefined)
      await server.reload(options.optionsOf(config), { ...parts, names: parts.names || hasCertificates })
      log.setLevel(config.log.level)
      this.config = config
      this.wanted = wanted
      this.hash = this.seen
      this.done++
      log.info('the configuration is taken over', { changes })
      if (restart.length > 0) log.warn('these changes of the configuration need a restart', { keys: restart })
    } catch (error) {
      this.tell(error as Error)
      if (!(error instanceof ConfigError)) this.retryLater()
    }
  }

  private tell({ message, code }: Error & { code?: string }): void {
    if (this.told.has(message)) return
    this.told.add(message)
    this.failed++
    this.log.error(`the configuration is not taken over, what ran goes on: ${message}`, { code })
  }

  /** What is wrong lies elsewhere than in the file, and may pass without a change of it: a certificate that is not there yet. */
  private retryLater(): void {
    if (this.retryMs === 0 || !this.config.reload || this.server === undefined) return
    this.retrying = setTimeout(() => void this.runNext(), this.retryMs).unref()
  }

  private hashOf(): string | undefined {
    const { file } = this.options
    return file === undefined ? undefined : hashOfFile(file)
  }
}

/** Of the file as it is now; undefined: it cannot be read, or is no file. */
export function hashOfFile(file: string): string | undefined {
  try {
    return createHash('sha512').update(readText(file, MAX_OCTETS)).digest('hex')
  } catch {
    return undefined
  }
}
