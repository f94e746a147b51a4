/**
 * The plugin k8s_external → `records.external`, `fallthrough`. Layer: corefile. It stands beside the plugin kubernetes, whose
 * Services it answers for.
 */

import type { MapPlugin } from '../mapping.ts'
import { isReverse } from '../zones.ts'
import { carryFallthrough } from './kubernetes.ts'
import { numberOf } from './values.ts'

export const mapExternal: MapPlugin = (directive, mapping) => {
  const zones = mapping.zones(directive.args)
  const forward = zones.filter(zone => !isReverse(zone) && zone !== '.')
  for (const zone of forward) mapping.add('records.external.zones', zone, directive)
  if (forward.length < zones.length && forward.length > 0) mapping.set('records.external.reverse', true, directive)
  if (forward.length === 0) {
    const did = 'Nothing of use: it has no zone of names, only the root or reverse zones.'
    mapping.note(directive, ['leftOut', did, 'Name a zone in records.external.zones.'])
  }
  mapping.options(directive, {
    ttl: option => mapping.set('records.external.ttl', numberOf(option.args[0]), option),
    headless: option => mapping.set('records.external.headless', true, option),
    fallthrough: option => carryFallthrough(option, forward, mapping),
    apex: [
      'changesAnswers',
      'It chose the label below which the name server of the zone stands: ns1.dns by default.',
      'Here it is ns.dns in every zone.',
    ],
  })
}
