/**
 * The servers that are compared: how each is found, started with the bench's services, and known to be ready.
 * Layer: bench. A server that is not on this machine is left out with a reason, never an error.
 */

import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Api } from './api.ts'
import { firstOf, type HeadlessService, type Workload } from './dataset.ts'
import { compiled, runLoad, temporaryFolder } from './load.ts'
import { type Child, freePort, SERVER_CORE, startChild, waitUntil, which } from './processes.ts'
import { knotArguments, nsdArguments, unboundArguments } from './zone-servers.ts'

const ROOT = join(import.meta.dirname, '..')
const READY_MS = 120_000
/** The system's place for daemons is not on every user's PATH. */
process.env['PATH'] = `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin`

export interface Running {
  readonly name: string
  readonly child: Child
  readonly port: number
  /** Milliseconds from spawn to ready, as the server itself or a right answer tells it. */
  readonly readyMs: number
  stop(): Promise<void>
}

export interface Given {
  readonly services: readonly HeadlessService[]
  /** A fake API server that serves the same services; for servers that watch one. */
  readonly api?: Api
  /** Port of who is asked for names that are not the cluster's. */
  readonly upstream?: number
}

export interface Server {
  readonly name: string
  readonly title: string
  /** Learns the services from an API server; the others from a zone file. */
  readonly usesApi: boolean
  /** Takes part only where names are forwarded. */
  readonly isResolver?: true
  /** The program, or `undefined` when it is not here. */
  find(): string | undefined
  start(program: string, given: Given): Promise<Running>
}

/** The bare loop has one constant answer, so there is one process for each workload. */
export const LOOP = 'c-loop'

export const SERVERS: readonly Server[] = [
  ours('ours', 'headless-dns', 'batch'),
  ours('ours-portable', 'headless-dns, portable transport', 'portable'),
  ours('ours-before', 'headless-dns of HEADLESS_DNS_BEFORE', 'batch', process.env['HEADLESS_DNS_BEFORE'] ?? ''),
  {
    name: 'knot',
    title: 'Knot DNS',
    usesApi: false,
    find: () => which('knotd'),
    start: (program, { services }) => zoneServer('knot', program, services, port => knotArguments(port, services)),
  },
  {
    name: 'nsd',
    title: 'NSD',
    usesApi: false,
    find: () => which('nsd'),
    start: (program, { services }) => zoneServer('nsd', program, services, port => nsdArguments(port, services)),
  },
  {
    name: 'unbound',
    title: 'Unbound with its cache',
    usesApi: false,
    isResolver: true,
    find: () => which('unbound'),
    start: (program, { services, upstream }) =>
      zoneServer('unbound', program, services, port => unboundArguments(port, services, upstream)),
  },
  coredns('coredns', 'CoreDNS, no cache', ''),
  coredns('coredns-cache', 'CoreDNS with its cache', '  cache 30\n'),
]

/** The bare C loop, answering one workload. */
export async function startLoop(workload: Workload): Promise<Running | undefined> {
  const program = compiled('loop')
  if (program === undefined) return undefined
  const port = await freePort()
  const { records, cut, ancount, arcount } = workload.constant
  // RFC 1035 §4.1.1: QR, AA, TC, RCODE
  const flags = 0x8400 | (cut ? 0x0200 : 0) | workload.rcode
  const hex = Buffer.from(records).toString('hex')
  const args = [port, flags, ancount, arcount, hex].map(String)
  const child = startChild(program, args, { core: SERVER_CORE })
  return { name: LOOP, child, port, readyMs: 0, stop: child.stop }
}

/** How headless-dns is run: the bundle of `npm run build`, or the sources; of this checkout or another one. */
export function ownProgram(form: 'bundle' | 'source', root = ROOT): string | undefined {
  const path = join(root, form === 'bundle' ? 'dist/main.mjs' : 'src/main.ts')
  return existsSync(path) ? path : undefined
}

/** Builds the bundle afresh, so that what is measured is what is checked out. */
export function buildBundle(): void {
  if (ownProgram('source') !== undefined)
    execFileSync('npm', ['run', '--silent', 'build'], { cwd: ROOT, stdio: 'pipe' })
}

function ours(name: string, title: string, transport: 'batch' | 'portable', root = ROOT): Server {
  return {
    name,
    title,
    usesApi: true,
    find: () => (root === '' ? undefined : ownProgram('bundle', root)),
    start: async (program, { services, api, upstream }) => {
      const port = await freePort()
      const admin = await freePort()
      const file = join(temporaryFolder(), `${name}-${port}.yaml`)
      writeFileSync(file, ownConfiguration(port, admin, transport, api!.url) + ownForward(upstream))
      const args = [program, 'serve', '--config', file]
      const child = startChild(process.execPath, args, { core: SERVER_CORE, cwd: root })
      child.process.stdout?.resume()
      const ready = () => isReady(`http://127.0.0.1:${admin}/readyz`)
      const readyMs = await settle(name, child, port, services, ready)
      return { name, child, port, readyMs, stop: child.stop }
    },
  }
}

