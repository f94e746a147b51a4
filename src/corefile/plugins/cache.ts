/**
 * The plugin cache → `cache`. Layer: corefile. Names of the cluster are never kept, nor need they be.
 */

import type { Directive } from '../directive.ts'
import type { Block, MapPlugin, Mapping } from '../mapping.ts'
import { isWithin } from '../zones.ts'
import { durationOf, numberOf } from './values.ts'

/** Seconds; without a number of its own. */
const DEFAULT_TTL = 3600

export const mapCache: MapPlugin = (directive, mapping) => {
  const root = mapping.gathered.blocks.find(
    ({ zones, plugins }) => zones.includes('.') && plugins.some(({ name }) => name === 'cache'),
  )
  if (root !== undefined && !mapping.block.zones.includes('.')) {
    const did = 'It kept answers of its server block in its own way.'
    const instead = 'cache is one for the whole server: that of the server block of all names was carried over.'
    for (const line of [directive, ...directive.body]) mapping.note(line, ['leftOut', did, instead])
    return
  }
  const [first = ''] = directive.args
  const hasTtl = /^\d+$/.test(first)
  const zones = hasTtl ? directive.args.slice(1) : directive.args
  mapping.set('cache.enabled', true, directive)
  const has = (part: string) => directive.body.some(({ name, args }) => name === part && args.length > 1)
  for (const part of ['success', 'denial']) {
    if (hasTtl && !has(part)) mapping.set(`cache.${part}.ttl`, numberOf(first), directive)
  }
  if (zones.length > 0) {
    const did = `It kept answers for names in ${zones.slice(0, 3).join(', ')} alone.`
    mapping.note(directive, ['leftOut', did, 'All forwarded answers are kept, for as long as their TTL allows.'])
  }
  const part = (option: Directive) => {
    const keys = ['capacity', 'ttl', 'minTtl']
    for (const [i, word] of option.args.slice(0, 3).entries()) {
      mapping.set(`cache.${option.name}.${keys[i]}`, numberOf(word), option)
    }
  }
  mapping.options(directive, {
    success: part,
    denial: part,
    prefetch(option) {
      const [amount, duration, percentage] = option.args
      mapping.set('cache.prefetch.amount', numberOf(amount), option)
      if (duration !== undefined) mapping.set('cache.prefetch.duration', durationOf(duration), option)
      if (percentage !== undefined)
        mapping.set('cache.prefetch.percentage', numberOf(percentage.replace('%', '')), option)
    },
    serve_stale(option) {
      const [duration = '1h', mode = 'immediate'] = option.args
      mapping.set('cache.serveStale', durationOf(duration), option)
      if (mode === 'verify') return
      const did = 'It gave an expired answer at once, and asked the upstream afterwards.'
      mapping.note(option, ['leftOut', did, 'Here the upstream is asked first, for 1.8 s at most.'])
    },
    servfail(option) {
      const [, seconds = option.args[0] ?? ''] = /^(\d+)s$/.exec(durationOf(option.args[0])) ?? []
      mapping.set('cache.servfailTtl', numberOf(seconds), option)
    },
    keepttl: option => mapping.set('cache.keepTtl', true, option),
    disable: option => noteDisabled(option, mapping),
  })
}

/** The most seconds that the cache of a server block keeps an answer, and says that it may be kept. */
export function keptFor({ plugins }: Block): { readonly seconds: number; readonly directive: Directive } | undefined {
  const directive = plugins.find(({ name }) => name === 'cache')
  if (directive === undefined) return undefined
  const [, ttl = directive.args[0]] = directive.body.find(({ name }) => name === 'success')?.args ?? []
  return { seconds: /^\d{1,9}$/.test(ttl ?? '') ? Number(ttl) : DEFAULT_TTL, directive }
}

function noteDisabled(option: Directive, mapping: Mapping): void {
  const cluster = mapping.block.plugins.filter(({ name }) => name === 'kubernetes')
  const own = cluster.flatMap(({ args }) => mapping.zones(args))
  const zones = mapping.zones(option.args.slice(1))
  const did = `It kept no ${option.args[0]} of ${option.args.slice(1).join(', ') || 'its zones'}.`
  if (zones.every(zone => own.some(each => isWithin(zone, each)))) {
    mapping.note(option, ['builtIn', did, 'Names of the cluster are never kept.'])
  } else {
    const instead = 'It is kept, no longer than its TTL: set cache.enabled to false to keep nothing at all.'
    mapping.note(option, ['changesAnswers', did, instead])
  }
}
