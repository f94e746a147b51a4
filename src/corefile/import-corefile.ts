/**
 * A Corefile → our configuration and what is to be said of it. Layer: corefile; pure: files, the environment and the
 * configuration's own reader are injected. No directive is dropped in silence: what no mapping has spoken of is found here.
 */

import { type Directive, type ServerBlock, textOf } from './directive.ts'
import { type Draft, type Entry, originsOf, type Path, type Raw, rawOf } from './draft.ts'
import type { Finding } from './finding.ts'
import { expandImports, type Sources } from './imports.ts'
import { type Block, Gathered, Mapping } from './mapping.ts'
import { parseBlocks } from './parser.ts'
import { writeRoutes } from './plugins/forward.ts'
import { PLUGINS } from './plugins/index.ts'
import { isAddress } from './plugins/serving.ts'
import { socketOf } from './plugins/values.ts'
import { formatConfig } from './print.ts'
import { readBlockKey, zonesOf } from './zones.ts'

export interface ImportTools extends Sources {
  /** A network in CIDR notation → its reverse zones; undefined: it is none. */
  reverseZonesOf(network: string): readonly string[] | undefined
  /** What is wrong with a configuration. */
  problemsOf(raw: unknown): readonly { readonly path: Path; readonly reason: string }[]
}

export interface Imported {
  /** YAML. It loads. */
  readonly config: string
  /** All that was not carried over, in the order of the lines. */
  readonly findings: readonly Finding[]
}

const MAX_ROUNDS = 20

/**
 * @param file as it is to be named to people, and the place that imports are relative to
 * @throws CorefileError when it cannot be read as a Corefile, or is beyond the bounds
 */
export function importCorefile(file: string, text: string, tools: ImportTools): Imported {
  const { tokens, findings } = expandImports(file, text, tools)
  const gathered = new Gathered(tools)
  gathered.findings.push(...findings)
  const blocks = parseBlocks(tokens)
  for (const block of blocks) gathered.blocks.push(readBlock(block, gathered))
  carryListeners(gathered)
  for (const block of gathered.blocks) {
    const mapping = new Mapping(block, gathered)
    for (const directive of block.plugins) mapPlugin(directive, mapping)
  }
  writeRoutes(gathered)
  carryDefaults(gathered)
  carryAbsent(gathered)
  for (const origin of originsOf({ origins: [], value: gathered.draft.root })) gathered.told.add(origin)
  for (const { plugins } of blocks) for (const directive of plugins) noteSilent(directive, gathered)
  refuse(gathered, tools)
  const sorted = inOrder(gathered.findings)
  return { config: formatConfig(file, gathered.draft, sorted), findings: sorted }
}

