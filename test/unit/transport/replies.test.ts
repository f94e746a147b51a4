import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { openBatch } from '../../../src/transport/batch.ts'
import { checkBatch } from '../../../src/transport/batch-check.ts'
import { loadLibc } from '../../../src/transport/libc.ts'
import { encodeSockaddr, SOCKADDR_OCTETS } from '../../../src/transport/linux-abi.ts'
import { Replies } from '../../../src/transport/replies.ts'

const problem = checkBatch()

describe('replies from another thread', { skip: problem ?? false }, () => {
  const none = new Uint8Array(40)

  for (const address of ['127.0.0.1', '::1']) {
    it(`leave the socket that was asked, over ${address}`, async t => {
      const transport = openBatch({ sockets: [{ address, port: 0 }], capacity: 1232 })
      t.after(() => transport.close({ words: new Int32Array(1), index: 0, attend() {} }))
      const client = createSocket(address.includes(':') ? 'udp6' : 'udp4')
      t.after(() => client.close())
      client.bind(0, address)
      await once(client, 'listening')
      const sockaddr = new Uint8Array(SOCKADDR_OCTETS)
      encodeSockaddr(new DataView(sockaddr.buffer), address, client.address().port)
      const replies = new Replies(loadLibc() as Exclude<ReturnType<typeof loadLibc>, string>)
      for (const octets of [12, 4096]) {
        const received = once(client, 'message', { signal: AbortSignal.timeout(4000) })
        replies.send(transport.report.fds[0]!, sockaddr, none, 0, new Uint8Array(octets).fill(7))
        const [message, from] = (await received) as [Buffer, { port: number }]
        assert.deepEqual([message.length, message[octets - 1]], [octets, 7])
        assert.equal(from.port, transport.report.addresses[0]!.port)
      }
      assert.equal(replies.lost, 0)
    })
  }

  it('that the kernel does not take are counted', () => {
    const replies = new Replies(loadLibc() as Exclude<ReturnType<typeof loadLibc>, string>)
    const sockaddr = new Uint8Array(SOCKADDR_OCTETS)
    encodeSockaddr(new DataView(sockaddr.buffer), '127.0.0.1', 9)
    replies.send(-1, sockaddr, none, 0, new Uint8Array(12))
    assert.equal(replies.lost, 1)
  })
})
