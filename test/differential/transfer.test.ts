/**
 * A zone of more than 10,000 names as others take it over: dig, and Knot and NSD as secondaries, which then answer what we answer; after
 * a change too, of which NOTIFY tells them.
 */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { serviceOf, sliceOf } from '../support/fake-api-objects.ts'
import { freePort, startServer, until } from '../support/server-process.ts'
import { isInstalled, type Reference, startKnotSecondary, startNsdSecondary } from './reference-servers.ts'

const ZONE = 'cluster.local'
const SERVICES = 1200
const ASKED = 400
const LIMIT_MS = 120_000
const missing = ['dig', 'knotd', 'nsd'].filter(program => !isInstalled(program))
const skip =
  missing.length > 0 ? `not installed: ${missing.join(', ')} (Debian packages bind9-dnsutils, knot, nsd)` : false

const dig = (port: number, ...words: string[]): string =>
  execFileSync('dig', ['@127.0.0.1', '-p', String(port), '+tries=2', '+time=5', ...words], {
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  })

/** Records without comments, one space between fields. */
const recordsIn = (output: string): string[] =>
  output
    .split('\n')
    .filter(line => line !== '' && !line.startsWith(';'))
    .map(line => line.replaceAll(/\s+/g, ' ').toLowerCase())

/** The answers to many questions, in the order of their text. */
function answersOf(port: number, folder: string, questions: readonly string[]): string[] {
  const file = join(folder, 'questions')
  writeFileSync(file, `${questions.join('\n')}\n`)
  const words = ['-f', file, '-p', String(port), '+tcp', '+noall', '+answer']
  const output = execFileSync('dig', words, { encoding: 'utf8', maxBuffer: 64 << 20 })
  return recordsIn(output).sort()
}

/** Replaces the file of manifests at once. */
function publish(folder: string, count: number): void {
  const items = Array.from({ length: count }, (_, i) => [
    { apiVersion: 'v1', kind: 'Service', ...serviceOf(`s${i}`) },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      ...sliceOf(`s${i}-1`, `s${i}`, [`10.${i >> 8}.${i & 255}.1`, `10.${i >> 8}.${i & 255}.2`]),
    },
  ]).flat()
  writeFileSync(join(folder, 'new'), JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
  renameSync(join(folder, 'new'), join(folder, 'services.json'))
}

describe('a zone of more than 10,000 names', { skip }, () => {
  it('is received whole by dig, by Knot and by NSD, which then answer the same, after NOTIFY too', {
    timeout: LIMIT_MS,
  }, async t => {
    const folder = mkdtempSync(join(tmpdir(), 'transfer-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    publish(folder, SERVICES)
    const secondaries = [await freePort(), await freePort()]
    const config = join(folder, 'config.yaml')
    const notify = secondaries.map(port => `127.0.0.1:${port}`)
    const source = { manifests: { paths: [join(folder, 'services.json')] } }
    writeFileSync(config, JSON.stringify({ lameduck: '0s', source, transfer: [{ notify }] }))
    const server = await startServer(['--config', config])
    t.after(() => server.stop())

    const whole = recordsIn(dig(server.port, ZONE, 'AXFR'))
    const names = new Set(whole.map(line => line.split(' ')[0]))
    assert.ok(names.size > 10_000, `${names.size} names`)
    assert.match(whole[0]!, / soa /)
    assert.equal(whole.at(-1), whole[0])
    assert.equal(new Set(whole.slice(1)).size, whole.length - 1, 'each record once')

    const references: Reference[] = []
    for (const [i, start] of [startKnotSecondary, startNsdSecondary].entries()) {
      const at = { zone: ZONE, primary: server.port, port: secondaries[i]! }
      const reference = await start(join(folder, String(i)), at)
      t.after(() => reference.stop())
      references.push(reference)
    }
    const asked = [...names].filter((name, i) => i % Math.ceil(names.size / ASKED) === 0 && !name!.startsWith('*'))
    const questions = asked.flatMap(name => ['A', 'AAAA', 'SRV'].map(type => `@127.0.0.1 ${name} ${type}`))
    const ours = answersOf(server.port, folder, questions)
    assert.ok(ours.length > ASKED)
    for (const { name, port } of references) assert.deepEqual(answersOf(port, folder, questions), ours, name)

    publish(folder, SERVICES + 1)
    const added = `s${SERVICES}.default.svc.${ZONE}`
    for (const { name, port } of references) {
      await until(
        () => recordsIn(dig(port, '+noall', '+answer', added, 'A')).length === 2,
        `${name} has heard of the change`,
      )
    }
    const after = answersOf(server.port, folder, [...questions, `@127.0.0.1 ${ZONE} SOA`])
    for (const { name, port } of references) {
      assert.deepEqual(answersOf(port, folder, [...questions, `@127.0.0.1 ${ZONE} SOA`]), after, name)
    }
    const { body } = await server.admin('/metrics')
    assert.match(body, /^headless_dns_transfers_total\{.*sent="changes"\} [1-9]/m, 'a change is sent as a change')
    assert.match(body, /^headless_dns_notifies_total\{.*result="answered"\} [1-9]/m)
  })
})
