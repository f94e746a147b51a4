/**
 * RFC 6761 §6.3: names of the loopback; RFC 6303: reverse zones that are on no network.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { answerLocalhost } from '../../src/rules/localhost.ts'
import { asked, text } from '../support/rule-names.ts'

const [A, AAAA, PTR, MX] = [1, 28, 12, 15]

function say(name: string, type: number): string | undefined {
  const answer = answerLocalhost(asked(name), type)
  if (answer === undefined) return undefined
  const records = answer.records.map(each =>
    each.type === PTR ? text(each.rdata) : Buffer.from(each.rdata).toString('hex'),
  )
  return `${answer.rcode} ${records}${answer.zone === undefined ? '' : text(answer.zone)}`
}

describe('RFC 6761 §6.3: localhost', () => {
  it('item 4: address queries have the loopback address, of all names below too', () => {
    for (const name of ['localhost', 'LocalHost', 'a.b.localhost']) {
      assert.equal(say(name, A), '0 7f000001')
      assert.equal(say(name, AAAA), `0 ${'0'.repeat(31)}1`)
    }
  })

  it('item 4: all other types have an immediate negative answer', () => {
    assert.equal(say('localhost', MX), '0 localhost.')
  })

  it('names that only begin or end alike are none of them', () => {
    for (const name of ['localhost.example.com', 'xlocalhost', 'local', '.'])
      assert.equal(say(name, A), undefined, name)
  })
})

describe('RFC 6303 §4.2, §4.3: reverse names of the loopback', () => {
  it('have localhost', () => {
    assert.equal(say('1.0.0.127.in-addr.arpa', PTR), '0 localhost.')
    assert.equal(say(`1.${'0.'.repeat(31)}ip6.arpa`, PTR), '0 localhost.')
  })

  it('others of 0, 127 and 255 do not exist; names above do (RFC 8020)', () => {
    assert.equal(say('2.0.0.127.in-addr.arpa', PTR), '3 127.in-addr.arpa.')
    assert.equal(say('0.0.127.in-addr.arpa', PTR), '0 127.in-addr.arpa.')
    assert.equal(say('127.in-addr.arpa', PTR), '0 127.in-addr.arpa.')
    assert.equal(say('1.2.3.0.in-addr.arpa', PTR), '3 0.in-addr.arpa.')
    assert.equal(say('1.1.1.128.in-addr.arpa', PTR), undefined)
    assert.equal(say('in-addr.arpa', PTR), undefined)
  })
})
