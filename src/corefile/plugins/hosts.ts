/**
 * The plugin hosts → `hosts`. Layer: corefile.
 * Where it has no fallthrough, what is no host ends there; of the root that cannot be said, since it would end all names.
 */

import { type Directive, textOf } from '../directive.ts'
import type { MapPlugin, Mapping } from '../mapping.ts'
import { isReverse, isWithin, normalZone } from '../zones.ts'
import { keptFor } from './cache.ts'
import { numberOf } from './values.ts'

/** What is read where no file is named. */
const DEFAULT_FILE = '/etc/hosts'
const DEFAULT_TTL = 3600

export const mapHosts: MapPlugin = (directive, mapping) => {
  const [file, ...names] = directive.args
  const zones = mapping.zones(names)
  mapping.handle(directive)
  carryFile(file, zones, directive, mapping)
  noteCluster(zones, directive, mapping)
  const isOneOfMany = mapping.gathered.blocks.flatMap(({ plugins }) => plugins).filter(isHosts).length > 1
  const has = (name: string) => directive.body.some(option => option.name === name)
  // A default beside another's value is told of like a value.
  if (!has('ttl')) carryTtl(directive, mapping, isOneOfMany)
  if (isOneOfMany && !has('no_reverse')) mapping.set('hosts.reverse', true, directive)
  mapping.options(directive, {
    ttl: option => carryTtl(option, mapping, true),
    no_reverse: option => mapping.set('hosts.reverse', false, option),
    reload: ['builtIn', 'It set how often the file is looked at.', 'A change is noticed within 2 s.'],
    fallthrough: ['builtIn', 'What was no host was looked for further.', 'It is, but in zones of hosts.zones.'],
  })
  for (const line of directive.body) if (/^[\da-f]*[.:]/i.test(line.name)) carryLine(line, zones, mapping)
  closeZones(directive, zones, mapping)
}

/** Its block's cache bounded the TTLs of hosts too, which are not kept here. */
function carryTtl(origin: Directive, mapping: Mapping, isNeeded: boolean): void {
  const own = origin.name === 'ttl' ? numberOf(origin.args[0]) : DEFAULT_TTL
  const bound = keptFor(mapping.block)
  if (typeof own !== 'number' || bound === undefined || bound.seconds >= own) {
    if (isNeeded) mapping.set('hosts.ttl', own, origin)
    return
  }
  mapping.handle(origin)
  mapping.set('hosts.ttl', bound.seconds, bound.directive)
  if (origin.name !== 'ttl') return
  const did = `It set a TTL of ${own}, of which clients saw ${bound.seconds} at most, for the cache of its server block.`
  mapping.note(origin, ['builtIn', did, 'The less was carried over.'])
}

function isHosts({ name }: Directive): boolean {
  return name === 'hosts'
}

function carryFile(file: string | undefined, zones: readonly string[], directive: Directive, mapping: Mapping): void {
  mapping.add('hosts.files', file ?? DEFAULT_FILE, directive)
  if (file === undefined) {
    const did = `Without a file it read ${DEFAULT_FILE} too.`
    mapping.note(directive, ['builtIn', did, 'So it is here: take it out of hosts.files if it was not meant.'])
  }
  if (!zones.includes('.')) {
    const did = `Of the file it answered names in ${shown(zones)} alone.`
    const instead = 'Here all names of the file are answered: take the others out of it.'
    mapping.note(directive, ['changesAnswers', did, instead])
  }
}

/** In CoreDNS hosts come before the cluster, with all they know. */
function noteCluster(zones: readonly string[], directive: Directive, mapping: Mapping): void {
  const cluster = mapping.block.plugins.filter(({ name }) => name === 'kubernetes')
  const own = cluster
    .flatMap(({ args }) => mapping.zones(args))
    .filter(zone => zones.some(each => isWithin(zone, each)))
  const isPointing = !directive.body.some(({ name }) => name === 'no_reverse')
  if (isPointing && own.some(isReverse)) {
    const did = 'PTR of an address that a pod or Service has too was the name given here.'
    const instead = 'Here it is the name in the cluster.'
    mapping.note(directive, ['changesAnswers', did, instead])
  }
  const names = namesIn(mapping.gathered.textOf(directive.args[0] ?? DEFAULT_FILE, directive))
  const clusters = names?.filter(name => own.some(zone => !isReverse(zone) && isWithin(normalZone(name), zone)))
  if (clusters?.length === 0 || own.length === 0) return
  const did = `${clusters === undefined ? 'A name of the cluster that stands in the file was' : `The file has names of the cluster (${shown(clusters)}), which were`} answered from it.`
  const instead = 'Here the cluster comes first: write such lines into hosts.entries.'
  mapping.note(directive, ['changesAnswers', did, instead])
}

/** Of a file in the form of hosts(5). */
function namesIn(text: string | undefined): string[] | undefined {
  return text?.split('\n').flatMap(line => line.replace(/#.*/, '').trim().split(/\s+/).slice(1))
}

/** Names that its zones kept out stay out. */
function carryLine(line: Directive, zones: readonly string[], mapping: Mapping): void {
  const answered = line.args.filter(name => zones.some(zone => isWithin(normalZone(name), zone)))
  if (answered.length < line.args.length) {
    const did = `Nothing for ${shown(line.args.filter(name => !answered.includes(name)))}: it lies in no zone of the plugin.`
    mapping.note(line, ['leftOut', did, 'Nothing needs to be done.'])
    if (answered.length === 0) return
  }
  mapping.add('hosts.entries', textOf({ name: line.name, args: answered }), line)
}

function closeZones(directive: Directive, zones: readonly string[], mapping: Mapping): void {
  const open = directive.body.filter(({ name }) => name === 'fallthrough')
  if (open.some(({ args }) => args.length === 0)) return
  const openZones = mapping.namesOf(open.flatMap(({ args }) => args))
  const closed = zones.filter(zone => !isReverse(zone) && !openZones.some(each => isWithin(zone, each)))
  const others = mapping.gathered.blocks.filter(block => block !== mapping.block).flatMap(block => block.zones)
  // What lies deeper and is another's would be ended with it.
  const canClose = (zone: string) =>
    zone !== '.' && ![...others, ...openZones].some(each => each !== zone && isWithin(each, zone))
  for (const zone of closed.filter(canClose)) mapping.add('hosts.zones', zone, directive)
  const left = closed.filter(zone => !canClose(zone))
  if (left.length === 0) return
  const did = `For lack of fallthrough what is no host was SERVFAIL in ${left.includes('.') ? 'all zones' : shown(left)}.`
  const instead = 'Here it is looked for further: name the zones that are to end here in hosts.zones.'
  mapping.note(directive, ['changesAnswers', did, instead])
}

function shown(names: readonly string[]): string {
  return names.length > 3 ? `${names.slice(0, 3).join(', ')}, …` : names.join(', ')
}
