/**
 * The plugin acl → `acl`. Layer: corefile. Rules of all server blocks are one list, each with the zones it held for.
 */

import type { Directive } from '../directive.ts'
import type { MapPlugin, Mapping } from '../mapping.ts'
import { isWithin } from '../zones.ts'

const ACTIONS = ['allow', 'block', 'filter', 'drop']

export const mapAcl: MapPlugin = (directive, mapping) => {
  const zones = mapping.zones(directive.args)
  const isWhole = zones.includes('.')
  mapping.cover(directive)
  for (const line of directive.body) {
    if (!ACTIONS.includes(line.name)) continue
    const sections = sectionsOf(line.args)
    if (sections === undefined) continue
    const { types, networks } = sections
    mapping.add(
      'acl',
      { action: line.name, networks: some(networks), types: some(types), zones: isWhole ? undefined : zones },
      line,
    )
  }
  noteOthers(zones, mapping, directive)
  noteRewritten(isWhole, mapping, directive)
}

/** @returns undefined: it has another form */
function sectionsOf(words: readonly string[]): { types: string[]; networks: string[] } | undefined {
  const found: Record<string, string[]> = {}
  let section: string[] | undefined
  for (const word of words) {
    const key = word.toLowerCase()
    if (key === 'type' || key === 'net') section = found[key] ??= []
    else if (section === undefined) return undefined
    else section.push(word)
  }
  const { type = ['*'], net = ['*'] } = found
  return { types: type.map(each => each.toUpperCase()), networks: net }
}

/** All is what a list that is not there stands for. */
function some(words: readonly string[]): readonly string[] | undefined {
  return words.includes('*') ? undefined : words
}

/** Other blocks' names that its rules did not see, and now do. */
function noteOthers(zones: readonly string[], mapping: Mapping, directive: Directive): void {
  const others = mapping.gathered.blocks.filter(block => block !== mapping.block)
  const seen = others.flatMap(block => block.zones).filter(each => zones.some(zone => isWithin(each, zone)))
  if (seen.length === 0) return
  const did = `It held for its server block alone, and not for ${[...new Set(seen)].slice(0, 3).join(', ')}.`
  const instead =
    'Here it holds for all below its zones: put {action: allow, zones: [ZONE]} before it for those it should not.'
  mapping.note(directive, ['changesAnswers', did, instead])
}

/** In CoreDNS rewrite comes before acl. */
function noteRewritten(isWhole: boolean, mapping: Mapping, directive: Directive): void {
  const rewrites = mapping.block.plugins.filter(({ name }) => name === 'rewrite')
  const isTyped = directive.body.some(({ args }) => args.some(arg => arg.toLowerCase() === 'type'))
  if (rewrites.length === 0 || (isWhole && !isTyped)) return
  const did = 'It judged the name and type that rewrite had made of a query.'
  const instead = 'Here it judges both that and what the client asked for: name what the client asks for in acl too.'
  mapping.note(directive, ['changesAnswers', did, instead])
}