function readBlock(block: ServerBlock, { reverseZonesOf }: Gathered): Block {
  const keys = block.keys.map(readBlockKey)
  const zones = [...new Set(keys.flatMap(({ zone }) => zonesOf(zone, reverseZonesOf)))]
  const bound = block.plugins.filter(({ name }) => name === 'bind').flatMap(({ args }) => args.filter(isAddress))
  const hosts = bound.length > 0 ? bound : ['0.0.0.0', '::']
  const ports = [...new Set(keys.filter(({ scheme }) => scheme === 'dns').map(({ port }) => port))]
  return { ...block, zones, listen: ports.flatMap(port => hosts.map(host => socketOf(bracketed(host), port))) }
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

/** `listen` is that of all blocks; a block that others listen beside is told of. */
function carryListeners({ blocks, draft, ...gathered }: Gathered): void {
  const first = blocks[0]
  for (const block of blocks) {
    const origin = block.plugins.find(({ name }) => name === 'bind') ?? blockDirective(block)
    for (const address of block.listen) draft.add(['listen'], address, origin)
    for (const key of block.keys) {
      const { scheme } = readBlockKey(key)
      if (scheme === 'dns') continue
      const instead = 'Only DNS over UDP and TCP is served: put a proxy such as dnsdist before it for other transports.'
      const did = `It served its names over ${scheme}://.`
      gathered.findings.push({ ...block, text: key, verdict: 'changesAnswers', did, instead })
    }
    if (first === undefined || block.listen.length === 0 || block.listen.join() === first.listen.join()) continue
    const did = `Its names were answered at ${block.listen.join(', ')} alone, and those of other blocks elsewhere.`
    const instead = 'Here the same is answered at every address of listen: run a second server if that must not be.'
    gathered.findings.push({ ...block, text: block.keys.join(' '), verdict: 'changesAnswers', did, instead })
  }
}

function blockDirective({ file, line, keys }: ServerBlock): Directive {
  return { file, line, name: keys.join(' '), args: [], body: [] }
}

function mapPlugin(directive: Directive, mapping: Mapping): void {
  const entry = Object.hasOwn(PLUGINS, directive.name) ? PLUGINS[directive.name] : undefined
  if (typeof entry === 'function') {
    entry(directive, mapping)
    return
  }
  if (entry === undefined) {
    const did = `${directive.name} is none of CoreDNS's own plugins: what it did is not known here.`
    mapping.note(directive, ['changesAnswers', did, 'See what answers it gave, and who can give them instead.'])
  } else mapping.note(directive, entry)
  coverAll(directive, mapping)
}

/** What was said of a plugin as a whole holds for its options. */
function coverAll(directive: Directive, mapping: Mapping): void {
  for (const option of directive.body) {
    mapping.cover(option)
    coverAll(option, mapping)
  }
}

/** Lines that neither came into the draft nor were spoken of. */
function noteSilent(directive: Directive, gathered: Gathered, plugin = directive.name): void {
  if (!gathered.told.has(directive)) {
    const isKnown = gathered.handled.has(directive)
    const did = isKnown
      ? `It belonged to ${plugin}, which did not need it or was not carried over.`
      : `It is no option of ${plugin} that is known here, or has a form that is not.`
    const instead = isKnown
      ? 'Nothing needs to be done.'
      : 'See what it means to your CoreDNS; nothing of it was carried over.'
    gathered.note(directive, [isKnown ? 'leftOut' : 'changesAnswers', did, instead])
  }
  for (const option of directive.body) noteSilent(option, gathered, plugin)
}

/** What the absence of a plugin means. */
function carryDefaults({ draft, clusterZones, findings, blocks }: Gathered): void {
  const [block] = blocks
  if (block === undefined) return
  const origin = blockDirective(block)
  if (draft.get(['admin']) === undefined) {
    const health = blocks.flatMap(({ plugins }) => plugins).find(({ name }) => name === 'health' || name === 'ready')
    if (health === undefined) draft.set(['admin'], 'off', origin)
    // Whoever asks for its health does so from outside: a DaemonSet's probes at this port, which metrics have there too.
    else draft.set(['admin'], socketOf(health.args[0] ?? ':8080', 8080).replace(/\d+$/, '9153'), health)
  }
  const kubernetes = blocks.flatMap(({ plugins }) => plugins).find(({ name }) => name === 'kubernetes')
  if (kubernetes !== undefined && draft.get(['reverseZones']) === undefined) draft.set(['reverseZones'], [], kubernetes)
  if (clusterZones.length === 0) {
    const did = 'It answered no names of a cluster: the plugin kubernetes is in none of its server blocks.'
    const instead =
      'Names below zones (cluster.local if not given) are answered from a cluster or manifests: set source, or keep CoreDNS for this.'
    findings.push({ ...block, text: block.keys.join(' '), verdict: 'changesAnswers', did, instead })
  }
}

const ANSWERS_BESIDE = ['forward', 'hosts', 'template', 'rewrite']

/** What is done here unless told otherwise, and there only by a plugin. */
function carryAbsent({ draft, blocks, routes, findings }: Gathered): void {
  const [block] = blocks
  if (block === undefined) return
  const origin = blockDirective(block)
  const isBeside = ANSWERS_BESIDE.some(key => draft.get([key]) !== undefined)
  if (isBeside && draft.get(['localhost']) === undefined) draft.set(['localhost'], false, origin)
  const isForwarding = draft.get(['forward']) !== undefined
  if (!isForwarding) return
  if (draft.get(['cache']) === undefined) draft.set(['cache', 'enabled'], false, origin)
  else {
    const forwarding = new Set(routes.map(route => route.block))
    for (const each of forwarding) {
      if (each.plugins.some(({ name }) => name === 'cache')) continue
      const did = 'Its answers were not kept: it has no cache.'
      const instead = 'They are, for as long as their TTL allows: cache is one for the whole server.'
      findings.push({ ...each, text: each.keys.join(' '), verdict: 'leftOut', did, instead })
    }
  }
}

/** Takes out what our configuration does not take, with its reason; bounded, since each round takes more out. */
function refuse({ draft, findings }: Gathered, { problemsOf }: ImportTools): void {
  const told = new Set<string>()
  for (let round = 0; ; round++) {
    const problems = problemsOf(rawRoot(draft)).toReversed()
    if (problems.length === 0) return
    if (round > 3 * MAX_ROUNDS) throw new Error(`the configuration is refused: ${problems[0]!.reason}`)
    const seen = new Set<string>()
    const moved: Moved = new Map()
    for (const { path, reason } of problems) {
      const place = coarser(path, Math.floor(round / MAX_ROUNDS))
      const name = place.join()
      if (seen.has(name)) continue
      seen.add(name)
      const isThere = draft.has(place)
      // What was the holder of others is gone with them: whether that is right is asked again.
      if (seen.size > 1 && (!isThere || hasMoved(place, moved))) continue
      const { removed, at } = draft.remove(place)
      if (removed !== undefined) noteRefused(removed, path, reason, findings, told)
      if (!isThere || round >= MAX_ROUNDS) break
      noteMoved(at, moved)
    }
  }
}

/** Lists by their paths, and the least index that an item was taken from: from there on nothing stands where it stood. */
type Moved = Map<string, number>

/** @param at of what was taken away */
function noteMoved(at: Path, moved: Moved): void {
  const index = at.at(-1)
  if (typeof index !== 'number') return
  const list = at.slice(0, -1).join()
  moved.set(list, Math.min(index, moved.get(list) ?? index))
}

function hasMoved(place: Path, moved: Moved): boolean {
  return place.some((step, i) => {
    const least = typeof step === 'number' ? moved.get(place.slice(0, i).join()) : undefined
    return least !== undefined && Number(step) >= least
  })
}

/** Lists of rules: one without the part that is refused would say something else. */
const RULES: ReadonlySet<string | number | undefined> = new Set(['rewrite', 'template', 'acl'])

/** At first a value alone, or the rule it stands in; then the whole list it stands in; then all below the first key. */
function coarser(path: Path, step: number): Path {
  if (step === 0 && RULES.has(path[0])) return path.slice(0, 2)
  const list = path.findIndex(each => typeof each === 'number')
  return step === 0 ? path : step === 1 && list > 0 ? path.slice(0, list) : path.slice(0, 1)
}

/** @param told what was said of lines: of a value that stands in one many times it is said once */
function noteRefused(removed: Entry, path: Path, reason: string, findings: Finding[], told: Set<string>): void {
  const key = path.filter(step => typeof step === 'string').join('.')
  const value = JSON.stringify(rawOf(removed))
  for (const origin of [...originsOf(removed)].slice(0, 10)) {
    const { file, line } = origin
    const said = `${file}:${line} ${key}: ${value}`
    if (told.has(said)) continue
    told.add(said)
    const did = `It would be ${key}: ${value.length > 100 ? `${value.slice(0, 100)}…` : value}.`
    const instead = `The configuration does not take that: ${reason}.`
    findings.push({ file, line, text: textOf(origin), verdict: 'changesAnswers', did, instead })
  }
}

function rawRoot({ root }: Draft): Raw {
  return rawOf({ origins: [], value: root })
}

/** By line within a file, files in the order in which they were met. */
function inOrder(findings: readonly Finding[]): Finding[] {
  const files = [...new Set(findings.map(({ file }) => file))]
  const rank = new Map(files.map((file, i) => [file, i]))
  return findings.toSorted((a, b) => rank.get(a.file)! - rank.get(b.file)! || a.line - b.line)
}
