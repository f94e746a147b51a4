/**
 * The plugin autopath → `autopath`. Layer: corefile. With a file instead of `@kubernetes` it had one search list for all clients.
 */

import type { MapPlugin } from '../mapping.ts'
import { isWithin } from '../zones.ts'
import { clusterZones } from './values.ts'

export const mapAutopath: MapPlugin = (directive, mapping) => {
  const { args } = directive
  const source = args.at(-1) ?? ''
  if (source !== '@kubernetes') {
    const did = `It took the search list of ${source === '' ? 'a file' : source} for that of every client.`
    const instead = 'autopath: true knows each pod and its own list; elsewhere clients walk theirs themselves.'
    mapping.note(directive, ['changesAnswers', did, instead])
    return
  }
  const own = clusterZones(mapping).filter(zone => !/\.arpa$/.test(zone))
  const named = mapping.zones(args.slice(0, -1))
  const covered = own.filter(zone => named.some(each => isWithin(zone, each)))
  if (covered.length === 0) {
    const did = 'It walked search paths in zones that no plugin kubernetes beside it serves.'
    mapping.note(directive, ['changesAnswers', did, 'Nothing needs to be done: no pod has such a search path.'])
    return
  }
  mapping.set('autopath.enabled', true, directive)
  if (covered.length < own.length) mapping.set('autopath.zones', covered, directive)
  mapping.note(directive, [
    'builtIn',
    "It walked the client's search path on the server, for pods that it knew.",
    'Here for pods of its own node: add the component autopath to the deployment, which allows to watch them.',
  ])
}
