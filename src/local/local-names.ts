/**
 * Names that are answered from rules: templates, hosts, the loopback's, in this order. Layer: local; pure.
 */

import type { AskedName } from '../rules/asked-name.ts'
import { Hosts, type HostsOptions } from '../rules/hosts.ts'
import type { HostEntry } from '../rules/hosts-file.ts'
import type { LocalAnswer } from '../rules/local-answer.ts'
import { answerLocalhost } from '../rules/localhost.ts'
import { type TemplateRule, Templates } from '../rules/template.ts'

export interface LocalNamesOptions {
  readonly hosts: HostsOptions
  readonly templates: readonly TemplateRule[]
  readonly localhost: boolean
}

export class LocalNames {
  readonly templates: Templates
  /** Queries answered as names of the loopback. */
  localhostQueries = 0
  private hosts: Hosts
  private readonly options: LocalNamesOptions

  constructor(options: LocalNamesOptions) {
    this.options = options
    this.templates = new Templates(options.templates)
    this.hosts = new Hosts(options.hosts)
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

  /** @returns undefined: it is somebody else's */
  answer(name: AskedName, type: number): LocalAnswer | undefined {
    const made = this.templates.answer(name, type) ?? this.hosts.answer(name, type)
    if (made !== undefined || !this.options.localhost) return made
    const answer = answerLocalhost(name, type)
    if (answer !== undefined) this.localhostQueries++
    return answer
  }
}
