/**
 * The forwarder wired up: its upstreams from the configuration, its queries from workers and TCP, its replies to where
 * they came from. Layer: control.
 */

import { randomInt } from 'node:crypto'
import type { Question } from '../cache/store.ts'
import type { DeferredQuery } from '../dataplane/deferred.ts'
import { Datagrams } from '../forward/datagrams.ts'
import { Forwarder } from '../forward/forwarder.ts'
import { encodeUpstreamQuery } from '../forward/question.ts'
import type { ReplyCache } from '../forward/reply-cache.ts'
import { watchNameservers } from '../forward/resolv-conf.ts'
import { type Route, Routes } from '../forward/routes.ts'
import { Streams } from '../forward/streams.ts'
import { Policy, Upstream, type UpstreamAddress } from '../forward/upstream.ts'
import type { DeskQuery } from '../local/desk.ts'
import type { TableAnswers } from '../local/from-table.ts'
import { AF_INET } from '../transport/linux-abi.ts'
import { SYSTEM_CLOCK } from '../transport/tcp.ts'
import { parseAddress } from '../wire/address.ts'
import { RCODE_FORMERR, RCODE_NOTIMP, RCODE_REFUSED, RCODE_SERVFAIL } from '../wire/constants.ts'
import { parseName } from '../wire/name.ts'
import type { ForwardConfig } from './config.ts'
import { isPath, parseUpstream } from './config-values.ts'
import type { Log } from './log.ts'
import { readText } from './text-file.ts'

export interface ForwardingOptions {
  readonly zones: readonly ForwardConfig[]
  /** Of ours, in wire form: what does not exist in them is forwarded. */
  readonly fallthrough: readonly Uint8Array[]
  readonly concurrent: number
  readonly perClient: number
}

const RCODES = { SERVFAIL: RCODE_SERVFAIL, REFUSED: RCODE_REFUSED, NOTIMP: RCODE_NOTIMP, FORMERR: RCODE_FORMERR }
const LOOP_SILENCE_MS = 60_000
/** Of a file of certificates: all that Mozilla trusts are 250 KB. */
const MAX_CA_OCTETS = 4 << 20

/** @throws what a file of certificates cannot be read for */
export function readAuthorities({ zones }: ForwardingOptions): string[] {
  return zones.flatMap(({ tlsCa }) => (tlsCa === undefined ? [] : [readText(tlsCa, MAX_CA_OCTETS)]))
}

export class ForwardService {
  readonly forwarder: Forwarder
  private readonly log: Log
  private readonly routes: Routes
  /** What files in the form of resolv.conf said last, by path. */
  private readonly nameservers: Map<string, readonly { address: string; port: number }[]>
  /** Of those files the ones that named nobody when they were read last, which was told. */
  private readonly silentFiles = new Set<string>()
  private readonly upstreamsByName = new Map<string, Upstream>()
  private readonly stops: (() => void)[] = []

  /**
   * @param table answers names that have no upstream
   * @param cache keeps replies; undefined: nothing is kept
   * @param before whose place it takes: what files said stays when they cannot be read now
   * @throws what a file of certificates cannot be read for
   */
  constructor(
    options: ForwardingOptions,
    maxUdpSize: number,
    table: TableAnswers,
    log: Log,
    cache?: ReplyCache,
    before?: ForwardService,
    // First, since nobody would end what was begun before it throws.
    ca = readAuthorities(options),
  ) {
    this.log = log
    this.nameservers = new Map(before?.nameservers)
    this.routes = new Routes(
      options.zones.map(zone => ({
        zone: parseName(zone.zone)!,
        upstreams: [],
        policy: new Policy(zone.policy, randomInt),
        except: zone.except.map(name => parseName(name)!),
        forceTcp: zone.forceTcp,
        mixCase: zone.mixCase,
        maxConcurrent: zone.maxConcurrent,
        failover: zone.failover.map(name => RCODES[name]),
      })),
    )
    for (const [i, zone] of options.zones.entries()) this.feed(this.routes.all[i]!, zone)
    this.forwarder = new Forwarder({
      routes: this.routes,
      maxUdpSize,
      maxInFlight: options.concurrent,
      maxPerClient: options.perClient,
      // Made not to defer.
      unrouted: query => table.answer(query) as Uint8Array,
      ...(cache && { cache }),
      clock: SYSTEM_CLOCK,
      random: randomInt,
      openDatagrams: events => new Datagrams(events),
      openStreams: events => new Streams(events, ca.length === 0 ? {} : { ca: ca.join('\n') }),
      onLoop: ({ name }) => {
        const message = 'a query that was forwarded came back: this upstream asks this server'
        log.oncePer(`loop ${name}`, LOOP_SILENCE_MS).error(message, { upstream: name })
      },
    })
  }