function coredns(name: string, title: string, cache: string): Server {
  return {
    name,
    title,
    usesApi: true,
    find: () => {
      const built = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'headless-dns-bench/bin/coredns')
      return which('coredns') ?? (existsSync(built) ? built : undefined)
    },
    start: async (program, { services, api, upstream }) => {
      const port = await freePort()
      const ready = await freePort()
      const file = join(temporaryFolder(), `${name}-${port}.Corefile`)
      writeFileSync(file, corefile(port, ready, api!.url, cache, upstream))
      const child = startChild(program, ['-conf', file, '-quiet'], { core: SERVER_CORE })
      child.process.stdout?.resume()
      const check = () => isReady(`http://127.0.0.1:${ready}/ready`)
      const readyMs = await settle(name, child, port, services, check)
      return { name, child, port, readyMs, stop: child.stop }
    },
  }
}

/** Our configuration with the fake API server as the source. */
export function ownConfiguration(port: number, admin: number, transport: string, url: string): string {
  return `listen: ["127.0.0.1:${port}"]
admin: 127.0.0.1:${admin}
workers: 1
transport: ${transport}
source:
  kubernetes:
    endpoint: ${url}
`
}

function ownForward(upstream: number | undefined): string {
  return upstream === undefined ? '' : `forward: [{upstreams: ["127.0.0.1:${upstream}"]}]\n`
}

/** CoreDNS with nothing but what is compared: the kubernetes plugin, shuffled answers and, if given, its cache. */
export function corefile(port: number, ready: number, url: string, cache: string, upstream?: number): string {
  return `.:${port} {
  bind 127.0.0.1
  ready 127.0.0.1:${ready}
${cache}  kubernetes cluster.local in-addr.arpa ip6.arpa {
    endpoint ${url}
  }
  loadbalance
${upstream === undefined ? '' : `  forward . 127.0.0.1:${upstream}\n`}}
`
}

async function zoneServer(
  name: string,
  program: string,
  services: readonly HeadlessService[],
  configure: (port: number) => string[],
): Promise<Running> {
  const port = await freePort()
  const args = configure(port)
  const child = startChild(program, args, { core: SERVER_CORE })
  child.process.stdout?.resume()
  const readyMs = await settle(name, child, port, services, () => answersRight(port, firstOf(services)))
  return { name, child, port, readyMs, stop: child.stop }
}

/** Waits until the server says that it is ready, and then answers; ends it if it does not. @returns ms until it said so */
async function settle(
  name: string,
  child: Child,
  port: number,
  services: readonly HeadlessService[],
  ready: () => Promise<boolean>,
): Promise<number> {
  const begin = performance.now()
  try {
    await waitUntil(`${name} is not ready`, READY_MS, ready, child)
    const readyMs = performance.now() - begin
    // CoreDNS calls itself ready a moment before its sockets are bound
    await waitUntil(`${name} does not answer`, READY_MS, () => answersRight(port, firstOf(services)), child)
    return readyMs
  } catch (error) {
    await child.stop()
    throw error
  }
}

/** Whether the address answers 200. Without `fetch`: asked every 5 ms by that, a start took 12 % longer. */
export function isReady(url: string): Promise<boolean> {
  return new Promise(done => {
    const request = get(url, { agent: false, signal: AbortSignal.timeout(1000) }, response => {
      response.on('error', () => {}).resume()
      done(response.statusCode === 200)
    })
    request.on('error', () => done(false))
  })
}

/** What a server calls its version, under its own name; empty when it does not say. */
export function versionOf(name: string, program: string): Record<string, string> {
  const words: Record<string, string[]> = {
    knot: ['--version'],
    nsd: ['-v'],
    unbound: ['-V'],
    coredns: ['-version'],
  }
  const args = words[name]
  if (args === undefined) return {}
  const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: 5000 })
  const version = /\d+\.\d+(\.\d+)?/.exec(stdout + stderr)?.[0]
  return version === undefined ? {} : { [name]: version }
}

/** A handful of queries, all answered and answered right. */
async function answersRight(port: number, workload: Workload): Promise<boolean> {
  const { answered, wrong } = await runLoad({ port, workload, seconds: 0.05, window: 1 })
  return answered > 0 && wrong === 0
}
