/**
 * What a request to the API server needs besides its path: address, TLS material, Authorization. Layer: kubernetes.
 * @kubernetes/client-node (kube-config.ts) is used for what it is good at: kubeconfig files, exec plugins, tokens,
 * certificates; without a kubeconfig it is not loaded. Files are watched here: tokens are replaced every hour, certificate
 * authorities every few years.
 */

import type { ChildProcess, SpawnOptions } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import type { RequestOptions } from 'node:https'
import { dirname, resolve } from 'node:path'
import { abortable } from './abortable.ts'
import { ApiError } from './errors.ts'
import type { KubeConfig } from './kube-config.ts'
import { readServiceAccount } from './service-account.ts'

export interface ClientOptions {
  /** One of these three. */
  readonly kubeconfig?: string | undefined
  readonly endpoint?: string | undefined
  readonly inCluster?: boolean
  /** With `kubeconfig`; the file's current context when absent. */
  readonly context?: string | undefined
  /** In front of `/var/run/secrets/kubernetes.io/serviceaccount`, for tests. */
  readonly root?: string
}

interface Loaded {
  readonly server: string
  /** Certificate authority, PEM; '' : none of its own. */
  readonly authority: string
  /** Files that all of it comes from. */
  readonly files: readonly string[]
  options(): Promise<RequestOptions>
}

/** How soon a new file is seen while there is nothing else to do than wait for it. */
const LOOK_MS = 2000
/** An exec plugin, or an identity provider that is asked for a token. */
const LIMIT_MS = 60_000
const HANGS = `not in ${LIMIT_MS / 1000} s; run the exec plugin of the kubeconfig by hand to see what it waits for`

export class Credentials {
  readonly server: string
  readonly authority: string
  private readonly source: ClientOptions
  private loaded: Loaded
  /** Of the files as they were read, and as they were when that was tried last. */
  private stamp: string
  private tried: string
  /** What `loaded` gave last; undefined: nothing yet. */
  private given: string | undefined
  private reloading: Promise<void> | undefined

  private constructor(source: ClientOptions, loaded: Loaded) {
    this.source = source
    this.loaded = loaded
    this.stamp = stampOf(loaded.files)
    this.tried = this.stamp
    this.server = loaded.server
    this.authority = loaded.authority
  }

  /** @throws ApiError ERR_API_CONFIG when what is given cannot be used */
  static async load(source: ClientOptions): Promise<Credentials> {
    return new Credentials(source, await load(source))
  }

  /**
   * Of a request made now.
   * @throws ApiError ERR_API_CONFIG: a file is gone, an exec plugin failed or hangs; the signal's reason when it was aborted
   */
  async options(signal: AbortSignal): Promise<RequestOptions> {
    if (this.isChanged()) await this.reload()
    const { loaded } = this
    try {
      const options = await abortable(loaded.options(), signal)
      if (loaded === this.loaded) this.given = proofOf(options)
      return options
    } catch (cause) {
      if (signal.aborted) throw signal.reason
      const message = `the credentials for ${this.server} cannot be had: ${(cause as Error).message}`
      throw new ApiError('ERR_API_CONFIG', message, { cause })
    }
  }

  /** @param refused what a request was made with; what has been had since then is kept */
  async renew(refused: RequestOptions): Promise<void> {
    if (this.given === proofOf(refused)) await this.reload()
  }

  private reload(): Promise<void> {
    this.reloading ??= this.readAnew().finally(() => {
      this.reloading = undefined
    })
    return this.reloading
  }

  /** What cannot be read now may be at the next request; until then what is known is used. */
  private async readAnew(): Promise<void> {
    // The package keeps a token for a minute by the wall clock; a new configuration keeps none.
    this.tried = stampOf(this.loaded.files)
    const { tried } = this
    try {
      this.loaded = await load(this.source)
      this.given = undefined
      this.stamp = tried
    } catch {
      // As said above.
    }
  }

