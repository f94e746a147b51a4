import assert from 'node:assert/strict'
import { it } from 'node:test'
import { parseName } from '../../../src/wire/name.ts'
import { createAnswering, headless, slice } from '../../support/answering.ts'

it('changeRecords: of hundreds of records at one name, those that come, go and stay are told apart', () => {
  const server = createAnswering()
  const ptrs = () =>
    server.ask('1.0.0.10.in-addr.arpa', 'PTR', { stream: true }).answers.map(line => line.split(' ').at(-1)!)
  const put = (from: number, count: number): string[] => {
    const hosts = Array.from({ length: count }, (_, i) => `h${from + i}`)
    server.slices.upsert(
      slice(
        'web',
        hosts.map(hostname => ({ address: '10.0.0.1', hostname })),
      ),
    )
    server.flush()
    return hosts.map(host => `${host}.web.default.svc.cluster.local.`).sort()
  }
  server.services.upsert(headless('web'))
  for (const [from, count] of [
    [0, 5],
    [0, 300],
    [150, 300],
    [1000, 300],
    [1299, 2],
  ] as const) {
    const expected = put(from, count)
    assert.deepEqual(ptrs().sort(), expected)
  }
})

it('put, remove: the apex of a zone is its own, whatever name of a zone above it is the same', () => {
  const server = createAnswering({
    zones: [parseName('cluster.local')!, parseName('web.default.svc.cluster.local')!],
  })
  const soa = () => server.ask('web.default.svc.cluster.local', 'SOA').answers.length
  const ns = () => server.ask('web.default.svc.cluster.local', 'NS').answers
  const before = ns()
  server.services.upsert(headless('web'))
  server.slices.upsert(slice('web', [{ address: '10.0.0.1' }]))
  server.flush()
  assert.deepEqual([soa(), ns()], [1, before])
  server.services.remove('default', 'web')
  server.flush()
  assert.deepEqual([soa(), ns()], [1, before])
})
