/**
 * The plugins dns64 → `dns64`, and local → `localhost`. Layer: corefile.
 */

import type { MapPlugin } from '../mapping.ts'

const DEFAULT_PREFIX = '64:ff9b::/96'

export const mapDns64: MapPlugin = (directive, mapping) => {
  const option = directive.body.find(({ name }) => name === 'prefix')
  mapping.set('dns64.prefix', option?.args[0] ?? directive.args[0] ?? DEFAULT_PREFIX, option ?? directive)
  mapping.handle(directive)
  mapping.options(directive, {
    translate_all: each => mapping.set('dns64.translateAll', true, each),
    allow_ipv4: each => mapping.set('dns64.allowIPv4', true, each),
  })
  const { zones, plugins } = mapping.block
  if (!zones.includes('.')) {
    const did = `It held for names in ${zones.slice(0, 3).join(', ')} alone.`
    mapping.note(directive, ['changesAnswers', did, 'Here it holds for all names outside the cluster.'])
  } else if (plugins.some(({ name }) => name === 'kubernetes')) {
    const did = 'Names of the cluster without AAAA records were given them too.'
    const instead = 'Here names outside the cluster are: make Services that IPv6 clients use dual-stack.'
    mapping.note(directive, ['changesAnswers', did, instead])
  }
}

export const mapLocal: MapPlugin = (directive, mapping) => mapping.set('localhost', true, directive)