  /** Resolves when a file is another than when it was tried last; not at all when there is none, or after `signal`. */
  changed(signal: AbortSignal): Promise<void> {
    // As it is now: of several who wait, the first to try must not keep it from the others.
    const { tried } = this
    return new Promise(resolve => {
      if (this.loaded.files.length === 0 || signal.aborted) return
      const timer = setInterval(() => {
        if (stampOf(this.loaded.files) === tried) return
        clearInterval(timer)
        resolve()
      }, LOOK_MS)
      signal.addEventListener('abort', () => clearInterval(timer), { once: true })
    })
  }

  private isChanged(): boolean {
    return stampOf(this.loaded.files) !== this.stamp
  }
}

/** What a request says of who makes it. */
function proofOf({ headers, cert, key }: RequestOptions): string {
  const { Authorization } = (headers ?? {}) as Record<string, string | undefined>
  return [Authorization, cert, key].map(String).join('\n')
}

/** Requests that are made at one time run one plugin. One that hangs is not waited for by those that come later. */
function shared(ask: () => Promise<RequestOptions>): () => Promise<RequestOptions> {
  let asking: Promise<RequestOptions> | undefined
  return () => {
    asking ??= limited(ask()).finally(() => {
      asking = undefined
    })
    return asking
  }
}

function limited<T>(promise: Promise<T>): Promise<T> {
  const limit = new AbortController()
  const timer = setTimeout(() => limit.abort(new Error(HANGS)), LIMIT_MS)
  return abortable(promise, limit.signal).finally(() => clearTimeout(timer))
}

function stampOf(files: readonly string[]): string {
  return files
    .map(file => {
      try {
        const { ino, size, mtimeMs } = statSync(file)
        return `${ino} ${size} ${mtimeMs}`
      } catch (error) {
        // A loop of links, a folder that may not be entered: who reads it is told.
        return (error as NodeJS.ErrnoException).code
      }
    })
    .join()
}

async function load({ endpoint, kubeconfig, context, root = '' }: ClientOptions): Promise<Loaded> {
  if (endpoint !== undefined) return plainEndpoint(endpoint)
  return kubeconfig === undefined ? loadServiceAccount(root) : loadKubeConfig(kubeconfig, context)
}

function loadServiceAccount(root: string): Loaded {
  try {
    const { server, authority, files } = readServiceAccount(root)
    return {
      server,
      authority,
      files,
      async options() {
        const now = readServiceAccount(root)
        return { ca: now.authority, headers: { Authorization: `Bearer ${now.token}` } }
      },
    }
  } catch (cause) {
    const message = `the service account of this pod cannot be used: ${(cause as Error).message}`
    throw new ApiError('ERR_API_CONFIG', message, { cause })
  }
}

function plainEndpoint(server: string): Loaded {
  return { server, authority: '', files: [], options: async () => ({}) }
}

async function loadKubeConfig(kubeconfig: string, context: string | undefined): Promise<Loaded> {
  const { KubeConfig, loadYaml } = await import('./kube-config.ts')
  const config = new KubeConfig()
  limitPlugins(config)
  try {
    loadFile(config, kubeconfig, loadYaml)
    if (context !== undefined) config.setCurrentContext(context)
  } catch (cause) {
    const message = `the kubeconfig ${kubeconfig} cannot be used: ${(cause as Error).message}`
    throw new ApiError('ERR_API_CONFIG', message, { cause })
  }
  const cluster = config.getCurrentCluster()
  if (cluster === null) {
    const contexts = config.getContexts().map(({ name }) => name)
    const asked = context ?? config.getCurrentContext()
    throw new ApiError(
      'ERR_API_CONFIG',
      `the kubeconfig ${kubeconfig} has no context ${JSON.stringify(asked)}; it has ${contexts.join(', ') || 'none'}`,
    )
  }
  if (cluster.proxyUrl !== undefined) {
    throw new ApiError('ERR_API_CONFIG', `the kubeconfig ${kubeconfig} names a proxy-url: proxies are not supported`)
  }
  // Plain HTTP has no material that it could need, and the package refuses to make any.
  if (/^http:/i.test(cluster.server)) return plainEndpoint(cluster.server)
  return {
    server: cluster.server,
    authority: authorityOf(cluster),
    files: [kubeconfig, ...filesOf(config)],
    options: shared(async () => {
      const all: RequestOptions = {}
      await config.applyToHTTPSOptions(all)
      // The agent it makes is for one request; ours keeps connections.
      const { agent: _, auth, headers, ...kept } = all
      const basic = auth == null ? {} : { Authorization: `Basic ${Buffer.from(auth).toString('base64')}` }
      return {
        ...kept,
        ...tlsOf(cluster),
        headers: { ...trimmed(headers as Record<string, string> | undefined), ...basic },
      }
    }),
  }
}

