/**
 * Plugins about where and how the server runs, not about names. Layer: corefile.
 */

import type { Remark } from '../finding.ts'
import type { MapPlugin } from '../mapping.ts'
import { durationOf, numberOf, socketOf } from './values.ts'

/** The listening addresses are the block's own (`blocks.ts`); here is what of `bind` could not be one. */
export const mapBind: MapPlugin = (directive, mapping) => {
  const names = directive.args.filter(arg => !isAddress(arg))
  if (names.length > 0) {
    const did = `It listened on the addresses of the interface ${names.join(', ')}.`
    mapping.note(directive, [
      'changesAnswers',
      did,
      'Write those addresses into listen: interfaces have no names here.',
    ])
  }
  mapping.options(directive, {
    except: ['changesAnswers', 'It left addresses out.', 'List in listen the addresses that are meant.'],
  })
}

export function isAddress(text: string): boolean {
  return /^[\d.]+$/.test(text) || /^[\da-fA-F:.]*:[\da-fA-F:.]*(%.+)?$/.test(text)
}

export const mapPrometheus: MapPlugin = (directive, mapping) => {
  mapping.set('admin', socketOf(directive.args[0] ?? 'localhost:9153', 9153), directive)
}

export const mapHealth: MapPlugin = (directive, mapping) => {
  mapping.set('health', socketOf(directive.args[0] ?? ':8080', 8080), directive)
  mapping.options(directive, {
    lameduck: option => mapping.set('lameduck', durationOf(option.args[0]), option),
  })
}

export const mapReady: MapPlugin = (directive, mapping) => {
  mapping.set('ready', socketOf(directive.args[0] ?? ':8181', 8181), directive)
  mapping.options(directive, {
    monitor: [
      'builtIn',
      'It set whether plugins that were ready are asked again.',
      '/ready is asked anew each time, and stays ready on old data, since no DNS is worse.',
    ],
  })
}

export const mapErrors: MapPlugin = (directive, mapping) => {
  mapping.note(directive, [
    'builtIn',
    'It logged failed queries.',
    'Failures are logged (log.level) and counted in /metrics.',
  ])
  mapping.options(directive, { consolidate: ERROR_FORM, stacktrace: ERROR_FORM, panicRecoveryStacktrace: ERROR_FORM })
}

const ERROR_FORM: Remark = [
  'leftOut',
  'It set how errors are gathered or printed.',
  'Errors that repeat are logged in short by themselves; choose log.level.',
]

export const mapLoadbalance: MapPlugin = (directive, mapping) => {
  const [policy = 'round_robin'] = directive.args
  if (policy === 'round_robin') {
    mapping.set('answers.order', 'shuffle', directive)
    return
  }
  const did: Readonly<Record<string, string>> = {
    weighted: 'It put addresses first by the weights of a file.',
    prefer: 'It put addresses of the networks named first.',
  }
  const instead = 'Set answers.order to shuffle, rotate or stable: there are neither weights nor preferred networks.'
  mapping.note(directive, ['changesAnswers', did[policy] ?? `It ordered addresses by ${policy}.`, instead])
  for (const option of directive.body) {
    mapping.note(option, ['leftOut', 'It belongs to the policy above.', 'Nothing needs to be done.'])
  }
}

export const mapBufsize: MapPlugin = (directive, mapping) => {
  mapping.set('answers.maxUdpSize', numberOf(directive.args[0] ?? '1232'), directive)
}

export const mapDebug: MapPlugin = (directive, mapping) => mapping.set('log.level', 'debug', directive)

export const mapMultisocket: MapPlugin = (directive, mapping) => {
  const [count] = directive.args
  if (count !== undefined) mapping.set('workers', numberOf(count), directive)
  else {
    const did = 'It opened a socket for each CPU.'
    mapping.note(directive, [
      'leftOut',
      did,
      'Set workers if one thread, well over 100,000 queries a second, is too few.',
    ])
  }
}

export const mapTimeouts: MapPlugin = (directive, mapping) => {
  const bounded = ['builtIn', 'It bounded TCP connections.', 'They are bounded by limits.tcp.'] as const
  mapping.cover(directive)
  mapping.options(directive, {
    idle: option => mapping.set('limits.tcp.idle', durationOf(option.args[0]), option),
    read: bounded,
    write: bounded,
    maxtcpqueries: bounded,
  })
}

export const mapLog: MapPlugin = (directive, mapping) => {
  const { args, body } = directive
  const format = args.find(each => each.includes('{'))
  const zones = mapping.zones(args.filter(each => each !== format))
  for (const zone of zones) mapping.add('log.queries.zones', zone, directive)
  const chosen = body.filter(({ name }) => name === 'class')
  const classes = chosen.flatMap(line => line.args.map(each => [each, line] as const))
  for (const [each, line] of classes) mapping.add('log.queries.classes', each, line)
  if (classes.length === 0) mapping.add('log.queries.classes', 'all', directive)
  for (const line of chosen) mapping.handle(line)
  if (format !== undefined) {
    const did = 'It set the form of a line in the log of queries.'
    mapping.note(directive, ['leftOut', did, 'Lines are JSON with a field for each of the words of CoreDNS.'])
  }
}
