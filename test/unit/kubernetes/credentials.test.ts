import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
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
