import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createSecureServer } from 'node:http2'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it, type TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { type ClientOptions, openClient } from '../../../src/kubernetes/client.ts'
import { Credentials } from '../../../src/kubernetes/credentials.ts'
import type { ApiResponse } from '../../../src/kubernetes/http.ts'
import { isLoopback } from '../../../src/kubernetes/loopback.ts'
import { makeCertificate } from '../../support/certificate.ts'
import { hasIPv6 } from '../../support/datagram-battery.ts'
import { SERVICES } from '../../support/fake-api-objects.ts'
import { FakeApiServer, statusOf, type TlsMaterial } from '../../support/fake-api-server.ts'

const root = mkdtempSync(join(tmpdir(), 'kubernetes-client-'))
after(() => rmSync(root, { recursive: true }))
const never = new AbortController().signal

/** A certificate for 127.0.0.1, made now; undefined where there is no openssl. */
const tls = ((): (TlsMaterial & { file: string }) | undefined => {
  const [key, file] = [join(root, 'key.pem'), join(root, 'ca.crt')]
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const subject = ['-subj', '/CN=test', '-addext', 'subjectAltName=IP:127.0.0.1']
  try {
    execFileSync('openssl', ['req', '-x509', ...curve, '-days', '2', ...subject, '-keyout', key, '-out', file], {
      stdio: 'ignore',
    })
  } catch {
    return undefined
  }
  return { key: readFileSync(key), cert: readFileSync(file), file }
})()
const needsTls = { skip: tls === undefined ? 'there is no openssl to make a certificate' : false }
const needsTlsAndIPv6 = hasIPv6 ? needsTls : { skip: 'this machine has no IPv6' }

interface Given {
  readonly server: string
  readonly user?: object
  readonly cluster?: object
}

let files = 0
function kubeconfig({ server, user = {}, cluster = {} }: Given): string {
  const file = join(root, `config-${files++}`)
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'first',
    clusters: [{ name: 'c', cluster: { server, ...cluster } }],
    users: [{ name: 'u', user }],
    contexts: ['first', 'second'].map(name => ({ name, context: { cluster: 'c', user: 'u' } })),
  }
  writeFileSync(file, JSON.stringify(config))
  return file
}

async function open(t: TestContext, options: ClientOptions) {
  const client = await openClient(options)
  t.after(() => client.close())
  return async (path = SERVICES): Promise<ApiResponse> => {
    const response = await client.get(path, never)
    response.resume()
    await new Promise(resolve => response.once('close', resolve))
    return response
  }
}

