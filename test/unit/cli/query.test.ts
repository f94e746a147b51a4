import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { after, describe, it } from 'node:test'
import { ask } from '../../../src/cli/dns-client.ts'
import { runCommand } from '../../../src/cli/main.ts'
import { parseType } from '../../../src/wire/mnemonics.ts'

type Reply = (query: Buffer) => Buffer | Buffer[]

interface Served {
  readonly port: number
  readonly asked: { udp: number; tcp: number }
}

const closers: (() => void)[] = []
after(() => {
  for (const close of closers) close()
})

/** A server that answers what it is told to, over both transports, and counts what it was asked. */
async function serve(udp: Reply, tcp: Reply = udp, host = '127.0.0.1'): Promise<Served> {
  const asked = { udp: 0, tcp: 0 }
  const server = createServer((stream: Socket) => {
    stream.on('error', () => {})
    stream.on('data', chunk => {
      asked.tcp++
      for (const message of [tcp(chunk.subarray(2))].flat()) {
        // In two segments, the length cut in half.
        const whole = Buffer.concat([Buffer.from([message.length >> 8, message.length & 255]), message])
        stream.write(whole.subarray(0, 1), () => stream.write(whole.subarray(1)))
      }
    })
  }).listen(0, host)
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const socket = createSocket(host === '::1' ? 'udp6' : 'udp4')
  socket.on('message', (query, from) => {
    asked.udp++
    for (const message of [udp(query)].flat()) socket.send(message, from.port, from.address)
  })
  closers.push(
    () => server.close(),
    () => socket.close(),
  )
  socket.bind(port, host)
  try {
    await once(socket, 'listening')
  } catch {
    // The port that was free for TCP is not for UDP: the next one may be.
    return serve(udp, tcp, host)
  }
  return { port, asked }
}

const OPT_OCTETS = 11

/** The query made a reply: QR, AA and these flags; then these records, given as octets, and OPT. */
function reply(
  query: Buffer,
  { flags = 0, answers = [] as number[][], opt = true, ede = [] as number[] } = {},
): Buffer {
  const question = query.subarray(12, query.length - OPT_OCTETS)
  const header = Buffer.from(query.subarray(0, 12))
  header.writeUInt16BE(0x8500 | flags, 2)
  header.writeUInt16BE(answers.length, 6)
  header.writeUInt16BE(opt ? 1 : 0, 10)
  const options = ede.length > 0 ? [0, 15, 0, ede.length, ...ede] : []
  const optRecord = opt ? [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, options.length, ...options] : []
  return Buffer.concat([header, question, Buffer.from([...answers.flat(), ...optRecord])])
}

function record(type: number, data: readonly number[]): number[] {
  return [0xc0, 12, type >> 8, type & 255, 0, 1, 0, 0, 0, 5, data.length >> 8, data.length & 255, ...data]
}

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = []
  const err: string[] = []
  const code = await runCommand(argv, { out: text => out.push(text), err: text => err.push(text) })
  return { code, out: out.join(''), err: err.join('') }
}

