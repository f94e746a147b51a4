import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openPortable } from '../../../src/transport/portable.ts'
import { testDatagramTransport } from '../../support/datagram-battery.ts'

testDatagramTransport('portable')

const CONTROL = { words: new Int32Array(new SharedArrayBuffer(4)), index: 0, attend() {} }

test('warns of a wildcard address, and of no other', async () => {
  for (const [address, warnings] of [
    ['0.0.0.0', 1],
    ['127.0.0.1', 0],
  ] as const) {
    const transport = await openPortable({ sockets: [{ address, port: 0 }] })
    transport.close(CONTROL)
    assert.equal(transport.report.warnings.length, warnings)
    assert.ok(transport.report.warnings.every(each => each.includes('source address')))
  }
})

test('gives the stable code of a listen error', async () => {
  await assert.rejects(openPortable({ sockets: [{ address: '192.0.2.1', port: 0 }] }), {
    code: 'ERR_LISTEN_NO_ADDRESS',
  })
})
