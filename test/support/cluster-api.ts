/**
 * What tests against a real API server say to it, by kubectl: it is no part of the server and reads the same kubeconfig.
 */

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'

/** Why the tests of a real cluster are skipped; false when they are not. */
export const SKIP =
  process.env['KUBECONFIG'] === undefined ? 'KUBECONFIG is not set: no cluster to test against' : false

/** An API object, read with care: it comes as JSON. */
export interface ApiObject {
  readonly kind?: string
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Record<string, string> }
  // biome-ignore lint/suspicious/noExplicitAny: objects of many kinds, read here and there
  readonly [field: string]: any
}

/** The objects that answers follow from, of all namespaces, as they were at one moment or nearly. */
export interface Snapshot {
  readonly services: readonly ApiObject[]
  readonly slices: readonly ApiObject[]
}

const TIMEOUT_MS = 60_000
const MAX_OUTPUT_OCTETS = 64 << 20

/** @throws an error with what the program wrote when it fails */
export function run(program: string, args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT_OCTETS }
    const child = execFile(program, [...args], options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`${program} ${args.join(' ')}: ${stderr || error.message}`, { cause: error }))
    })
    child.stdin!.end(input)
  })
}

export async function takeSnapshot(): Promise<Snapshot> {
  const { items } = JSON.parse(await run('kubectl', ['get', 'services,endpointslices', '-A', '-o', 'json'])) as {
    items: ApiObject[]
  }
  return {
    services: items.filter(({ kind }) => kind === 'Service'),
    slices: items.filter(({ kind }) => kind === 'EndpointSlice'),
  }
}

/** A namespace of a test's own. */
export class TestNamespace {
  readonly name = `hdns-test-${randomBytes(4).toString('hex')}`

  /** kubectl in this namespace. */
  kubectl(...args: string[]): Promise<string> {
    return run('kubectl', ['-n', this.name, ...args])
  }

  async create(): Promise<void> {
    await run('kubectl', ['create', 'namespace', this.name])
  }

  async apply(...objects: object[]): Promise<void> {
    const list = { apiVersion: 'v1', kind: 'List', items: objects }
    await run('kubectl', ['-n', this.name, 'apply', '-f', '-'], JSON.stringify(list))
  }

  /** Its objects go in their own time. */
  async delete(): Promise<void> {
    await run('kubectl', ['delete', 'namespace', this.name, '--wait=false', '--ignore-not-found'])
  }
}

const RENEW_MS = 10_000
const LEASE_SECONDS = 40
const LEASES = 'kube-node-lease'

/**
 * Keeps nodes alive that no kubelet keeps: KWOK renews no leases unless told to, and the cluster, after 50 s without, would
 * take the readiness from all pods. Nodes with a lease are left alone.
 * @returns what ends it
 */
export async function keepNodes(): Promise<() => Promise<void>> {
  const leases = new Set(await namesOf('leases'))
  const nodes = (await namesOf('nodes')).filter(name => !leases.has(name))
  const stopped = new AbortController()
  const renew = async () => {
    const spec = {
      holderIdentity: 'test',
      leaseDurationSeconds: LEASE_SECONDS,
      renewTime: new Date().toISOString().replace('Z', '000Z'),
    }
    const items = nodes.map(name => ({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name, namespace: LEASES },
      spec,
    }))
    await run('kubectl', ['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
  }
  const renewing = (async () => {
    while (!stopped.signal.aborted && nodes.length > 0) {
      // An API server that is away has nobody to tell.
      await renew().catch(() => {})
      await delay(RENEW_MS, undefined, { signal: stopped.signal }).catch(() => {})
    }
  })()
  await run('kubectl', ['wait', '--for=condition=Ready', 'nodes', '--all', '--timeout=60s'])
  return async () => {
    stopped.abort()
    await renewing
    if (nodes.length > 0) await run('kubectl', ['-n', LEASES, 'delete', 'leases', ...nodes, '--ignore-not-found'])
  }
}

async function namesOf(kind: string): Promise<string[]> {
  const out = await run('kubectl', ['-n', LEASES, 'get', kind, '-o', 'jsonpath={.items[*].metadata.name}'])
  return out.split(' ').filter(name => name !== '')
}
