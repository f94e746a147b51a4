/**
 * Our server beside Knot and NSD, the three with the same zones, asked the same 20,000 queries: every difference is
 * explained by a rule (rules.ts). The seed of a run is printed; DIFFERENTIAL_SEED and DIFFERENTIAL_QUERIES repeat it.
 */

import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { parseName } from '../../src/wire/name.ts'
import { exchangeUdp } from '../support/dns-client.ts'
import { queryOf, RCODES, strictDecode } from '../support/messages.ts'
import { Random } from '../support/random.ts'
import { type Listening, startListening } from '../support/running-server.ts'
import { askAll } from './client.ts'
import { type DifferentialQuery, describeQuery, makeQuery } from './queries.ts'
import { isInstalled, type Reference, startKnot, startNsd } from './reference-servers.ts'
import { type PlainReply, plainReply } from './reply.ts'
import { isBelowZonal, leaves, RULES, unexplained } from './rules.ts'
import { makeWorld, toPods, toService, toSlices, type World } from './services.ts'
import { modelOf, REVERSE_ZONES, ZONES } from './zone-model.ts'

const QUERIES = Number(process.env['DIFFERENTIAL_QUERIES'] ?? 20_000)
const SERVICES = 300
const NEGATIVE_TTL = 1
const LIMIT_MS = 120_000
/** Of the queries that were answered otherwise, in the message of the failure. */
const SHOWN = 10

const missing = ['knotd', 'nsd'].filter(program => !isInstalled(program))
const skip = missing.length > 0 ? `not installed: ${missing.join(', ')} (Debian packages knot, nsd)` : false

describe('differential: the same queries to us, Knot and NSD', { skip }, () => {
  const seed = Number(process.env['DIFFERENTIAL_SEED'] ?? randomInt(2 ** 31))

  it(`${QUERIES} queries, ${SERVICES} Services, seed ${seed}`, { timeout: LIMIT_MS }, async t => {
    const random = new Random(seed)
    const world = makeWorld(random, SERVICES)
    const folder = mkdtempSync(join(tmpdir(), 'differential-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const listening = await serve(world)
    t.after(() => listening.server.stop())
    const model = modelOf(world, await serialsOf(listening), NEGATIVE_TTL)
    const references: Reference[] = []
    for (const start of [startKnot, startNsd]) {
      const reference = await start(join(folder, String(references.length)), model.files)
      t.after(() => reference.stop())
      references.push(reference)
    }

    const queries = Array.from({ length: QUERIES }, () => makeQuery(random, model.names))
    const ours = (await askAll(queries, listening.ipv4.port)).map((octets, i) => {
      assert.ok(octets !== undefined, `RFC 8906 §3: no reply to ${describeQuery(queries[i]!)}`)
      assert.equal(octets.readUInt16BE(0), i & 0xffff)
      return plainReply(octets, false)
    })
    const used = new Map<string, number>()
    const wrong: string[] = []
    let unanswered = 0
    for (const { name, port } of references) {
      for (const [i, octets] of (await askAll(queries, port)).entries()) {
        // Nothing can be learnt from a reference that is silent, as NSD is over TCP to opcodes it does not know.
        if (octets === undefined) {
          if (queries[i]!.opcode === 0) unanswered++
          continue
        }
        const comparison = { query: queries[i]!, ours: ours[i]!, theirs: plainReply(octets, true), reference: name }
        const aspects = unexplained(comparison, used)
        if (aspects.length > 0) wrong.push(`${name}, ${aspects.join(', ')}: ${show(comparison)}`)
      }
    }
    wrong.push(...(await wrongSamples(queries, ours, references[0]!)))

    t.diagnostic(`${model.names.length} names; differences by rule: ${JSON.stringify(Object.fromEntries(used))}`)
    t.diagnostic(`queries that a reference left without a reply: ${unanswered}`)
    assert.equal(
      wrong.length,
      0,
      `${wrong.length} differences that no rule explains:\n${wrong.slice(0, SHOWN).join('\n')}`,
    )
    assert.ok(unanswered < QUERIES / 1000, `${unanswered} queries were left without a reply by a reference`)
    const idle = RULES.filter(({ name }) => !used.has(name)).map(({ name }) => name)
    if (QUERIES >= 20_000) assert.deepEqual(idle, [], 'rules that nothing needs')
  })
})

function serve({ services, pods }: World): Promise<Listening> {
  const wire = (zone: string) => parseName(zone)!
  return startListening(
    'batch',
    cluster => {
      const [serviceSink, sliceSink] = [cluster.open('Service'), cluster.open('EndpointSlice')]
      const podSink = cluster.open('Pod')
      for (const sink of [serviceSink, sliceSink, podSink]) sink.replaceAll().commit()
      for (const service of services) {
        serviceSink.upsert(toService(service))
        for (const slice of toSlices(service)) sliceSink.upsert(slice)
      }
      for (const pod of toPods(pods)) podSink.upsert(pod)
      cluster.flush()
    },
    { zones: ZONES.map(wire), reverseZones: REVERSE_ZONES.map(wire), negativeTtl: NEGATIVE_TTL, pods: 'verified' },
  )
}

async function serialsOf({ ipv4 }: Listening): Promise<number[]> {
  const serials: number[] = []
  for (const zone of [...ZONES, ...REVERSE_ZONES]) {
    const { rdata } = strictDecode(await exchangeUdp(queryOf(zone, 'SOA'), ipv4)).answers[0]!
    serials.push(rdata.readUInt32BE(rdata.length - 20))
  }
  return serials
}

/** A truncated answer of ours is a part of the whole one, which the reference gives over TCP, but for what rules say. */
async function wrongSamples(
  queries: readonly DifferentialQuery[],
  ours: readonly PlainReply[],
  { port }: Reference,
): Promise<string[]> {
  const cut = [...queries.keys()].filter(i => ours[i]!.tc && !isBelowZonal(queries[i]!))
  const whole = await askAll(
    cut.map(i => ({ ...queries[i]!, stream: true })),
    port,
  )
  assert.ok(cut.length > 0 && cut.every(i => ours[i]!.additional.length === 0))
  return cut.flatMap((i, at) => {
    if (whole[at] === undefined) return []
    const { answer, rcode } = plainReply(whole[at], true)
    const sample = ours[i]!.answer
    const isPart = sample.length < answer.length && sample.every(record => answer.includes(record))
    const isOurs = rcode === RCODES.FORMERR || answer.some(record => leaves(record, queries[i]!.labels))
    return isPart || isOurs ? [] : [`not a part of the whole: ${describeQuery(queries[i]!)}`]
  })
}

function show({ query, ours, theirs }: { query: DifferentialQuery; ours: PlainReply; theirs: PlainReply }): string {
  const cut = (reply: PlainReply): string => JSON.stringify({ ...reply, question: undefined }).slice(0, 600)
  return `${describeQuery(query)}\n  ours    ${cut(ours)}\n  theirs  ${cut(theirs)}`
}
