/**
 * The admin HTTP server, given raw octets over a connection. Each connection ends, what it says begins as HTTP does, and
 * the server goes on answering.
 */

import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { openAdmin } from '../../../src/admin/http.ts'
import { parseName } from '../../../src/wire/name.ts'
import type { Target } from '../target.ts'

const PATIENCE_MS = 3000
/** Connections between two looks at whether others are still served. */
const PROBE_EVERY = 100

export const adminTarget: Target = {
  name: 'admin',
  dictionary: [
    ...[
      'GET /healthz HTTP/1.1\r\n',
      'HEAD /metrics HTTP/1.0\r\n',
      'POST / HTTP/1.1\r\n',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    ],
    ...[
      'Host: a\r\n',
      'Content-Length: 5\r\n',
      'Transfer-Encoding: chunked\r\n',
      'Connection: upgrade\r\n',
      'Expect: 100-continue\r\n',
    ],
    ...[
      '\r\n\r\n',
      '\r',
      '\n',
      '\0',
      '?verbose',
      '/readyz',
      '%00',
      '%',
      '..',
      ' ',
      'HTTP/9.9',
      'Upgrade: h2c\r\n',
      '0\r\n\r\n',
      'ffffffff\r\n',
    ],
  ],
  maxOctets: 2048,
  // A connection is opened, used and closed in it.
  limitMs: 1,
  async open() {
    const routes = {
      unhealthy: () => [],
      conditions: () => ['[+]all'],
      unready: () => ['nothing is ready'],
      notes: () => ['a note'],
      metrics: () => [],
      names: () => ({ count: 1, text: listOfOne() }),
      purge: (name?: string) => (name === undefined || parseName(name) !== undefined ? 1 : undefined),
    }
    const server = await openAdmin({ address: '127.0.0.1', port: 0 }, routes)
    let connections = 0
    const exchange = (octets: Uint8Array): Promise<string> =>
      new Promise((resolve, reject) => {
        const chunks: Buffer[] = []
        const socket = connect(server.port, '127.0.0.1')
        socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('the connection stays open')))
        socket.on('data', chunk => chunks.push(chunk))
        // The server may reset what it does not want to read to the end.
        socket.on('error', (error: NodeJS.ErrnoException) => {
          if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error)
        })
        socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')))
        socket.end(octets)
      })
    return {
      decode: (input: Buffer) => exchange(input),
      async check(_input: Buffer, reply: string) {
        assert.match(reply, /^($|HTTP\/1\.1 \d\d\d )/)
        if (connections++ % PROBE_EVERY === 0) {
          assert.match(await exchange(Buffer.from('GET /healthz HTTP/1.0\r\n\r\n')), /^HTTP\/1\.1 200 OK/)
        }
        return reply === ''
          ? 'closed'
          : [...reply.matchAll(/HTTP\/1\.1 (\d\d\d)/g)]
              .map(match => match[1])
              .join(' ')
              .slice(0, 11)
      },
      close: () => server.close(),
    }
  },
}

async function* listOfOne() {
  yield 'cluster.local. SOA NS\n'
}
