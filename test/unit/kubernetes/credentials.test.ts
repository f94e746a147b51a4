import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { RequestOptions } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Credentials } from '../../../src/kubernetes/credentials.ts'

const root = mkdtempSync(join(tmpdir(), 'kubernetes-credentials-'))
after(() => rmSync(root, { recursive: true }))
const never = new AbortController().signal

let files = 0
function load(cluster: object, users: object[] = []): Promise<Credentials> {
  const kubeconfig = join(root, `config-${files++}`)
  const config = {
    'current-context': 'x',
    contexts: [{ name: 'x', context: { cluster: 'c', user: users.length === 0 ? '' : 'u' } }],
    clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:1', ...cluster } }],
    users: users.map(user => ({ name: 'u', user })),
  }
  writeFileSync(kubeconfig, JSON.stringify(config))
  return Credentials.load({ kubeconfig })
}

describe("a context's cluster", () => {
  it('says how it is trusted, with a user and without one', async () => {
    writeFileSync(join(root, 'ca.crt'), 'CA of a file')
    const file = { 'certificate-authority': 'ca.crt' }
    const data = { 'certificate-authority-data': Buffer.from('CA of data').toString('base64') }
    for (const users of [[], [{ token: 'abc' }]]) {
      const of = async (cluster: object) => (await load(cluster, users)).options(never)
      assert.equal(String((await of(file)).ca), 'CA of a file')
      assert.equal(String((await of(data)).ca), 'CA of data')
      assert.equal(String((await of({ ...file, ...data })).ca), 'CA of data')
      assert.equal((await of({ 'tls-server-name': 'api.example' })).servername, 'api.example')
      assert.equal((await of({ 'insecure-skip-tls-verify': true })).rejectUnauthorized, false)
      assert.deepEqual(Object.keys(await of({})), ['headers'])
    }
  })

  it('whose authority cannot be read is not trusted by others, without a user either', async () => {
    const credentials = await load({ 'certificate-authority': 'none.crt' })
    await assert.rejects(credentials.options(never), { code: 'ERR_API_CONFIG', message: /cannot be had: ENOENT/ })
  })
})

describe('an exec plugin', () => {
  const log = join(root, 'log')
  const lines = () => readFileSync(log, 'utf8').split('\n').filter(Boolean)

  /** @param script of the shell; what it appends to `$LOG` is in `lines` */
  function plugin(script: string): Promise<Credentials> {
    writeFileSync(log, '')
    const env = [{ name: 'LOG', value: log }]
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: '/bin/sh', args: ['-c', script], env }
    return load({}, [{ exec }])
  }

  const TOKEN = `echo run >> "$LOG"; runs=$(grep -c run "$LOG"); echo '{"status":{"token":"'$runs'"}}'`
  const authorization = ({ headers }: RequestOptions) => (headers as Record<string, string>)['Authorization']
  const ask = (credentials: Credentials, count: number) =>
    Promise.all(Array.from({ length: count }, () => credentials.options(never)))

  it('runs once for all requests that are made at one time', async () => {
    const credentials = await plugin(TOKEN)
    assert.deepEqual(new Set((await ask(credentials, 20)).map(authorization)), new Set(['Bearer 1']))
    assert.equal(lines().length, 1)
  })

  it('runs once more for all requests that were refused with one token; a newer token is kept', async () => {
    const credentials = await plugin(TOKEN)
    const refused = await ask(credentials, 20)
    const again = await Promise.all(refused.map(one => credentials.renew(one).then(() => credentials.options(never))))
    assert.deepEqual(new Set(again.map(authorization)), new Set(['Bearer 2']))
    await credentials.renew(refused[0]!)
    assert.equal(authorization(await credentials.options(never)), 'Bearer 2')
    await credentials.renew(again[0]!)
    assert.equal(authorization(await credentials.options(never)), 'Bearer 3')
    assert.equal(lines().length, 3)
  })

  it('that failed, or hangs, is run again by the next request', async t => {
    const failing = await plugin(`echo run >> "$LOG"; echo no >&2; exit 1`)
    for (let i = 0; i < 2; i++) await assert.rejects(failing.options(never), { code: 'ERR_API_CONFIG', message: /no/ })
    assert.equal(lines().length, 2)
    const hanging = await plugin(
      `[ -s "$LOG" ] || { echo run >> "$LOG"; sleep 1000; }; echo '{"status":{"token":"x"}}'`,
    )
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const asked = hanging.options(never)
    while (lines().length < 1) await setImmediate()
    t.mock.timers.tick(60_000)
    await assert.rejects(asked, { code: 'ERR_API_CONFIG', message: /not in 60 s/ })
    assert.equal(authorization(await hanging.options(never)), 'Bearer x')
  })

  for (const [what, ending] of [
    ['waits for another program that hangs', 'wait'],
    ['leaves a program behind that holds its output open', 'exit 0'],
  ]) {
    it(`that ${what}: both end when it is given up`, async t => {
      const credentials = await plugin(`sleep 1000 & echo $! >> "$LOG"; echo $$ >> "$LOG"; ${ending}`)
      const listeners = process.listenerCount('exit')
      t.mock.timers.enable({ apis: ['setTimeout'] })
      const asked = credentials.options(never)
      while (lines().length < 2) await setImmediate()
      const pids = lines().map(Number)
      t.after(() => {
        for (const pid of pids) if (isRunning(pid)) process.kill(pid, 'SIGKILL')
      })
      if (ending === 'exit 0') while (isRunning(pids[1]!)) await setImmediate()
      t.mock.timers.tick(60_000)
      await assert.rejects(asked, { code: 'ERR_API_CONFIG', message: /not in 60 s; run the exec plugin/ })
      const began = performance.now()
      while (pids.some(isRunning) || process.listenerCount('exit') > listeners) {
        assert.ok(performance.now() - began < 5000, 'they run on')
        await setImmediate()
      }
    })
  }
})

/** What was ended and has nobody who collects it, as in a container without an init, does not run. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    // Without /proc it is known by the signal alone.
    return process.platform !== 'linux'
  }
}
