/**
 * What a plugin's mapping works with: where its directive stands, the draft, and the means to say what became of each line.
 * Layer: corefile. A line of which nothing is said is found out at the end and said to be unknown: none is dropped in silence.
 */

import { type Directive, type ServerBlock, textOf } from './directive.ts'
import { Draft, type Value } from './draft.ts'
import type { Finding, Remark } from './finding.ts'
import type { Sources } from './imports.ts'
import { intersect, zonesOf } from './zones.ts'

export interface Block extends ServerBlock {
  readonly zones: readonly string[]
  /** `ADDR:PORT` of each address it listens on. */
  readonly listen: readonly string[]
}

/** A zone and who is asked for it; written into the draft when all blocks are known. */
export interface Route {
  readonly zone: string
  readonly block: Block
  readonly directive: Directive
  readonly value: { readonly [key: string]: Value }
}

/** What is gathered from all server blocks. */
export class Gathered {
  readonly draft = new Draft()
  readonly findings: Finding[] = []
  readonly routes: Route[] = []
  /** Zones of the plugin `kubernetes`. */
  readonly clusterZones: string[] = []
  /** Reverse zones in which what the cluster does not know was NXDOMAIN. */
  readonly closed: { readonly zones: readonly string[]; readonly directive: Directive }[] = []
  readonly blocks: Block[] = []
  readonly reverseZonesOf: (network: string) => readonly string[] | undefined
  private readonly readImport: Sources['readImport']
  /** Lines that a mapping has read; whether they came into the draft is seen at the end. */
  readonly handled = new Set<Directive>()
  /** Lines of which something is said, or was said with the plugin they belong to. */
  readonly told = new Set<Directive>()

  constructor(tools: Sources & Pick<Gathered, 'reverseZonesOf'>) {
    this.reverseZonesOf = tools.reverseZonesOf
    this.readImport = tools.readImport
  }

  /** @returns undefined: it is not where the Corefile is read */
  textOf(file: string, { file: from }: Directive): string | undefined {
    const read = this.readImport(file, from)
    return typeof read === 'string' ? undefined : read[0]?.text
  }

  note(at: Directive, [verdict, did, instead]: Remark): void {
    this.told.add(at)
    this.findings.push({ file: at.file, line: at.line, text: textOf(at), verdict, did, instead })
  }
}

export class Mapping {
  readonly block: Block
  readonly gathered: Gathered

  constructor(block: Block, gathered: Gathered) {
    this.block = block
    this.gathered = gathered
  }

  /** Carries a value over to a key. */
  set(path: string, value: Value, origin: Directive): void {
    const other = this.gathered.draft.set(path.split('.'), value, origin)
    if (other === undefined) return
    const [first] = other.origins
    const where = first === undefined ? '' : ` of ${first.file}:${first.line}`
    const did = 'It held in its server block alone.'
    this.note(origin, [
      'changesAnswers',
      did,
      `${path} is one for the whole server: the value${where} was kept. Choose one.`,
    ])
  }

  /** Carries a value over into a list. */
  add(path: string, value: Value, origin: Directive): void {
    this.gathered.draft.add(path.split('.'), value, origin)
  }

  note(at: Directive, remark: Remark): void {
    this.gathered.note(at, remark)
  }

  /** It is known, and comes into the draft with other lines. */
  handle(line: Directive): void {
    this.gathered.handled.add(line)
  }

  /** What was said of a plugin, or of its options, is enough for this line. */
  cover(line: Directive): void {
    this.gathered.told.add(line)
  }

  /** Each option by what is done with it; one without a name there is said to be unknown. */
  options(directive: Directive, table: Readonly<Record<string, Remark | ((option: Directive) => void)>>): void {
    for (const option of directive.body) {
      const entry = Object.hasOwn(table, option.name) ? table[option.name] : undefined
      if (typeof entry === 'function') entry(option)
      else if (entry !== undefined) this.note(option, entry)
    }
  }

  /** @returns the zones named, or those of the block; only what lies in the block */
  zones(names: readonly string[]): string[] {
    const { zones } = this.block
    return names.length === 0 ? [...zones] : intersect(this.namesOf(names), zones)
  }

  namesOf(names: readonly string[]): string[] {
    return names.flatMap(name => zonesOf(name, this.gathered.reverseZonesOf))
  }
}

export type MapPlugin = (directive: Directive, mapping: Mapping) => void