interface PluginRunner {
  execFn?: (command: string, given: readonly string[], options: SpawnOptions) => ChildProcess
}

/**
 * The package waits for a plugin that hangs, and never ends it: every try would leave one more process. Many plugins are
 * scripts around another program, so each has a process group of its own, which ends as a whole: by the limit, and with us,
 * whom an interrupt from the terminal reaches alone then.
 */
function limitPlugins(config: KubeConfig): void {
  for (const runner of config['authenticators'] as PluginRunner[]) {
    const { execFn: run } = runner
    if (run === undefined) continue
    runner.execFn = (command, given, options) => {
      const plugin = run(command, given, { ...options, detached: true })
      const end = () => killGroup(plugin)
      const timer = setTimeout(end, LIMIT_MS)
      process.once('exit', end)
      // Not 'exit': what a plugin leaves behind may hold its output open, for which the package waits.
      return plugin.once('close', () => {
        clearTimeout(timer)
        process.off('exit', end)
      })
    }
  }
}

function killGroup({ pid }: ChildProcess): void {
  // It could not be started.
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // All of it is over.
  }
}

/** Files that the cluster and the user of the current context name. */
function filesOf(config: KubeConfig): string[] {
  const user = config.getCurrentUser()
  const tokenFile: string | undefined = user?.authProvider?.config?.tokenFile
  const all = [config.getCurrentCluster()?.caFile, user?.certFile, user?.keyFile, tokenFile]
  return all.filter(file => file !== undefined)
}

type Cluster = NonNullable<ReturnType<KubeConfig['getCurrentCluster']>>

/** The package applies none of it where the context names no user. As client-go has it, data go before a file. */
function tlsOf({ caData, caFile, skipTLSVerify, tlsServerName }: Cluster): RequestOptions {
  const options: RequestOptions = {}
  if (caData) options.ca = Buffer.from(caData, 'base64')
  else if (caFile) options.ca = readFileSync(caFile)
  if (skipTLSVerify) options.rejectUnauthorized = false
  if (tlsServerName) options.servername = tlsServerName
  return options
}

/** What cannot be read is said by the first request. */
function authorityOf({ caData, caFile }: Cluster): string {
  if (caData !== undefined) return Buffer.from(caData, 'base64').toString('latin1').trim()
  try {
    return caFile === undefined ? '' : readFileSync(caFile, 'latin1').trim()
  } catch {
    return ''
  }
}

/** A token file may end in a newline, which no header may hold. */
function trimmed(headers: Record<string, string> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.trim()]))
}

interface UserEntry {
  readonly name?: unknown
  readonly user?: { readonly tokenFile?: unknown }
}

/** What the package leaves out of a kubeconfig is put in: a user's `tokenFile`, which goes before its `token`. */
function loadFile(config: KubeConfig, file: string, parseYaml: (text: string) => unknown): void {
  const text = readFileSync(file, 'utf8')
  const raw = parseYaml(text) as { users?: UserEntry[] } | undefined
  if (typeof raw !== 'object' || raw === null) throw new Error('it is no kubeconfig')
  config.loadFromString(text)
  config.makePathsAbsolute(dirname(file))
  config.users = config.users.map(user => {
    const tokenFile = raw.users?.find(({ name }) => name === user.name)?.user?.tokenFile
    if (typeof tokenFile !== 'string') return user
    const { token: _, ...others } = user
    return { ...others, authProvider: { name: 'tokenFile', config: { tokenFile: resolve(dirname(file), tokenFile) } } }
  })
}