describe('query', () => {
  it('prints the reply as dig does, and exits with 0', async () => {
    const answers = [
      record(1, [10, 0, 0, 1]),
      record(28, [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
      record(33, [0, 0, 0, 1, 0, 80, 1, 0x61, 0xc0, 12]),
      record(12, [0xc0, 12]),
      record(15, [0, 10, 0]),
      record(16, [3, 0x61, 0x22, 0x07, 1, 0x62]),
      record(6, [0xc0, 12, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5]),
      record(65280, [0xab, 0xcd]),
      record(13, [7, 0x52, 0x46, 0x43, 0x38, 0x34, 0x38, 0x32, 0]),
      record(13, [3, 0x61, 0, 0]),
      record(257, [0, 5, 0x69, 0x73, 0x73, 0x75, 0x65, 0x78, 0x22]),
      record(48, [1, 1, 3, 8, 0xab, 0xcd]),
      record(16, [2, 0xc3, 0xa9]),
      record(13, [2, 0xc3, 0xa9, 0]),
      record(12, [2, 0xc3, 0xa9, 0]),
    ]
    const { port } = await serve(query => reply(query, { answers, ede: [0, 14, 0x1b, 0x5b] }))
    const { code, out } = await run('query', 'Web.example.', 'srv', '--server', `127.0.0.1:${port}`)
    assert.equal(code, 0)
    const lines = out.split('\n')
    assert.match(lines[0]!, /^;; QUERY, status: NOERROR, id: \d+$/)
    assert.equal(lines[1], ';; flags: qr aa rd; QUERY: 1, ANSWER: 15, AUTHORITY: 0, ADDITIONAL: 1')
    assert.equal(lines[2], ';; EDNS: version 0; UDP size 1232')
    assert.equal(lines[3], ';; EDE: 14 (Not Ready): \\027[')
    const start = lines.indexOf(';; ANSWER') + 1
    assert.deepEqual(lines.slice(start, start + answers.length), [
      'web.example.\t5\tIN\tA\t10.0.0.1',
      'web.example.\t5\tIN\tAAAA\t2001:db8::1',
      'web.example.\t5\tIN\tSRV\t0 1 80 a.web.example.',
      'web.example.\t5\tIN\tPTR\tweb.example.',
      'web.example.\t5\tIN\tMX\t10 .',
      'web.example.\t5\tIN\tTXT\t"a\\"\\007" "b"',
      'web.example.\t5\tIN\tSOA\tweb.example. . 1 2 3 4 5',
      'web.example.\t5\tIN\tTYPE65280\t\\# 2 ABCD',
      'web.example.\t5\tIN\tHINFO\t"RFC8482" ""',
      'web.example.\t5\tIN\tHINFO\t\\# 4 03610000',
      'web.example.\t5\tIN\tCAA\t0 issue "x\\""',
      'web.example.\t5\tIN\tDNSKEY\t257 3 8 q80=',
      'web.example.\t5\tIN\tTXT\t"\\195\\169"',
      'web.example.\t5\tIN\tHINFO\t"\\195\\169" ""',
      'web.example.\t5\tIN\tPTR\t\\195\\169.',
    ])
    assert.match(out, /\n;; [\d.]+ ms, 127\.0\.0\.1:\d+ \(UDP\), \d+ octets\n$/)
  })

  it('never writes to the terminal what a server would have it obey', async () => {
    const data = [5, 0x1b, 0x5b, 0x32, 0x4a, 0x2e, 0]
    const { port } = await serve(query => reply(query, { answers: [record(12, data)] }))
    const { out } = await run('query', 'a', 'PTR', '--server', `127.0.0.1:${port}`)
    assert.match(out, /\\027\[2J/)
    assert.doesNotMatch(out, /[^\t\n\x20-\x7e]/)
  })

  it('RFC 7766 §5: asks again over TCP when the reply is truncated', async () => {
    const whole = (query: Buffer) => reply(query, { answers: [record(1, [10, 0, 0, 1])] })
    const { port, asked } = await serve(query => reply(query, { flags: 0x0200 }), whole)
    const { out } = await run('query', 'a', '--server', `127.0.0.1:${port}`)
    assert.match(out, /ANSWER: 1,.*\n/)
    assert.match(out, /\(TCP\)/)
    assert.deepEqual(asked, { udp: 1, tcp: 1 })
    await run('query', 'a', '--tcp', '--server', `127.0.0.1:${port}`)
    assert.deepEqual(asked, { udp: 1, tcp: 2 })
  })

  it('takes any RCODE for a reply, also one without a question', async () => {
    const { port } = await serve(query => {
      const bare = Buffer.from(query.subarray(0, 12))
      bare.writeUInt16BE(0x8001, 2)
      bare.fill(0, 4)
      return bare
    })
    const { code, out } = await run('query', 'a', '--server', `127.0.0.1:${port}`)
    assert.equal(code, 0)
    assert.match(out, /status: FORMERR/)
  })

  it('asks for the PTR of an address, of either family, of a server of either', async () => {
    const { port } = await serve(query => reply(query), undefined, '::1')
    const v4 = await run('query', '10.0.0.1', '--server', `[::1]:${port}`)
    assert.match(v4.out, /\n;1\.0\.0\.10\.in-addr\.arpa\.\t\tIN\tPTR\n/)
    const v6 = await run('query', '2001:db8::1', '--server', `[::1]:${port}`)
    assert.match(v6.out, /\n;1(\.0){23}\.8\.b\.d\.0\.1\.0\.0\.2\.ip6\.arpa\.\t\tIN\tPTR\n/)
    const a = await run('query', '10.0.0.1', 'A', '--server', `[::1]:${port}`)
    assert.match(a.out, /\n;10\.0\.0\.1\.\t\tIN\tA\n/)
  })

  it('RFC 5452 §9.1: takes no reply with another ID or question', async () => {
    const { port } = await serve(query => {
      const other = reply(query, { answers: [record(1, [6, 6, 6, 6])] })
      const id = Buffer.from(other)
      id.writeUInt16BE(id.readUInt16BE(0) ^ 1, 0)
      const question = Buffer.from(other)
      question[13]! ^= 1
      const echo = Buffer.from(query)
      return [id, question, echo, reply(query)]
    })
    const { out } = await run('query', 'abc', '--server', `127.0.0.1:${port}`)
    assert.doesNotMatch(out, /6\.6\.6\.6/)
    assert.match(out, /ANSWER: 0/)
  })

  it('exits with 9 when there is no reply, or none that can be read', async () => {
    const closed = await serve(query => reply(query))
    for (const close of closers.splice(-2)) close()
    const refused = await run('query', 'a', '--server', `127.0.0.1:${closed.port}`)
    assert.equal(refused.code, 9)
    assert.equal(refused.err, `headless-dns: no answer: 127.0.0.1:${closed.port}: nobody listens there\n`)
    const { port } = await serve(query => reply(query, { answers: [[0xc0, 0xff]] }))
    const broken = await run('query', 'a', '--server', `127.0.0.1:${port}`)
    assert.equal(broken.code, 9)
    assert.match(broken.err, /sent a reply that cannot be read: record 1 of 2 is broken\n$/)
  })

  it('waits no longer than it is told to', async () => {
    const { port, asked } = await serve(() => [])
    const question = { server: '127.0.0.1', port, name: 'a', type: 1, timeoutMs: 50 }
    for (const tcp of [false, true]) {
      await assert.rejects(ask({ ...question, tcp }), { code: 'ERR_DNS_TIMEOUT' })
    }
    assert.deepEqual(asked, { udp: 1, tcp: 1 })
  })

  it('exits with 2 for what cannot be asked', async () => {
    assert.match((await run('query', 'a', 'AAAAA')).err, /there is no type AAAAA; did you mean AAAA\?/)
    assert.match((await run('query', 'a', 'TYPE65536')).err, /there is no type TYPE65536/)
    assert.match((await run('query', 'a..b')).err, /"a\.\.b" is no domain name/)
    for (const server of ['localhost:53', '127.0.0.1:0', '127.0.0.1:65536', '::1:53x', ':53', '']) {
      const { code, err } = await run('query', 'a', '--server', server)
      assert.equal(code, 2)
      assert.match(err, /is no address and port/)
    }
  })

  it('knows types by name, in any case, and by number (RFC 3597 §5)', () => {
    assert.deepEqual(['a', 'Https', 'TYPE65280', 'type1'].map(parseType), [1, 65, 65_280, 1])
    for (const wrong of ['', 'TYPE', 'TYPE-1', 'constructor', 'TYPE65536']) assert.equal(parseType(wrong), undefined)
  })
})
