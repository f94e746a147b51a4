/**
 * Names that are answered from rules: templates, hosts, the loopback's, in this order. Layer: local; pure.
 */

import { type AskedName, keyOf } from '../rules/asked-name.ts'
import { Hosts, type HostsOptions } from '../rules/hosts.ts'
import type { HostEntry } from '../rules/hosts-file.ts'
import type { LocalAnswer } from '../rules/local-answer.ts'
import { answerLocalhost } from '../rules/localhost.ts'
import { type TemplateRule, Templates } from '../rules/template.ts'
import type { WireName } from '../wire/name.ts'

/** What of the hosts is asked before the cluster, for names of the cluster's zones. None of it comes from files. */
export interface FirstHosts {
  readonly entries: readonly HostEntry[]
  /** Of the zones in which what is no host does not exist. */
  readonly zones: readonly WireName[]
}

export interface LocalNamesOptions {
  readonly hosts: HostsOptions
  readonly firstHosts: FirstHosts
  readonly templates: readonly TemplateRule[]
  readonly localhost: boolean
}

export class LocalNames {
  readonly templates: Templates
  /** Queries answered as names of the loopback. */
  localhostQueries = 0
  private hosts: Hosts
  private readonly firstHosts: Hosts
  private readonly firstZones: readonly string[]
  private readonly options: LocalNamesOptions

  constructor(options: LocalNamesOptions) {
    const { hosts, firstHosts, templates } = options
    this.options = options
    this.templates = new Templates(templates)
    this.hosts = new Hosts(hosts)
    this.firstHosts = new Hosts({ ...hosts, reverse: false, zones: [] })
    for (const _ of this.firstHosts.fill(firstHosts.entries));
    this.firstZones = firstHosts.zones.map(keyOf)
  }

  /** At its end these are the hosts, and no others. Yields after each piece of some milliseconds at most. */
  *replaceHosts(entries: readonly HostEntry[]): Generator<void, void> {
    const hosts = new Hosts(this.options.hosts)
    yield* hosts.fill(entries)
    this.hosts = hosts
  }

  /** Pairs of a name and an address. */
  get hostEntries(): number {
    return this.hosts.entries
  }

  /** What rules say before the cluster does. @returns undefined: it is the cluster's, or somebody else's */
  answerFirst(name: AskedName, type: number): LocalAnswer | undefined {
    const hosts = this.firstZones.some(zone => name.isWithin(zone)) ? this.hosts : this.firstHosts
    return this.templates.answer(name, type, true) ?? hosts.answer(name, type)
  }

  /** @returns undefined: it is somebody else's */
  answer(name: AskedName, type: number): LocalAnswer | undefined {
    const made = this.templates.answer(name, type) ?? this.hosts.answer(name, type)
    if (made !== undefined || !this.options.localhost) return made
    const answer = answerLocalhost(name, type)
    if (answer !== undefined) this.localhostQueries++
    return answer
  }
}
