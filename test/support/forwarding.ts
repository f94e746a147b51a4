/**
 * A whole server in this process that forwards to what a test wants. Layer: test support.
 */

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { TestContext } from 'node:test'
import type { ClusterSink } from '../../src/cluster/sink.ts'
import type { ForwardConfig } from '../../src/control/config.ts'
import type { ServerOptions } from '../../src/control/server-options.ts'
import { headless, slice } from './answering.ts'
import { strictDecode } from './messages.ts'
import { type Listening, type Records, startListening } from './running-server.ts'

/** A headless Service of two pods. */
export const CLUSTER_NAME = 'web.default.svc.cluster.local'
/** An ExternalName Service for TARGET. */
export const ALIAS = 'alias.default.svc.cluster.local'
export const TARGET = 'www.example.com'

export function zoneOf(upstreams: readonly (number | string)[], more: Partial<ForwardConfig> = {}): ForwardConfig {
  return {
    zone: '.',
    upstreams: upstreams.map(each => (typeof each === 'number' ? `127.0.0.1:${each}` : each)),
    policy: 'sequential',
    except: [],
    forceTcp: false,
    mixCase: false,
    failover: [],
    maxConcurrent: 1000,
    tlsCa: undefined,
    ...more,
  }
}

export async function startForwarding(
  t: TestContext,
  transport: 'batch' | 'portable',
  zones: readonly ForwardConfig[],
  forwarding: Partial<NonNullable<ServerOptions['forwarding']>> = {},
  records: Partial<Records> = {},
  more: Partial<ServerOptions> = {},
): Promise<Listening> {
  const listening = await startListening(transport, fill, records, {
    forwarding: { zones, fallthrough: [], concurrent: 1000, perClient: 1000, ...forwarding },
    ...more,
  })
  t.after(() => listening.server.stop())
  return listening
}

function fill(cluster: ClusterSink): void {
  const [services, slices] = [cluster.open('Service'), cluster.open('EndpointSlice')]
  for (const sink of [services, slices]) sink.replaceAll().commit()
  services.upsert(headless('web'))
  services.upsert({ ...headless('alias'), kind: 'externalName', externalName: TARGET })
  slices.upsert(slice('web', [{ address: '10.1.0.1' }, { address: '10.1.0.2' }]))
  cluster.flush()
}

export interface Answer {
  readonly rcode: number
  readonly flags: number
  /** `owner type data`, with addresses and names as people write them. */
  readonly answers: string[]
  readonly reply: ReturnType<typeof strictDecode>
}

export function readAnswer(octets: Uint8Array): Answer {
  const reply = strictDecode(octets)
  const answers = reply.answers.map(({ owner, type, rdata, names }) => {
    const data = type === 1 ? rdata.join('.') : names.length > 0 ? dotted(names[0]!) : rdata.toString('hex')
    return `${dotted(owner)} ${type} ${data}`
  })
  return { rcode: reply.rcode, flags: reply.flags, answers, reply }
}

function dotted(name: string): string {
  const labels: string[] = []
  for (let at = 0; at < name.length - 1; at += 1 + name.charCodeAt(at)) {
    labels.push(name.slice(at + 1, at + 1 + name.charCodeAt(at)))
  }
  return `${labels.join('.')}.`
}

/** Many queries at once from one socket, each with its own ID: what came back, by ID. */
export class Burst {
  readonly replies = new Map<number, Buffer>()
  private readonly socket: Socket

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('message', reply => this.replies.set(reply.readUInt16BE(0), reply))
    socket.on('error', () => {})
  }

  static async open(t: TestContext, port: number): Promise<Burst> {
    const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 })
    socket.connect(port, '127.0.0.1')
    await once(socket, 'connect')
    t.after(() => socket.close())
    return new Burst(socket)
  }

  send(query: Uint8Array, id: number): void {
    const octets = Buffer.from(query)
    octets.writeUInt16BE(id)
    this.socket.send(octets)
  }
}
