import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createAnswering, headless, slice } from '../../support/answering.ts'
import { createBoundedMemory } from '../../support/bounded-memory.ts'

const MANY = (first: number, count: number) =>
  Array.from({ length: count }, (_, i) => ({ address: `10.${first}.${i >>> 8}.${i & 255}`, hostname: `h${i}` }))
const addressesOf = (answers: readonly string[]): string[] => answers.map(answer => answer.split(' ').at(-1)!).sort()

function create() {
  const problems: unknown[] = []
  const server = createAnswering({ memory: createBoundedMemory(2, 4), onUnpublished: error => problems.push(error) })
  const ask = (name: string) => server.ask(`${name}.default.svc.cluster.local`, 'A', { stream: true })
  return { ...server, problems, ask }
}

describe('a table that is full, seen from the cluster', () => {
  it('serves what it served, whole; other Services change on; the rest is served as soon as there is room', () => {
    const { services, slices, flush, problems, ask, serving } = create()
    for (const name of ['web', 'large', 'other']) services.upsert(headless(name))
    slices.upsert(slice('web', [{ address: '10.0.0.1', hostname: 'a' }]))
    slices.upsert(slice('large', MANY(1, 300)))
    slices.upsert(slice('other', [{ address: '10.0.2.1' }]))
    flush()
    assert.deepEqual([problems.length, serving.unpublished()], [0, 0])

    slices.upsert(slice('web', MANY(2, 2000)))
    slices.upsert(slice('other', [{ address: '10.0.2.2' }]))
    flush()
    assert.equal((problems[0] as { code: string }).code, 'ERR_TABLE_FULL')
    assert.equal(serving.unpublished(), 1)
    assert.deepEqual(addressesOf(ask('web').answers), ['10.0.0.1'])
    assert.deepEqual(addressesOf(ask('a.web').answers), ['10.0.0.1'])
    assert.equal(ask('h1999.web').rcode, 'NXDOMAIN', 'nothing of what found no room')
    assert.equal(ask('h0.web').rcode, 'NXDOMAIN', 'nothing of what found room before it ended')
    assert.deepEqual(addressesOf(ask('other').answers), ['10.0.2.2'])

    // Another change of the same Service replaces the one that waits: the old one must never come back over it.
    slices.upsert(slice('web', MANY(3, 250)))
    slices.remove('default', slice('large', []).name)
    flush()
    flush()
    slices.upsert(slice('other', [{ address: '10.0.2.3' }]))
    flush()
    assert.equal(serving.unpublished(), 0)
    assert.deepEqual(addressesOf(ask('h7.web').answers), ['10.3.0.7'])
    assert.equal(addressesOf(ask('web').answers).length, 250)
    assert.equal(ask('a.web').rcode, 'NXDOMAIN', 'what was served before is gone')
    assert.equal(ask('h1999.web').rcode, 'NXDOMAIN')
  })

  it('keeps one waiting change per Service, however often it changes', () => {
    const { services, slices, flush, serving } = create()
    services.upsert(headless('web'))
    slices.upsert(slice('web', [{ address: '10.0.0.1' }]))
    flush()
    for (let i = 0; i < 20; i++) {
      slices.upsert(slice('web', MANY(i, 3000)))
      flush()
      assert.equal(serving.unpublished(), 1)
    }
  })
})
