/**
 * Requests to the API server. Layer: kubernetes. @kubernetes/client-node (kube-config.ts) is used for what it is
 * good at: kubeconfig files, exec plugins, tokens, certificates. The requests are ours: one agent that keeps connections
 * alive, and streams as they come.
 *
 * A peer that is gone without a word (half-open) is noticed by TCP keep-alive: after 10 s of silence the kernel sends ten
 * probes, a second apart (libuv's uv_tcp_keepalive), so the connection breaks after 20 s. A quiet watch is not disturbed.
 */

import { readFileSync } from 'node:fs'
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { dirname, resolve } from 'node:path'
import { TLSSocket } from 'node:tls'
import { ApiError } from './errors.ts'
import type { KubeConfig } from './kube-config.ts'
import { isLoopback } from './loopback.ts'

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

export interface ApiClient {
  /** For people. */
  readonly server: string
  /** What tells this cluster from others without asking it: its address and its certificate authority. */
  readonly identity: string
  /**
   * GET. Resolves with the response when its head has arrived, whatever its status; the caller reads or destroys it.
   * @throws ApiError ERR_API_UNREACHABLE; the signal's reason when it was aborted
   */
  get(path: string, signal: AbortSignal): Promise<IncomingMessage>
  close(): void
}

const KEEP_ALIVE_MS = 10_000
/** TCP and TLS. */
const CONNECT_TIMEOUT_MS = 10_000
/** The head of the response. The API server itself gives up a list after 60 s (its flag --request-timeout). */
const HEAD_TIMEOUT_MS = 75_000

/** What a request needs besides its path: the address of the server, TLS material, Authorization. */
interface Credentials {
  readonly server: string
  /** Certificate authority, PEM; '' : none of its own. */
  readonly authority: string
  options(): Promise<RequestOptions>
}

/** @throws ApiError ERR_API_CONFIG when what is given cannot be used */
export async function openClient(options: ClientOptions): Promise<ApiClient> {
  const load = () => (options.endpoint === undefined ? loadKubeConfig(options) : plainEndpoint(options.endpoint))
  let credentials = await load()
  const { server, authority } = credentials
  const url = parseServer(server)
  const isHttps = url.protocol === 'https:'
  if (!isHttps && !isLoopback(url.hostname)) {
    throw new ApiError('ERR_API_CONFIG', `${server} is plain HTTP: that is allowed on loopback alone; use https`)
  }
  const agent = isHttps ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true })
  const prefix = url.pathname.replace(/\/$/, '')

  async function get(path: string, signal: AbortSignal): Promise<IncomingMessage> {
    const all = {
      ...(await optionsOf(credentials)),
      agent,
      signal,
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port || (isHttps ? 443 : 80),
    }
    const response = await send(isHttps ? httpsRequest : httpRequest, { ...all, path: prefix + path }, server)
    // The token may have been replaced: read everything anew for the next try. What cannot be read now may be then.
    if (response.statusCode === 401) credentials = await load().catch(() => credentials)
    return response
  }

  return { server, identity: `${server}\n${authority}`, get, close: () => agent.destroy() }
}

function parseServer(server: string): URL {
  if (URL.canParse(server) && /^https?:/i.test(server)) return new URL(server)
  throw new ApiError('ERR_API_CONFIG', `${JSON.stringify(server)} is no address of an API server: https://HOST:PORT`)
}

/** @throws ApiError ERR_API_CONFIG: a file is gone, an exec plugin failed */
async function optionsOf(credentials: Credentials): Promise<RequestOptions> {
  try {
    return await credentials.options()
  } catch (cause) {
    const { message } = cause as Error
    throw new ApiError('ERR_API_CONFIG', `the credentials for ${credentials.server} cannot be had: ${message}`, {
      cause,
    })
  }
}

/** @param server for people */
function send(request: typeof httpRequest, options: RequestOptions, server: string): Promise<IncomingMessage> {
  return new Promise((accept, reject) => {
    const headers = { accept: 'application/json', 'user-agent': 'headless-dns', ...options.headers }
    const sent = request({ ...options, headers })
    const limit = (what: string, ms: number) =>
      setTimeout(() => sent.destroy(new Error(`no ${what} in ${ms / 1000} s`)), ms)
    let timer = limit('connection', CONNECT_TIMEOUT_MS)
    const connected = () => {
      clearTimeout(timer)
      timer = limit('response', HEAD_TIMEOUT_MS)
    }
    sent.once('socket', socket => {
      socket.setKeepAlive(true, KEEP_ALIVE_MS)
      if (sent.reusedSocket) connected()
      else socket.once(socket instanceof TLSSocket ? 'secureConnect' : 'connect', connected)
    })
    sent.once('response', response => {
      clearTimeout(timer)
      accept(response)
    })
    sent.on('error', cause => {
      clearTimeout(timer)
      reject(
        options.signal?.aborted === true
          ? options.signal.reason
          : new ApiError('ERR_API_UNREACHABLE', `cannot reach the API server at ${server}: ${cause.message}`, {
              cause,
            }),
      )
    })
    sent.end()
  })
}

async function plainEndpoint(server: string): Promise<Credentials> {
  return { server, authority: '', options: async () => ({}) }
}

async function loadKubeConfig({ kubeconfig, context, root = '' }: ClientOptions): Promise<Credentials> {
  const { KubeConfig, loadYaml } = await import('./kube-config.ts')
  const config = new KubeConfig()
  try {
    if (kubeconfig !== undefined) loadFile(config, kubeconfig, loadYaml)
    else loadInCluster(config, root)
    if (context !== undefined) config.setCurrentContext(context)
  } catch (cause) {
    const what = kubeconfig === undefined ? 'the service account of this pod' : `the kubeconfig ${kubeconfig}`
    throw new ApiError('ERR_API_CONFIG', `${what} cannot be used: ${(cause as Error).message}`, { cause })
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
    async options() {
      const all: RequestOptions = {}
      await config.applyToHTTPSOptions(all)
      // The agent it makes is for one request; ours keeps connections.
      const { agent: _, headers, ...kept } = all
      return { ...kept, headers: trimmed(headers as Record<string, string> | undefined) }
    },
  }
}

/** What cannot be read is said by the first request. */
function authorityOf({ caData, caFile }: { caData?: string; caFile?: string }): string {
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

interface InClusterConfig {
  loadFromCluster(root: string): void
}

function loadInCluster(config: InClusterConfig, root: string): void {
  const token = `${root}/var/run/secrets/kubernetes.io/serviceaccount/token`
  if (process.env['KUBERNETES_SERVICE_HOST'] === undefined) {
    throw new Error('KUBERNETES_SERVICE_HOST is not set: this is no pod; give --kubeconfig instead')
  }
  readFileSync(token)
  config.loadFromCluster(root)
}
