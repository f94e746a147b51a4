import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it, type TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { ClusterState } from '../../../src/cluster/state.ts'
import { type ManifestsOptions, startManifests } from '../../../src/manifests/source.ts'

const DEMO = new URL('../../../config/demo', import.meta.url).pathname
const root = mkdtempSync(join(tmpdir(), 'manifests-'))
after(() => rmSync(root, { recursive: true }))
const folder = () => mkdtempSync(join(root, 'm-'))

const serviceText = (name: string, clusterIP = '10.96.0.1') =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec:\n  clusterIP: ${clusterIP}\n`

interface Following {
  readonly cluster: ClusterState
  readonly warnings: string[]
  /** Flushes that changed something. */
  readonly flushes: () => number
  readonly source: Awaited<ReturnType<typeof startManifests>>
}

async function follow(
  t: TestContext,
  paths: string[],
  options: Partial<ManifestsOptions> = {},
  tickMs = 60_000,
): Promise<Following> {
  let flushes = 0
  const warnings: string[] = []
  const cluster = new ClusterState([], () => flushes++)
  const logger = { info: () => {}, warn: (message: string) => void warnings.push(message) }
  const all = { podCIDR: '127.1.0.0/16', namespaces: [], namespaceLabels: '', labels: '', pods: false }
  const source = await startManifests({ ...all, ...options, paths }, cluster, logger, { delayMs: 20, tickMs })
  t.after(() => source.stop())
  return { cluster, warnings, source, flushes: () => flushes }
}

/** Waits for a condition; the limit only ends a test that fails. */
async function until(condition: () => boolean, what: string): Promise<number> {
  const start = performance.now()
  while (!condition()) {
    if (performance.now() - start > 10_000) assert.fail(`not in 10 s: ${what}`)
    await setImmediate()
  }
  return performance.now() - start
}

const ipOf = ({ cluster }: Following, name: string) => cluster.find('default', name)?.service.clusterIPs[0]

describe('at the start', () => {
  it('the demo is served, as one change, without a warning', async t => {
    const following = await follow(t, [DEMO], { pods: true })
    assert.equal(following.flushes(), 1)
    assert.equal(following.cluster.synced, true)
    assert.deepEqual(following.warnings, [])
    assert.deepEqual(following.source.summary(), { services: 5, endpoints: 12, simulatedPods: 11, files: 4 })
    const seed = following.cluster.find('default', 'my-headless-service')!.slices[0]!.endpoints
    assert.deepEqual([seed.length, seed.filter(endpoint => endpoint.ready).length], [4, 3])
    assert.deepEqual(
      following.cluster.states().map(({ kind }) => kind),
      ['Service', 'EndpointSlice', 'Pod'],
    )
  })

  it('without namespaceLabels it hides nothing that another source gives', async t => {
    const cluster = new ClusterState([], () => {})
    const other = cluster.open('Service').replaceAll()
    other.add({ namespace: 'elsewhere', name: 'x', kind: 'headless', clusterIPs: [], externalName: '', ports: [] })
    other.commit()
    const options = { podCIDR: '127.1.0.0/16', namespaces: [], namespaceLabels: '', labels: '', pods: false }
    const source = await startManifests({ ...options, paths: [DEMO] }, cluster, { info: () => {}, warn: () => {} })
    t.after(() => source.stop())
    assert.notEqual(cluster.find('elsewhere', 'x'), undefined)
  })

  it('Pods and Namespaces are opened only when they are wanted', async t => {
    const { cluster } = await follow(t, [DEMO], { namespaceLabels: 'kubernetes.io/metadata.name=default' })
    assert.notEqual(cluster.find('default', 'db'), undefined)
    assert.deepEqual(
      cluster.states().map(({ kind }) => kind),
      ['Service', 'EndpointSlice', 'Namespace'],
    )
  })

  it('a folder gives its *.yaml, *.yml and *.json at any depth, and no dot files; a file of any name is read', async t => {
    const path = folder()
    mkdirSync(join(path, 'deep/.hidden'), { recursive: true })
    for (const name of ['a.yaml', 'deep/b.yml', 'deep/c.JSON', 'notes.txt', '.d.yaml', 'deep/.hidden/e.yaml']) {
      writeFileSync(join(path, name), serviceText(name.replace(/\W/g, '').toLowerCase()))
    }
    const { source } = await follow(t, [path, join(path, 'notes.txt'), join(path, 'a.yaml')])
    assert.deepEqual(source.summary(), { services: 4, endpoints: 0, simulatedPods: 0, files: 4 })
  })

  it('links that go round in circles are followed once; a link to nothing is left out', async t => {
    const path = folder()
    writeFileSync(join(path, 'a.yaml'), serviceText('a'))
    symlinkSync(path, join(path, 'self'))
    symlinkSync('nowhere', join(path, 'b.yaml'))
    assert.equal((await follow(t, [path])).source.summary().files, 1)
  })

  it('what is wrong in a file is said, and the rest of it is served', async t => {
    const path = folder()
    writeFileSync(join(path, 'a.yaml'), `${serviceText('a')}---\n${serviceText('b', 'nonsense')}`)
    const following = await follow(t, [path])
    assert.equal(ipOf(following, 'a'), '10.96.0.1')
    assert.match(following.warnings.join(), /a\.yaml:11: Service b: spec\.clusterIP is "nonsense".*it is left out/)
  })

  it('a path that is not there is an error that says what to do', async t => {
    const path = join(root, 'absent')
    await assert.rejects(follow(t, [path]), ({ code, message, cause }) => {
      assert.equal(code, 'ERR_MANIFESTS_PATH')
      assert.match(message, /absent cannot be read \(it is not there\); name a file or a folder/)
      assert.ok(cause instanceof Error)
      return true
    })
    await assert.rejects(follow(t, ['/dev/null']), { code: 'ERR_MANIFESTS_PATH' })
  })

  it('a wrong podCIDR and a wrong selector are errors', async t => {
    await assert.rejects(follow(t, [DEMO], { podCIDR: 'x' }), { code: 'ERR_MANIFESTS_POD_CIDR' })
    await assert.rejects(follow(t, [DEMO], { labels: '=' }), { code: 'ERR_MANIFESTS_SELECTOR' })
  })
})

describe('an edit', () => {
  it('is served within 100 ms', async t => {
    const path = folder()
    const file = join(path, 'a.yaml')
    writeFileSync(file, serviceText('a'))
    const following = await follow(t, [file])
    const times: number[] = []
    for (let round = 1; round <= 5; round++) {
      writeFileSync(file, serviceText('a', `10.96.1.${round}`))
      times.push(await until(() => ipOf(following, 'a') === `10.96.1.${round}`, 'the edit'))
    }
    // The best of five: what it takes when nothing else keeps the machine busy.
    assert.ok(Math.min(...times) < 100, `${times} ms`)
  })

  it('that renames a new file over the old one is seen', async t => {
    const path = folder()
    const file = join(path, 'a.yaml')
    writeFileSync(file, serviceText('a'))
    const following = await follow(t, [file])
    for (const address of ['10.96.1.1', '10.96.1.2']) {
      writeFileSync(`${file}.tmp`, serviceText('a', address))
      renameSync(`${file}.tmp`, file)
      await until(() => ipOf(following, 'a') === address, 'the rename')
    }
  })

  it('that breaks a file is said with file, line and reason; what it gave stays, and other files go on', async t => {
    const path = folder()
    writeFileSync(join(path, 'a.yaml'), serviceText('a'))
    writeFileSync(join(path, 'b.yaml'), serviceText('b'))
    const following = await follow(t, [path])
    writeFileSync(join(path, 'a.yaml'), `${serviceText('a', '10.96.9.9')}  type: [\n`)
    await until(() => following.warnings.length > 0, 'the warning')
    assert.match(following.warnings[0]!, /a\.yaml:6: .*; what this file gave stays served$/)
    writeFileSync(join(path, 'b.yaml'), serviceText('b', '10.96.1.1'))
    await until(() => ipOf(following, 'b') === '10.96.1.1', 'the other file')
    assert.equal(ipOf(following, 'a'), '10.96.0.1')
    assert.equal(following.warnings.length, 1)
    writeFileSync(join(path, 'a.yaml'), serviceText('a', '10.96.1.2'))
    await until(() => ipOf(following, 'a') === '10.96.1.2', 'the repair')
  })

  it('that adds a file with something wrong in it says that this is left out, and serves the rest', async t => {
    const path = folder()
    const following = await follow(t, [path])
    writeFileSync(join(path, 'a.yaml'), `${serviceText('a')}---\n${serviceText('b', 'nonsense')}`)
    await until(() => ipOf(following, 'a') !== undefined, 'what is right')
    assert.match(following.warnings.join(), /a\.yaml:11: .*; it is left out$/)
  })

  it('that names what the API server would refuse changes nothing of its file', async t => {
    const file = join(folder(), 'a.yaml')
    writeFileSync(file, serviceText('a'))
    const following = await follow(t, [file])
    writeFileSync(file, `${serviceText('c')}---\n${serviceText('a', 'nonsense')}`)
    await until(() => following.warnings.length > 0, 'the warning')
    assert.equal(ipOf(following, 'a'), '10.96.0.1')
    assert.equal(ipOf(following, 'c'), undefined)
  })

  it('that could not be handed on is told, and does not end the following', async t => {
    const path = folder()
    writeFileSync(join(path, 'a.yaml'), serviceText('a'))
    let failures = 0
    const cluster = new ClusterState([], () => {
      if (failures-- > 0) throw new Error('a defect')
    })
    const warnings: string[] = []
    const options = { podCIDR: '127.1.0.0/16', namespaces: [], namespaceLabels: '', labels: '', pods: false }
    const logger = { info: () => {}, warn: (message: string) => void warnings.push(message) }
    const source = await startManifests({ ...options, paths: [path] }, cluster, logger, { delayMs: 5, tickMs: 20 })
    t.after(() => source.stop())
    const ip = () => cluster.find('default', 'a')?.service.clusterIPs[0]
    failures = 1
    writeFileSync(join(path, 'a.yaml'), serviceText('a', '10.96.0.2'))
    await until(() => warnings.length > 0, 'it is told')
    assert.deepEqual(warnings, ['manifests changed and cannot be served; they are tried again'])
    writeFileSync(join(path, 'a.yaml'), serviceText('a', '10.96.0.33'))
    await until(() => ip() === '10.96.0.33', 'the next edit')
  })

  it('adds and removes files and folders', async t => {
    const path = folder()
    const following = await follow(t, [path])
    mkdirSync(join(path, 'new'))
    writeFileSync(join(path, 'new/a.yaml'), serviceText('a'))
    await until(() => ipOf(following, 'a') !== undefined, 'a file in a new folder')
    writeFileSync(join(path, 'new/b.yaml'), serviceText('b'))
    await until(() => ipOf(following, 'b') !== undefined, 'one more')
    unlinkSync(join(path, 'new/a.yaml'))
    await until(() => ipOf(following, 'a') === undefined, 'its removal')
    rmSync(join(path, 'new'), { recursive: true })
    await until(() => ipOf(following, 'b') === undefined, 'the removal of the folder')
  })

  it('of a mounted ConfigMap, a link exchanged, is seen as one change', async t => {
    const path = folder()
    const write = (version: string, address: string) => {
      mkdirSync(join(path, version))
      for (const name of ['a', 'b']) writeFileSync(join(path, version, `${name}.yaml`), serviceText(name, address))
      symlinkSync(version, join(path, '..data_tmp'))
      renameSync(join(path, '..data_tmp'), join(path, '..data'))
    }
    write('..1', '10.96.1.1')
    for (const name of ['a', 'b']) symlinkSync(`..data/${name}.yaml`, join(path, `${name}.yaml`))
    const following = await follow(t, [path])
    assert.equal(following.source.summary().files, 2)
    const flushes = following.flushes()
    write('..2', '10.96.1.2')
    await until(() => ipOf(following, 'a') === '10.96.1.2', 'the exchange')
    assert.equal(ipOf(following, 'b'), '10.96.1.2')
    assert.equal(following.flushes(), flushes + 1)
  })

  it('behind a link into a folder that is not watched is seen by the slow tick', async t => {
    const target = join(folder(), 'target.yaml')
    const link = join(folder(), 'a.yaml')
    writeFileSync(target, serviceText('a'))
    symlinkSync(target, link)
    const following = await follow(t, [link], {}, 30)
    writeFileSync(target, serviceText('a', '10.96.1.1'))
    await until(() => ipOf(following, 'a') === '10.96.1.1', 'the edit')
  })
})

describe('a path that goes away', () => {
  it('is said once, what it gave stays, and it is read again when it is back', async t => {
    const path = join(folder(), 'manifests')
    mkdirSync(path)
    writeFileSync(join(path, 'a.yaml'), serviceText('a'))
    const following = await follow(t, [path], {}, 10)
    renameSync(path, `${path}.away`)
    await until(() => following.warnings.length > 0, 'the warning')
    assert.match(following.warnings[0]!, /what was served stays: .*manifests: it is not there/)
    assert.equal(ipOf(following, 'a'), '10.96.0.1')
    renameSync(`${path}.away`, path)
    writeFileSync(join(path, 'a.yaml'), serviceText('a', '10.96.1.1'))
    await until(() => ipOf(following, 'a') === '10.96.1.1', 'its return')
    assert.equal(following.warnings.length, 1)
  })
})

describe('stop', () => {
  it('ends the handing on', async t => {
    const file = join(folder(), 'a.yaml')
    writeFileSync(file, serviceText('a'))
    const stopped = await follow(t, [file])
    const other = await follow(t, [file])
    stopped.source.stop()
    writeFileSync(file, serviceText('a', '10.96.1.1'))
    await until(() => ipOf(other, 'a') === '10.96.1.1', 'the one that was not stopped')
    assert.equal(ipOf(stopped, 'a'), '10.96.0.1')
  })
})
