import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { LineParser, ListParser } from '../../../src/kubernetes/json-stream.ts'

const CODE = { code: 'ERR_API_MALFORMED' }

/** Cuts octets at the given places, each chunk memory of its own that is overwritten once it was taken in. */
function feed(parser: { push(chunk: Buffer): Generator<unknown> }, octets: Buffer, cuts: readonly number[]): unknown[] {
  const found: unknown[] = []
  const places = [...new Set(cuts.map(cut => cut % (octets.length + 1)))].sort((a, b) => a - b)
  let start = 0
  for (const end of [...places, octets.length]) {
    const chunk = Buffer.from(octets.subarray(start, end))
    found.push(...parser.push(chunk))
    chunk.fill(0x7b)
    start = end
  }
  return found
}

/** Text that is hard to take apart: braces, quotes, escapes, line ends, other separators, four-octet characters. */
const hardText = fc
  .array(
    fc.constantFrom('{', '}', '[', ']', '"', '\\', '\n', '\r', ',', ':', '\u2028', '\u2029', 'a', 'é', '💡', '\u0000'),
  )
  .map(parts => parts.join(''))
/**
 * Without backslashes: after a key `\\`, JSON.parse of Node 24.21 takes the key `\r` for it. Kubernetes has no such keys, and none
 * that is read here can be mistaken so.
 */
const hardKey = hardText.map(text => text.replaceAll('\\', ''))
const { tree } = fc.letrec(tie => ({
  tree: fc.oneof({ maxDepth: 4 }, fc.constantFrom(null, true, 0, -1.5e-7), hardText, tie('array'), tie('object')),
  array: fc.array(tie('tree'), { maxLength: 4 }),
  object: fc.dictionary(hardKey, tie('tree'), { maxKeys: 4, noNullPrototype: true }),
}))
const object = fc.dictionary(hardKey, tree, { maxKeys: 5, noNullPrototype: true })
const cuts = fc.array(fc.nat(5000), { maxLength: 40 })
const indent = fc.constantFrom(0, 2)

describe('LineParser', () => {
  it('finds the same objects however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(object, { maxLength: 6 }), cuts, (objects, places) => {
        const octets = Buffer.from(objects.map(one => JSON.stringify(one) + '\n').join(''))
        assert.deepEqual(feed(new LineParser(), octets, places), objects)
      }),
    )
  })

  it('passes over empty lines', () => {
    assert.deepEqual(feed(new LineParser(), Buffer.from('\n{"a":1}\n\n\n{"b":2}\n'), []), [{ a: 1 }, { b: 2 }])
  })

  it('says what is no JSON, and shows its beginning alone', () => {
    const line = `<html>${'x'.repeat(1000)}</html>\n`
    assert.throws(
      () => feed(new LineParser(), Buffer.from(line), [3]),
      (error: Error) => {
        assert.match(error.message, /is no JSON: <html>xxx/)
        assert.ok(error.message.length < 200)
        return true
      },
    )
  })

  it('refuses a line that never ends, before it has taken much memory', () => {
    const parser = new LineParser()
    const chunk = Buffer.alloc(1 << 20, 0x20)
    let taken = 0
    assert.throws(() => {
      for (; taken < 64; taken++) for (const _ of parser.push(chunk)) assert.fail('there is no line')
    }, CODE)
    assert.equal(taken, 16)
  })

  it('gives what came before a bad line', () => {
    const found: unknown[] = []
    assert.throws(() => {
      for (const one of new LineParser().push(Buffer.from('{"a":1}\n{"b"\n'))) found.push(one)
    }, CODE)
    assert.deepEqual(found, [{ a: 1 }])
  })
})

describe('ListParser', () => {
  it('finds the same items, and what is around them, however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(object, { maxLength: 6 }), fc.boolean(), indent, cuts, (items, isLast, space, places) => {
        const around = { kind: 'EndpointSliceList', metadata: { resourceVersion: '7', continue: 'a{["' } }
        const list = isLast ? { ...around, items } : { items, ...around }
        const parser = new ListParser()
        assert.deepEqual(feed(parser, Buffer.from(JSON.stringify(list, null, space)), places), items)
        assert.deepEqual(parser.end(), { ...around, items: [] })
      }),
    )
  })

  it('finds no items where there are none: null, absent, or empty', () => {
    for (const text of ['{"items":null,"metadata":{}}', '{"metadata":{}}', '{"items":[],"metadata":{}}']) {
      const parser = new ListParser()
      assert.deepEqual(feed(parser, Buffer.from(text), [5]), [])
      assert.deepEqual((parser.end() as { metadata: object }).metadata, {})
    }
  })

  it('notices a list that broke off, wherever that is', () => {
    const text = Buffer.from(JSON.stringify({ kind: 'List', items: [{ a: '}' }, { b: [] }], metadata: {} }))
    for (let length = 0; length < text.length; length++) {
      const parser = new ListParser()
      feed(parser, text.subarray(0, length), [])
      assert.throws(() => parser.end(), { code: 'ERR_API_STREAM' }, `cut at ${length}`)
    }
  })

  it('refuses what is no list, without a crash, whatever it is', () => {
    fc.assert(
      fc.property(hardText, cuts, (text, places) => {
        const parser = new ListParser()
        try {
          feed(parser, Buffer.from(text), places)
          parser.end()
        } catch (error) {
          assert.match((error as { code: string }).code, /^ERR_API_(STREAM|MALFORMED)$/)
        }
      }),
    )
  })

  for (const [what, head] of [
    ['an item', '{"items":[{"a":"'],
    ['what is around the items', '{"metadata":"'],
  ] as const) {
    it(`refuses ${what} that never ends, before it has taken much memory`, () => {
      const parser = new ListParser()
      for (const _ of parser.push(Buffer.from(head))) assert.fail('there is no item')
      const chunk = Buffer.alloc(1 << 20, 0x20)
      let taken = 0
      assert.throws(() => {
        for (; taken < 64; taken++) for (const _ of parser.push(chunk)) assert.fail('there is no item')
      }, CODE)
      assert.ok(taken <= 16)
    })
  }
})