async function server(
  t: TestContext,
  material?: TlsMaterial,
  speaksHttp2 = true,
  address = '127.0.0.1',
): Promise<FakeApiServer> {
  const api = await FakeApiServer.start(material, speaksHttp2, address)
  t.after(() => api[Symbol.asyncDispose]())
  return api
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

function withPodEnvironment(t: TestContext, host: string | undefined, port = ''): void {
  const names = { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port }
  for (const [name, value] of Object.entries(names)) {
    const before = process.env[name]
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
    t.after(() => {
      if (before === undefined) delete process.env[name]
      else process.env[name] = before
    })
  }
}

describe('an endpoint', () => {
  it('plain HTTP is allowed on loopback alone', async () => {
    for (const endpoint of [
      'http://192.0.2.1:8080',
      'http://api.example',
      'http://localhost.example',
      'http://[2001:db8::1]',
    ]) {
      await assert.rejects(openClient({ endpoint }), {
        code: 'ERR_API_CONFIG',
        message: /plain HTTP.*loopback alone; use https/,
      })
    }
    for (const host of ['localhost', '127.0.0.1', '127.9.9.9', '::1', '[::1]']) assert.equal(isLoopback(host), true)
    for (const host of ['127.0.0.1.example', '10.0.0.1', '::2', '']) assert.equal(isLoopback(host), false)
  })

  it('that is no URL is said to be none', async () => {
    for (const endpoint of ['', '10.0.0.1', 'ftp://127.0.0.1', 'https://', 'http://127.0.0.1:99999']) {
      await assert.rejects(openClient({ endpoint }), {
        code: 'ERR_API_CONFIG',
        message: /is no address of an API server/,
      })
    }
  })

  it('may have a path in front of its own; connections are used again', async t => {
    const api = await server(t)
    const get = await open(t, { endpoint: `${api.url}/behind/a/proxy/` })
    for (let i = 0; i < 5; i++) assert.equal((await get()).statusCode, 404)
    assert.equal(api.requests[0]!.path, `/behind/a/proxy${SERVICES}`)
    assert.deepEqual(new Set(api.requests.map(({ connection }) => connection)), new Set([1]))
  })

  it('where nobody listens is unreachable', async t => {
    const api = await server(t)
    const { url } = api
    await api[Symbol.asyncDispose]()
    const get = await open(t, { endpoint: url })
    await assert.rejects(get(), {
      code: 'ERR_API_UNREACHABLE',
      message: `cannot reach the API server at ${url}: connect ECONNREFUSED ${url.slice(7)}`,
    })
  })

  it('that takes a connection and does not greet is given up after 10 s', async t => {
    const taken = Promise.withResolvers<Socket>()
    const mute = createServer(taken.resolve).listen(0, '127.0.0.1')
    await once(mute, 'listening')
    t.after(() => mute.close())
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const client = await openClient({ kubeconfig: kubeconfig({ server: `https://127.0.0.1:${portOf(mute)}` }) })
    t.after(() => client.close())
    const asked = client.get(SERVICES, never)
    const socket = await taken.promise
    t.mock.timers.tick(10_000)
    await assert.rejects(asked, { code: 'ERR_API_UNREACHABLE', message: /no connection in 10 s/ })
    await once(socket.on('error', () => {}).resume(), 'close')
  })

  it('that thinks for long is given the minute in which it gives up itself, and some more', async t => {
    const api = await server(t)
    const get = await open(t, { endpoint: api.url })
    for (const connection of ['new', 'used before']) {
      const { length } = api.requests
      api.fail({ kind: 'silence' })
      t.mock.timers.enable({ apis: ['setTimeout'] })
      let isOver = false
      const answer = assert.rejects(get(), { code: 'ERR_API_UNREACHABLE', message: /no response in 75 s/ })
      void answer.then(() => {
        isOver = true
      })
      while (api.requests.length === length) await setImmediate()
      t.mock.timers.tick(74_999)
      await setImmediate()
      assert.equal(isOver, false, connection)
      t.mock.timers.tick(1)
      await answer
      t.mock.timers.reset()
      await get()
    }
  })

  it('an aborted request fails with the reason of its signal', async t => {
    const api = await server(t)
    api.fail({ kind: 'silence' })
    const client = await openClient({ endpoint: api.url })
    t.after(() => client.close())
    const abort = new AbortController()
    const reason = new Error('enough')
    const asked = client.get(SERVICES, abort.signal)
    abort.abort(reason)
    await assert.rejects(asked, reason)
    await assert.rejects(client.get(SERVICES, abort.signal), reason)
  })
})

describe('a kubeconfig', () => {
  it('over HTTPS: its authority, its token', needsTls, async t => {
    const api = await server(t, tls)
    const cluster = { 'certificate-authority': 'ca.crt' }
    const get = await open(t, { kubeconfig: kubeconfig({ server: api.url, user: { token: 'abc' }, cluster }) })
    for (let i = 0; i < 3; i++) assert.equal((await get()).statusCode, 200)
    assert.equal(api.requests[0]!.headers.authorization, 'Bearer abc')
    assert.deepEqual(new Set(api.requests.map(({ connection }) => connection)), new Set([1]))
  })

  it(
    'a server that speaks HTTP/2 no more: what is open over it lasts until the client is closed',
    needsTls,
    async t => {
      let protocol = 'h2'
      const oneAtATime = { settings: { maxConcurrentStreams: 1 }, allowHTTP1: true, ALPNCallback: () => protocol }
      const both = createSecureServer({ ...tls!, ...oneAtATime }, (_, response) => {
        response.on('error', () => {}).writeHead(200)
        response.write('{')
      })
      both.on('session', session => session.on('error', () => {}))
      await once(both.listen(0, '127.0.0.1'), 'listening')
      t.after(() => both.close())
      const [address, cluster] = [`https://127.0.0.1:${portOf(both)}`, { 'certificate-authority': 'ca.crt' }]
      const client = await openClient({ kubeconfig: kubeconfig({ server: address, cluster }) })
      t.after(() => client.close())
      const first = await client.get(SERVICES, never)
      protocol = 'http/1.1'
      const second = await client.get(SERVICES, never)
      second.on('error', () => {}).destroy()
      assert.deepEqual(
        [first, second].map(one => 'session' in one),
        [true, false],
      )
      assert.equal(first.destroyed, false)
      client.close()
      await once(first.resume(), 'close', { signal: AbortSignal.timeout(5000) })
    },
  )

  it('a server that the authority does not know is not spoken to', needsTls, async t => {
    const api = await server(t, tls)
    const get = await open(t, { kubeconfig: kubeconfig({ server: api.url, user: { token: 'abc' } }) })
    await assert.rejects(get(), { code: 'ERR_API_UNREACHABLE', message: /self-signed certificate/ })
    assert.deepEqual(api.requests, [])
  })

  it(
    'a token file, with a newline at its end, relative to the kubeconfig, read again when it is another',
    needsTls,
    async t => {
      const api = await server(t, tls)
      const cluster = { 'certificate-authority': 'ca.crt' }
      writeFileSync(join(root, 'token'), 'one\n')
      const get = await open(t, {
        kubeconfig: kubeconfig({ server: api.url, user: { tokenFile: 'token', token: 'x' }, cluster }),
      })
      await get()
      await get()
      // Whatever the clock on the wall says.
      const jumped = t.mock.method(Date, 'now', () => 0)
      writeFileSync(join(root, 'token'), 'the second\n')
      await get()
      jumped.mock.restore()
      assert.deepEqual(
        api.requests.map(({ headers }) => headers.authorization),
        ['Bearer one', 'Bearer one', 'Bearer the second'],
      )
    },
  )

  it('a token of an exec plugin is asked for again after 401', needsTls, async t => {
    const api = await server(t, tls)
    const cluster = { 'certificate-authority': 'ca.crt' }
    const counter = join(root, 'counter')
    writeFileSync(counter, '')
    const program = `const { appendFileSync, readFileSync } = require('node:fs')
      appendFileSync(${JSON.stringify(counter)}, 'x')
      const token = readFileSync(${JSON.stringify(counter)}, 'utf8')
      console.log(JSON.stringify({ kind: 'ExecCredential', status: { token, expirationTimestamp: '2999-01-01T00:00:00Z' } }))`
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: process.execPath, args: ['-e', program] }
    const get = await open(t, { kubeconfig: kubeconfig({ server: api.url, user: { exec }, cluster }) })
    api.tokens = new Set(['x'])
    for (let i = 0; i < 2; i++) assert.equal((await get()).statusCode, 200)
    api.tokens = new Set(['xx'])
    assert.equal((await get()).statusCode, 401)
    assert.equal((await get()).statusCode, 200)
  })

  it('an exec plugin that hangs is given up after 60 s, and ended; who is told to stop does not wait', async t => {
    const started = join(root, 'started')
    writeFileSync(started, '')
    const program = `require('node:fs').appendFileSync(${JSON.stringify(started)}, process.pid + ' ')
      setTimeout(() => {}, 60_000)`
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: process.execPath, args: ['-e', program] }
    const plugins = () => readFileSync(started, 'utf8').trim().split(' ').filter(Boolean).map(Number)
    const client = await openClient({ kubeconfig: kubeconfig({ server: 'https://127.0.0.1:1', user: { exec } }) })
    t.after(() => client.close())
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const abort = new AbortController()
    const reason = new Error('enough')
    const stopped = client.get(SERVICES, abort.signal)
    const asked = client.get(SERVICES, never)
    while (plugins().length < 1) await setImmediate()
    abort.abort(reason)
    await assert.rejects(stopped, reason)
    t.mock.timers.tick(60_000)
    await assert.rejects(asked, { code: 'ERR_API_CONFIG', message: /cannot be had: not in 60 s; run the exec plugin/ })
    while (plugins().some(isRunning)) await setImmediate()
  })

  it('a user and a password', needsTls, async t => {
    const cluster = { 'certificate-authority': 'ca.crt' }
    for (const speaksHttp2 of [true, false]) {
      const api = await server(t, tls, speaksHttp2)
      const user = { username: 'me', password: 'secret' }
      const get = await open(t, { kubeconfig: kubeconfig({ server: api.url, user, cluster }) })
      await get()
      assert.equal(api.requests[0]!.headers.authorization, `Basic ${btoa('me:secret')}`)
    }
  })

  it('another authority is used for the next connection; those that wait for it are told', needsTls, async t => {
    const other = makeCertificate(root, 'other')
    for (const speaksHttp2 of [true, false]) {
      const file = join(root, 'rotating.crt')
      writeFileSync(file, tls!.cert)
      const api = await server(t, tls, speaksHttp2)
      const cluster = { 'certificate-authority': 'rotating.crt' }
      const client = await openClient({ kubeconfig: kubeconfig({ server: api.url, cluster }) })
      t.after(() => client.close())
      assert.equal((await client.get(SERVICES, never)).statusCode, 200)
      api.rotate(other)
      for (const socket of api.sockets) socket.destroy()
      await assert.rejects(client.get(SERVICES, never), { code: 'ERR_API_UNREACHABLE' })
      t.mock.timers.enable({ apis: ['setInterval'] })
      const renewed = client.renewed(never)
      t.mock.timers.tick(10_000)
      writeFileSync(file, other.cert)
      t.mock.timers.tick(2000)
      await renewed
      t.mock.timers.reset()
      assert.equal((await client.get(SERVICES, never)).statusCode, 200)
    }
  })

  it('what cannot be read is tried once for each change, by all that wait for one', needsTls, async t => {
    const api = await server(t, tls)
    const cluster = { 'certificate-authority': 'ca.crt' }
    const file = kubeconfig({ server: api.url, user: { token: 'abc' }, cluster })
    const client = await openClient({ kubeconfig: file })
    t.after(() => client.close())
    t.mock.timers.enable({ apis: ['setInterval'] })
    const told: string[] = []
    const wait = (who: string) => void client.renewed(never).then(() => told.push(who))
    const pass = async (ms: number) => {
      t.mock.timers.tick(ms)
      await setImmediate()
    }
    wait('first')
    await pass(1000)
    wait('second')
    writeFileSync(file, 'this: is: no kubeconfig')
    await pass(1000)
    assert.deepEqual(told, ['first'])
    assert.equal((await client.get(SERVICES, never)).statusCode, 200)
    await pass(1000)
    assert.deepEqual(told, ['first', 'second'])
    wait('again')
    await pass(20_000)
    assert.deepEqual(told, ['first', 'second'])
    writeFileSync(file, '')
    await pass(2000)
    assert.deepEqual(told, ['first', 'second', 'again'])
  })

  it('a token file behind a loop of links is one that cannot be had', needsTls, async t => {
    const api = await server(t, tls)
    const [token, cluster] = [join(root, 'looped'), { 'certificate-authority': 'ca.crt' }]
    writeFileSync(token, 'abc')
    const client = await openClient({
      kubeconfig: kubeconfig({ server: api.url, user: { tokenFile: token }, cluster }),
    })
    t.after(() => client.close())
    t.mock.timers.enable({ apis: ['setInterval'] })
    const renewed = client.renewed(never)
    rmSync(token)
    symlinkSync('looped', token)
    t.mock.timers.tick(2000)
    await renewed
    await assert.rejects(client.get(SERVICES, never), { code: 'ERR_API_CONFIG', message: /cannot be had: ELOOP/ })
  })

  it('401 while the kubeconfig is gone is answered all the same, and what is known is used', needsTls, async t => {
    const api = await server(t, tls)
    const file = kubeconfig({ server: api.url, user: { token: 'abc' }, cluster: { 'certificate-authority': 'ca.crt' } })
    const get = await open(t, { kubeconfig: file })
    rmSync(file)
    api.fail({ kind: 'status', status: 401, body: statusOf(401, 'Unauthorized', 'Unauthorized') })
    assert.equal((await get()).statusCode, 401)
    assert.equal((await get()).statusCode, 200)
  })

  it('credentials that cannot be had are told as such, and may be had later', needsTls, async t => {
    const api = await server(t, tls)
    const cluster = { 'certificate-authority': 'ca.crt' }
    const get = await open(t, { kubeconfig: kubeconfig({ server: api.url, user: { tokenFile: 'later' }, cluster }) })
    await assert.rejects(get(), { code: 'ERR_API_CONFIG', message: /credentials for https.* cannot be had: ENOENT/ })
    writeFileSync(join(root, 'later'), 'now')
    assert.equal((await get()).statusCode, 200)
  })

  it('plain HTTP on loopback needs nothing', async t => {
    const api = await server(t)
    const get = await open(t, { kubeconfig: kubeconfig({ server: api.url }), context: 'second' })
    assert.equal((await get()).statusCode, 200)
  })

  it('a context that it does not have: the error names those that it has', async () => {
    const file = kubeconfig({ server: 'https://127.0.0.1:1' })
    await assert.rejects(openClient({ kubeconfig: file, context: 'third' }), {
      code: 'ERR_API_CONFIG',
      message: `the kubeconfig ${file} has no context "third"; it has first, second`,
    })
  })

  it('what is none is said to be none', async () => {
    const file = join(root, 'not-one')
    await assert.rejects(openClient({ kubeconfig: file }), {
      code: 'ERR_API_CONFIG',
      message: /cannot be used: ENOENT/,
    })
    for (const text of ['', 'hello', '{', '[]', 'clusters: 5']) {
      writeFileSync(file, text)
      await assert.rejects(openClient({ kubeconfig: file }), { code: 'ERR_API_CONFIG' }, text)
    }
  })

  it('a proxy is refused, not passed over', async () => {
    const file = kubeconfig({ server: 'https://127.0.0.1:1', cluster: { 'proxy-url': 'http://127.0.0.1:2' } })
    await assert.rejects(openClient({ kubeconfig: file }), { code: 'ERR_API_CONFIG', message: /proxy-url/ })
  })
})

