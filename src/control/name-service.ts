/**
 * The desk wired up: rules from the configuration, hosts from files, queries from workers and TCP, replies to where they
 * came from. Layer: control.
 */

import { randomInt } from 'node:crypto'
import { Answerer } from '../answer/answer.ts'
import type { Forwarding } from '../answer/elsewhere.ts'
import { Order, type OrderName } from '../answer/order.ts'
import { ACL_AT, ROW_FIELDS } from '../dataplane/counters.ts'
import type { DeferredQuery } from '../dataplane/deferred.ts'
import { openScreen } from '../dataplane/query-screen.ts'
import type { ClientQuery } from '../forward/client-query.ts'
import { Autopath } from '../local/autopath.ts'
import { Desk, type DeskOptions, type DeskQuery } from '../local/desk.ts'
import { Dns64 } from '../local/dns64.ts'
import { TableAnswers } from '../local/from-table.ts'
import { LocalNames } from '../local/local-names.ts'
import { ACL_ALLOW, Acl } from '../rules/acl.ts'
import type { HostEntry } from '../rules/hosts-file.ts'
import type { TableReader } from '../table/reader.ts'
import type { WireName } from '../wire/name.ts'
import { Query } from '../wire/query.ts'
import { type AutopathSetup, addressKey } from './autopath.ts'
import type { Desk as DeferredDesk } from './deferred-queries.ts'
import { clientQueryOf, type ForwardService } from './forwarding.ts'
import { HostsFiles } from './hosts-files.ts'
import type { Log } from './log.ts'
import type { NameRules } from './name-rules.ts'
import { inTurns } from './turns.ts'

export interface NameServiceOptions {
  readonly rules: NameRules
  /** Undefined: there is nobody to ask. */
  readonly forward: ForwardService | undefined
  /** A row of its own among the readers. */
  readonly table: TableReader
  /** The table's. */
  readonly zones: readonly WireName[]
  readonly order: OrderName
  readonly maxUdpSize: number
  /** What data-plane threads leave to the desk. */
  readonly forwarding: Forwarding
  readonly autopath: (AutopathSetup & { readonly negativeTtl: number }) | undefined
  /** The hosts are others now. */
  readonly onHosts: () => void
  /** Counters as those of a thread: where access rules are counted. */
  readonly row: Float64Array
  /** Whose place it takes. */
  readonly before?: NameService | undefined
}

export class NameService implements DeferredDesk {
  readonly names: LocalNames
  readonly dns64: Dns64 | undefined
  readonly autopath: Autopath | undefined
  readonly hosts: HostsFiles
  readonly row: Float64Array
  /** Hosts that the configuration names itself. */
  private readonly inline: readonly HostEntry[]
  private readonly desk: Desk

  constructor(options: NameServiceOptions, log: Log) {
    const { rules, forward, table, zones, order, maxUdpSize, onHosts, before } = options
    const { handOver, templates, localhost, rewrites, dns64 } = rules
    this.names = new LocalNames({ hosts: rules.hosts.options, firstHosts: rules.hosts.first, templates, localhost })
    this.row = options.row
    this.inline = rules.hosts.entries
    const onChange = async (entries: readonly HostEntry[]): Promise<void> => {
      await inTurns(this.names.replaceHosts([...this.inline, ...entries]))
      onHosts()
    }
    this.hosts = new HostsFiles(rules.hosts.files, log, onChange, before?.hosts)
    const ask = forward && ((query: ClientQuery) => forward.forwarder.take(query))
    this.dns64 = ask && dns64 && new Dns64({ ...dns64, forward: ask, maxUdpSize })
    this.autopath = options.autopath && autopathOf(options, options.autopath)
    if (this.autopath !== undefined) this.autopath.found = before?.autopath?.found ?? 0
    const answersOf = (left: Forwarding | undefined): TableAnswers =>
      new TableAnswers(table, new Answerer(table, new Order(order, randomInt(2 ** 31)), maxUdpSize, left))
    const last = answersOf(forward && { fallthrough: [] })
    this.desk = new Desk({
      names: this.names,
      rewrites,
      access: accessOf(rules, this.row),
      dns64: this.dns64,
      table: answersOf(options.forwarding),
      lastWord: query => last.answer(query) as Uint8Array,
      isTableFirst:
        handOver.names.length + handOver.prefixes.length + handOver.patterns.length + handOver.types.length > 0,
      zones,
      forward: ask,
      autopath: this.autopath,
      maxUdpSize,
    })
  }

  /** Resolves when the hosts are known, those of files too. */
  async start(): Promise<void> {
    await inTurns(this.names.replaceHosts(this.inline))
    await this.hosts.start()
  }

  stop(): void {
    this.hosts.stop()
  }

  /** A query that a worker deferred. */
  take(query: DeferredQuery, reply: (message: Uint8Array) => void): void {
    this.desk.take(clientQueryOf(query, reply))
  }
}

/** What a thread judged was the client's own name and type, which it has counted. */
function accessOf({ acl }: NameRules, row: Float64Array): DeskOptions['access'] {
  if (acl.length === 0) return undefined
  const rules = new Acl(acl)
  const query = new Query(0)
  return ({ address, isIPv6 }, { name, type }) => {
    query.readName(name, 0, name.length)
    query.type = type
    const action = rules.judge(query, address, isIPv6)
    if (action !== ACL_ALLOW) row[ACL_AT + action]!++
    return action
  }
}

function autopathOf(
  { rules, table, order, maxUdpSize, forwarding }: NameServiceOptions,
  { pods, ...setup }: NonNullable<NameServiceOptions['autopath']>,
): Autopath {
  const answerer = new Answerer(table, new Order(order, randomInt(2 ** 31)), maxUdpSize, forwarding)
  // What it counts was counted when the client asked.
  const screen = openScreen(rules, table.seed, new Float64Array(ROW_FIELDS))
  answerer.screen = screen
  const answers = new TableAnswers(table, answerer)
  return new Autopath({
    ...setup,
    maxUdpSize,
    namespaceOf: ({ address }) => pods.namespaceOf(addressKey(address)),
    exists: name => answers.has(name),
    judge(query: DeskQuery) {
      screen?.begin({ copyAddress: (_start, to) => to.set(query.address) }, query.isIPv6)
      return answers.answer(query)
    },
    nowMs: () => performance.now(),
  })
}
