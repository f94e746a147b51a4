import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ByNamespace } from '../../../src/cluster/by-namespace.ts'

const NAMESPACES = ['a', 'b', 'ab']
const step = fc.record({
  key: fc.tuple(fc.constantFrom(...NAMESPACES), fc.constantFrom('x', 'y', 'x/y')).map(names => names.join('/')),
  value: fc.option(fc.nat(), { nil: undefined }),
})

describe('a map by namespace', () => {
  it('holds what a map holds, each key in its namespace, and nothing of a namespace that is empty', () => {
    fc.assert(
      fc.property(fc.array(step), steps => {
        const map = new ByNamespace<number>()
        const model = new Map<string, number>()
        for (const { key, value } of steps) {
          if (value === undefined) map.delete(key)
          else map.set(key, value)
          if (value === undefined) model.delete(key)
          else model.set(key, value)
        }
        for (const { key } of steps) assert.equal(map.get(key), model.get(key))
        assert.deepEqual([...map.values()].sort(), [...model.values()].sort())
        for (const namespace of NAMESPACES) {
          const expected = [...model.keys()].filter(key => key.startsWith(`${namespace}/`))
          assert.deepEqual([...map.keysIn(namespace)].sort(), expected.sort())
        }
        const { parts } = map as unknown as { parts: Map<string, Map<string, number>> }
        assert.equal(parts.size, new Set([...model.keys()].map(key => key.split('/')[0])).size)
      }),
    )
  })
})
