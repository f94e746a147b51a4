import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { constants } from 'node:os'
import { describe, test } from 'node:test'
import { openBatch } from '../../../src/transport/batch.ts'
import { checkBatch } from '../../../src/transport/batch-check.ts'
import { openBatchSocket, socketDrops } from '../../../src/transport/batch-socket.ts'
import { loadLibc } from '../../../src/transport/libc.ts'
import { Client, hasIPv6, resources, startTransport, testDatagramTransport } from '../../support/datagram-battery.ts'

const libc = loadLibc()
const skip = typeof libc === 'string' ? libc : false

describe('batch', { skip }, () => {
  testDatagramTransport('batch')

  test('a wildcard socket answers from the address it was asked at', async () => {
    const sockets = ['0.0.0.0', ...(hasIPv6 ? ['::'] : [])].map(address => ({ address, port: 0 }))
    const transport = await startTransport('batch', sockets)
    const [v4, v6] = transport.report.addresses
    await using client = await Client.open('127.0.0.1')
    // Mixed, so that batches hold more than one address.
    const asked = Array.from({ length: 200 }, (_, i) => `127.0.0.${1 + (i % 3)}`)
    for (const [i, address] of asked.entries()) client.send(Uint8Array.of(9, i), { address, port: v4!.port })
    for (const _ of asked) {
      const [reply, from] = await client.next()
      assert.equal(from.address, asked[~reply[1]! & 0xff])
      assert.equal(from.port, v4!.port)
    }
    if (v6 !== undefined) {
      await using client6 = await Client.open('::1')
      const [, from] = await client6.ask(Uint8Array.of(9), { address: '::1', port: v6.port })
      assert.equal(from.address, '::1')
    }
    await transport.stop()
  })

  test('an IPv6 wildcard socket leaves IPv4 to its neighbour on the same port', { skip: !hasIPv6 }, async () => {
    const first = await startTransport('batch', [{ address: '0.0.0.0', port: 0 }])
    const { port } = first.report.addresses[0]!
    const second = await startTransport('batch', [{ address: '::', port }])
    await using client = await Client.open('127.0.0.1')
    await client.ask(Uint8Array.of(9), { address: '127.0.0.1', port })
    await Promise.all([first.stop(), second.stop()])
  })

  test('the self-check passes here, and leaves nothing open', () => {
    const before = resources().descriptors
    assert.equal(checkBatch(), undefined)
    assert.equal(resources().descriptors, before)
  })

  test('a port that is held without SO_REUSEPORT is a clear error, and what was opened is closed', async () => {
    const holder = createSocket('udp4')
    await new Promise<void>(resolve => holder.bind(0, '127.0.0.1', resolve))
    const before = resources().descriptors
    const sockets = [
      { address: '127.0.0.2', port: 0 },
      { address: '127.0.0.1', port: holder.address().port },
    ]
    assert.throws(() => openBatch({ sockets }), { code: 'ERR_LISTEN_IN_USE', message: /ss -lunp/ })
    assert.equal(resources().descriptors, before)
    holder.close()
  })

  test('without a descriptor left for its eventfd is a clear error, and what was opened is closed', t => {
    if (typeof libc === 'string') return
    const before = resources().descriptors
    t.mock.method(libc, 'eventfd', () => -1)
    t.mock.method(libc, 'errno', () => constants.errno.EMFILE)
    assert.throws(() => openBatch({ sockets: [{ address: '127.0.0.1', port: 0 }] }), {
      name: 'ListenError',
      code: 'ERR_LISTEN_FAILED',
      message:
        'cannot listen on UDP 127.0.0.1:0: no file descriptor is left for eventfd (EMFILE); raise the limit of open files',
    })
    assert.equal(resources().descriptors, before)
  })

  test('reports the receive buffer that was granted, and the datagrams that did not fit', async () => {
    if (typeof libc === 'string') return
    const socket = openBatchSocket(libc, { address: '127.0.0.1', port: 0 }, 4096)
    assert.ok(socket.receiveBufferOctets >= 4096)
    assert.equal(socketDrops(libc, socket.fd), 0)
    const client = createSocket('udp4')
    const sent = Array.from(
      { length: 100 },
      () =>
        new Promise<void>(resolve =>
          client.send(new Uint8Array(1000), socket.local.port, '127.0.0.1', () => resolve()),
        ),
    )
    await Promise.all(sent)
    const drops = socketDrops(libc, socket.fd)
    assert.ok(drops > 50 && drops < 100, `${drops} drops`)
    client.close()
    libc.close(socket.fd)
    assert.equal(socketDrops(libc, -1), -1)
  })
})

test('without its native module the batch transport says why, and breaks nothing', () => {
  const module = new URL('../../../src/transport/batch-check.ts', import.meta.url)
  const script = `console.log((await import(${JSON.stringify(module)})).checkBatch())`
  const { stdout, status } = spawnSync(process.execPath, ['--no-addons', '--input-type=module', '-e', script])
  assert.equal(status, 0)
  assert.match(stdout.toString(), /^(koffi could not be loaded: |it needs Linux|it knows no structures).+\n$/)
})