describe('what tells a cluster from others', () => {
  const identity = async (options: ClientOptions) => {
    const client = await openClient(options)
    client.close()
    return client.identity
  }
  const withCa = (ca: string, address = 'https://10.96.0.1:443') =>
    kubeconfig({ server: address, cluster: { 'certificate-authority-data': Buffer.from(ca).toString('base64') } })

  it('is its address and its certificate authority, inline or as a file; who asks makes no difference', async () => {
    const own = await identity({ kubeconfig: withCa('CA 1\n') })
    assert.equal(await identity({ kubeconfig: withCa('CA 1') }), own)
    assert.notEqual(await identity({ kubeconfig: withCa('CA 2') }), own)
    assert.notEqual(await identity({ kubeconfig: withCa('CA 1', 'https://10.96.0.2:443') }), own)
    const file = join(root, 'identity.crt')
    writeFileSync(file, 'CA 1\n')
    const cluster = { 'certificate-authority': file }
    assert.equal(await identity({ kubeconfig: kubeconfig({ server: 'https://10.96.0.1:443', cluster }) }), own)
  })

  it('is had without asking it, and when its authority cannot be read', async () => {
    const cluster = { 'certificate-authority': join(root, 'none.crt') }
    const gone = kubeconfig({ server: 'https://127.0.0.1:1', cluster })
    assert.equal(await identity({ kubeconfig: gone }), 'https://127.0.0.1:1\n')
    assert.equal(await identity({ endpoint: 'http://127.0.0.1:1' }), 'http://127.0.0.1:1\n')
  })
})

