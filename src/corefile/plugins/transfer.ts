/**
 * The plugin transfer → `transfer`. Layer: corefile. Of the plugin kubernetes it gave zones to clients, and notified nobody.
 */

import type { MapPlugin } from '../mapping.ts'
import { isWithin } from '../zones.ts'
import { isAddress } from './serving.ts'
import { clusterZones } from './values.ts'

const EVERYBODY = ['0.0.0.0/0', '::/0']

export const mapTransfer: MapPlugin = (directive, mapping) => {
  const own = clusterZones(mapping)
  const covered = own.filter(zone => mapping.zones(directive.args).some(each => isWithin(zone, each)))
  const lines = directive.body.filter(({ name }) => name === 'to')
  if (covered.length === 0) {
    const did = 'It allowed transfers of zones that plugins which are left out here served.'
    mapping.note(directive, ['changesAnswers', did, 'Transfer those zones from the server that they are forwarded to.'])
    for (const line of directive.body) mapping.cover(line)
    return
  }
  mapping.note(directive, ['builtIn', 'It allowed zone transfers.', 'transfer.networks are those that may have them.'])
  for (const line of lines) {
    const networks = line.args.flatMap(to => (to === '*' ? EVERYBODY : networkOf(to)))
    const others = line.args.filter(to => to !== '*' && networkOf(to).length === 0)
    const zones = covered.length === own.length ? undefined : covered
    if (networks.length > 0) mapping.add('transfer', { zones, networks }, line)
    if (others.length > 0) {
      const did = `It allowed transfers to ${others.join(', ')}.`
      mapping.note(line, ['changesAnswers', did, 'Add the addresses to transfer.networks: names are not resolved.'])
    }
  }
}

/** `ADDR`, or `ADDR:PORT`: the port was that of NOTIFY. */
function networkOf(to: string): string[] {
  const bare = /^\[(.*)\](?::\d+)?$/.exec(to)?.[1] ?? (/^[\d.]+:\d+$/.test(to) ? to.slice(0, to.lastIndexOf(':')) : to)
  return isAddress(bare) ? [bare] : []
}
