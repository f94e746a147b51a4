/**
 * What the API held and when, from who always knows: etcd is watched for revisions, and stays up while the API server
 * is killed; afterwards the API server says what it held at each of them. Layer: test support; needs CLUSTER_DIR.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ApiObject } from './cluster-api.ts'
import { sharedNowMs } from './story-asker-types.ts'

export interface State {
  readonly revision: number
  /** When it was heard of. */
  readonly heardMs: number
  readonly slices: readonly ApiObject[]
}

interface WatchLine {
  readonly result?: {
    readonly created?: boolean
    readonly events?: readonly { readonly kv: { readonly mod_revision: string } }[]
  }
}

/** Every revision in which an EndpointSlice of a namespace was written or deleted. */
export class SliceHistory {
  private readonly heard = new Map<number, number>()
  private readonly stopped = new AbortController()
  private reading: Promise<void> = Promise.resolve()

  static async start(clusterDir: string, namespace: string): Promise<SliceHistory> {
    const history = new SliceHistory()
    const port = /ETCD=(\d+)/.exec(readFileSync(join(clusterDir, 'env'), 'utf8'))![1]
    const prefix = `/registry/endpointslices/${namespace}`
    const response = await fetch(`http://127.0.0.1:${port}/v3/watch`, {
      method: 'POST',
      // '0' comes after '/': all keys below the namespace.
      body: JSON.stringify({ create_request: { key: btoa(`${prefix}/`), range_end: btoa(`${prefix}0`) } }),
      signal: history.stopped.signal,
    })
    const lines = linesOf(response.body!)
    await lines.next()
    history.reading = history.read(lines)
    return history
  }

  get size(): number {
    return this.heard.size
  }

  /** Ends the recording. @returns revisions and when they were heard of, oldest first */
  async stop(): Promise<[revision: number, heardMs: number][]> {
    this.stopped.abort()
    await this.reading
    return [...this.heard].sort(([a], [b]) => a - b)
  }

  private async read(lines: AsyncGenerator<WatchLine>): Promise<void> {
    try {
      for await (const { result } of lines) {
        const now = sharedNowMs()
        for (const { kv } of result?.events ?? []) this.heard.set(Number(kv.mod_revision), now)
      }
    } catch (error) {
      if (!this.stopped.signal.aborted) throw error
    }
  }
}

async function* linesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<WatchLine> {
  let text = ''
  for await (const chunk of body.pipeThrough(new TextDecoderStream() as never) as AsyncIterable<string>) {
    const lines = (text + chunk).split('\n')
    text = lines.pop()!
    for (const line of lines) yield JSON.parse(line) as WatchLine
  }
}

/** The API without its TLS and tokens: `kubectl proxy`. */
export class PlainApi {
  private readonly child: ChildProcess
  private readonly url: string

  private constructor(child: ChildProcess, url: string) {
    this.child = child
    this.url = url
  }

  static async start(): Promise<PlainApi> {
    const child = spawn('kubectl', ['proxy', '--port=0'], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [chunk] = (await once(child.stdout, 'data')) as [Buffer]
    return new PlainApi(child, `http://${/127\.0\.0\.1:\d+/.exec(chunk.toString())![0]}`)
  }

  /** @param revision what the API held then; default: now. @throws Error when it does not say */
  async slices(namespace: string, revision?: number): Promise<readonly ApiObject[]> {
    const query = revision === undefined ? '' : `?resourceVersion=${revision}&resourceVersionMatch=Exact`
    const path = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices${query}`
    const response = await fetch(`${this.url}${path}`)
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return ((await response.json()) as { items: ApiObject[] }).items
  }

  async stop(): Promise<void> {
    this.child.kill()
    await once(this.child, 'exit')
  }
}