describe('in a pod', () => {
  const folder = join(root, 'pod', 'var/run/secrets/kubernetes.io/serviceaccount')

  it('the service account: its token, its authority, the address in the environment', needsTls, async t => {
    const api = await server(t, tls)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'token'), 'pod-token\n')
    writeFileSync(join(folder, 'ca.crt'), tls!.cert)
    withPodEnvironment(t, '127.0.0.1', new URL(api.url).port)
    const get = await open(t, { inCluster: true, root: join(root, 'pod') })
    assert.equal((await get()).statusCode, 200)
    assert.equal(api.requests[0]!.headers.authorization, 'Bearer pod-token')
    writeFileSync(join(folder, 'token'), 'rotated')
    api.fail({ kind: 'status', status: 401, body: statusOf(401, 'Unauthorized', 'Unauthorized') })
    await get()
    assert.equal((await get()).statusCode, 200)
    assert.equal(api.requests.at(-1)!.headers.authorization, 'Bearer rotated')
  })

  it('an address of IPv6 stands in brackets; what tells the cluster is had without asking it', async t => {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'token'), 'pod-token\n')
    writeFileSync(join(folder, 'ca.crt'), 'CA 1\n')
    withPodEnvironment(t, 'fd00::1', '443')
    const client = await openClient({ inCluster: true, root: join(root, 'pod') })
    t.after(() => client.close())
    assert.equal(client.identity, 'https://[fd00::1]:443\nCA 1')
  })

  it('an API server at an address of IPv6 is spoken to, as by a kubeconfig', needsTlsAndIPv6, async t => {
    const own = makeCertificate(root, 'ipv6')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'token'), 'pod-token')
    writeFileSync(join(folder, 'ca.crt'), own.cert)
    for (const speaksHttp2 of [true, false]) {
      const api = await server(t, own, speaksHttp2, '::1')
      withPodEnvironment(t, '::1', new URL(api.url).port)
      const cluster = { 'certificate-authority': own.file }
      const all = [
        { inCluster: true, root: join(root, 'pod') },
        { kubeconfig: kubeconfig({ server: api.url, cluster }) },
      ]
      for (const options of all) assert.equal((await (await open(t, options))()).statusCode, 200)
      const hosts = api.requests.map(({ headers }) => headers[':authority'] ?? headers.host)
      assert.deepEqual(hosts, [api.url.slice(8), api.url.slice(8)])
    }
    const plain = await server(t, undefined, false, '::1')
    assert.equal((await (await open(t, { endpoint: plain.url }))()).statusCode, 200)
    assert.equal(plain.requests[0]!.headers.host, plain.url.slice(7))
  })

  it('outside of one the error says what to do', async t => {
    withPodEnvironment(t, undefined)
    await assert.rejects(openClient({ inCluster: true }), {
      code: 'ERR_API_CONFIG',
      message: /this is no pod; give --kubeconfig/,
    })
  })

  it('without a token the error names the service account', async t => {
    withPodEnvironment(t, '127.0.0.1', '1')
    await assert.rejects(openClient({ inCluster: true, root: join(root, 'nowhere') }), {
      code: 'ERR_API_CONFIG',
      message: /the service account of this pod cannot be used: ENOENT/,
    })
  })

  it('without an authority, or with one that is empty, nothing is asked: TLS would trust those of the whole world', async t => {
    withPodEnvironment(t, '127.0.0.1', '1')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'token'), 'pod-token')
    const load = () => openClient({ inCluster: true, root: join(root, 'pod') })
    rmSync(join(folder, 'ca.crt'), { force: true })
    await assert.rejects(load(), { code: 'ERR_API_CONFIG', message: /ENOENT.*ca\.crt/ })
    writeFileSync(join(folder, 'ca.crt'), '\n')
    await assert.rejects(load(), { code: 'ERR_API_CONFIG', message: /ca\.crt is empty/ })
    writeFileSync(join(folder, 'ca.crt'), 'CA 1')
    writeFileSync(join(folder, 'token'), '')
    await assert.rejects(load(), { code: 'ERR_API_CONFIG', message: /token is empty/ })
  })

  it('a file that is gone while it runs is named by the next request; when it is there again, it is used', async t => {
    withPodEnvironment(t, '127.0.0.1', '1')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'token'), 'pod-token')
    writeFileSync(join(folder, 'ca.crt'), 'CA 1')
    const credentials = await Credentials.load({ inCluster: true, root: join(root, 'pod') })
    const options = () => credentials.options(AbortSignal.timeout(5000))
    rmSync(join(folder, 'ca.crt'))
    await assert.rejects(options(), { code: 'ERR_API_CONFIG', message: /cannot be had: ENOENT.*ca\.crt/ })
    writeFileSync(join(folder, 'ca.crt'), 'CA 2')
    writeFileSync(join(folder, 'token'), 'rotated')
    assert.deepEqual(await options(), { ca: 'CA 2', headers: { Authorization: 'Bearer rotated' } })
  })
})
