import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Packet } from 'dns2'
import fc from 'fast-check'
import { checkMessage } from '../../../src/cli/message-check.ts'

interface Raw {
  readonly name: readonly number[]
  readonly type?: number
  readonly data?: readonly number[]
}

const WEB = [3, 0x77, 0x65, 0x62, 0]
const QUESTION = [...WEB, 0, 1, 0, 1]

function message(answers: readonly Raw[], more: readonly number[] = []): Uint8Array {
  const records = answers.flatMap(({ name, type = 1, data = [] }) => {
    return [...name, type >> 8, type & 255, 0, 1, 0, 0, 0, 5, data.length >> 8, data.length & 255, ...data]
  })
  const header = [0, 1, 0x84, 0, 0, 1, answers.length >> 8, answers.length & 255, 0, 0, 0, 0]
  return Uint8Array.from([...header, ...QUESTION, ...records, ...more])
}

describe('a message before it is decoded', () => {
  it('passes when every record and name lies whole inside it', () => {
    assert.equal(checkMessage(message([])), undefined)
    assert.equal(checkMessage(message([{ name: [0xc0, 12], data: [10, 0, 0, 1] }])), undefined)
    assert.equal(
      checkMessage(message([{ name: WEB, type: 33, data: [0, 0, 0, 1, 0, 80, 1, 0x61, 0xc0, 12] }])),
      undefined,
    )
    assert.equal(checkMessage(message([{ name: [0], type: 41 }])), undefined)
  })

  it('RFC 1035 §4.1.4: a pointer points backwards', () => {
    const at = 12 + QUESTION.length
    for (const target of [at, at + 1, at + 20, 0x3fff]) {
      assert.match(checkMessage(message([{ name: [0xc0 | (target >> 8), target & 255] }])) ?? '', /record 1 of 1/)
    }
    // Two that point at each other.
    const loop = [{ name: [0xc0, at + 12] }, { name: [0xc0, at] }]
    assert.match(checkMessage(message(loop)) ?? '', /record 1 of 2/)
  })

  it('bounds the pointers of one name', () => {
    const at = 12 + QUESTION.length + 11
    const chain = Array.from({ length: 40 }, (_, i) => (i === 0 ? [0xc0, 12] : [0xc0, at + 2 * (i - 1)])).flat()
    const links = (count: number) => [{ name: [0], type: 10, data: chain }, { name: [0xc0, at + 2 * count] }]
    assert.equal(checkMessage(message(links(10))), undefined)
    assert.match(checkMessage(message(links(30))) ?? '', /record 2 of 2/)
  })

  it('RFC 1035 §2.3.4: a name has at most 255 octets, pointers followed', () => {
    const label = [63, ...Array.from({ length: 63 }, () => 0x61)]
    const long = [...label, ...label, ...label]
    const at = 12 + QUESTION.length
    assert.equal(checkMessage(message([{ name: [...long, 61, ...label.slice(1, 62), 0] }])), undefined)
    assert.match(checkMessage(message([{ name: [...long, 62, ...label.slice(1, 63), 0] }])) ?? '', /record 1/)
    assert.match(checkMessage(message([{ name: [...long, 0] }, { name: [...label, 0xc0, at] }])) ?? '', /record 2 of 2/)
  })

  it('names in data end in the data', () => {
    for (const data of [[], [3, 0x61], [0xc0], [1, 0x61], [64, 0]]) {
      assert.match(checkMessage(message([{ name: [0], type: 2, data }, { name: [0] }])) ?? '', /record 1 of 2/)
    }
    assert.match(checkMessage(message([{ name: [0], type: 6, data: [0] }])) ?? '', /record 1/)
  })

  it('counts what is there', () => {
    assert.match(checkMessage(new Uint8Array(11)) ?? '', /11 octets/)
    const two = message([])
    two[5] = 2
    assert.match(checkMessage(two) ?? '', /2 questions/)
    const missing = message([])
    missing[7] = 1
    assert.match(checkMessage(missing) ?? '', /record 1 of 1/)
    assert.match(checkMessage(message([], [0])) ?? '', /1 octets follow/)
  })

  it('what passes is decoded in bounded time, whatever it is', () => {
    const octet = fc.nat(255)
    const name = fc.oneof(fc.constant(WEB), fc.constant([0xc0, 12]), fc.array(octet, { maxLength: 20 }))
    const record = fc.record({
      name,
      type: fc.constantFrom(1, 2, 5, 6, 15, 16, 28, 33, 41, 46, 257, 999),
      data: fc.array(octet, { maxLength: 40 }),
    })
    const property = fc.property(fc.array(record, { maxLength: 8 }), records => {
      const octets = message(records)
      if (checkMessage(octets) !== undefined) return
      assert.equal(Packet.parse(Buffer.from(octets)).questions.length, 1)
    })
    fc.assert(property, { numRuns: 2000 })
  })

  it('the largest and worst that passes is decoded before a person notices', () => {
    const label = Array.from({ length: 126 }, () => [1, 0x61]).flat()
    const count = Math.floor((65_535 - 400) / 14)
    const at = 12 + QUESTION.length
    const records = Array.from({ length: count }, (_, i) => {
      return { name: i === 0 ? [...label, 0] : [0xc0, at], type: 2, data: [0xc0, at] }
    })
    const octets = message(records)
    assert.equal(checkMessage(octets), undefined)
    const start = performance.now()
    assert.equal(Packet.parse(Buffer.from(octets)).answers.length, count)
    assert.ok(performance.now() - start < 2000)
  })
})