  get upstreams(): Upstream[] {
    return [...this.upstreamsByName.values()]
  }

  /** A query that a worker deferred. */
  take(query: DeferredQuery, reply: (message: Uint8Array) => void): void {
    this.forwarder.take(clientQueryOf(query, reply))
  }

  /** Asks again for what is kept, before it expires. */
  refresh({ name, type, dnssecOk, checkingDisabled }: Question): void {
    const message = encodeUpstreamQuery({ name, type, dnssecOk, checkingDisabled }, 0, false)
    this.forwarder.take({
      message,
      questionEnd: message.length,
      targetAt: 0,
      aliases: 0,
      payloadSize: 0,
      dnssecOk,
      stream: false,
      client: 'prefetch',
      clientPort: 0,
      path: { send() {} },
      refreshes: true,
    })
  }

  close(): void {
    for (const stop of this.stops) stop()
    this.forwarder.close()
  }

  private feed(route: Route, { zone, upstreams }: ForwardConfig): void {
    const files = upstreams.filter(isPath).map(file => {
      const watched = watchNameservers(file, () => update())
      this.stops.push(watched.stop)
      return { file, read: watched.read }
    })
    const update = (): void => {
      const named = files.flatMap(each => {
        this.heard(each.file, each.read())
        return this.nameservers.get(each.file) ?? []
      })
      const all = [
        ...upstreams.flatMap(text => parseUpstream(text) ?? []),
        ...named.map(each => ({ ...each, tls: false })),
      ]
      const next = [...new Set(all.map(where => this.upstreamAt(where)))]
      const isNew = next.some((each, i) => route.upstreams[i] !== each) || next.length !== route.upstreams.length
      route.upstreams = next
      this.forgetUnnamed()
      if (isNew) this.log.info('forwarding', { zone, upstreams: next.map(({ name }) => name) })
    }
    update()
  }

  /** @param now what the file says; nothing: it may be unreadable */
  private heard(file: string, now: readonly { address: string; port: number }[]): void {
    const { nameservers, silentFiles } = this
    if (now.length > 0) {
      nameservers.set(file, now)
      silentFiles.delete(file)
    } else if (!silentFiles.has(file)) {
      silentFiles.add(file)
      this.log.warn('no nameserver can be read from this file: what it said before stays', { file })
    }
  }

  /** Their connections end when they are idle. */
  private forgetUnnamed(): void {
    const named = new Set(this.routes.all.flatMap(({ upstreams }) => upstreams))
    for (const [key, upstream] of this.upstreamsByName) {
      if (named.has(upstream)) continue
      upstream.isGone = true
      this.upstreamsByName.delete(key)
    }
  }

  private upstreamAt(where: UpstreamAddress): Upstream {
    const fresh = new Upstream(where)
    const known = this.upstreamsByName.get(fresh.name) ?? fresh
    this.upstreamsByName.set(fresh.name, known)
    return known
  }
}

/** @param reply called once, with a message that is valid during the call */
export function clientQueryOf(query: DeferredQuery, reply: (message: Uint8Array) => void): DeskQuery {
  const { sockaddr, stream } = query.path
  const view = new DataView(sockaddr.buffer, sockaddr.byteOffset, sockaddr.length)
  const isV4 = stream === undefined && view.getUint16(0, true) === AF_INET
  const octets = isV4 ? sockaddr.subarray(4, 8) : sockaddr.subarray(8, 24)
  return {
    ...query,
    stream: stream !== undefined,
    address: stream === undefined ? octets : parseAddress(stream.client.split('%')[0]!),
    client: stream?.client ?? Buffer.from(octets).toString('latin1'),
    clientPort: stream?.clientPort ?? view.getUint16(2),
    isIPv6: stream === undefined ? !isV4 : stream.client.includes(':'),
    path: { send: reply },
  }
}
