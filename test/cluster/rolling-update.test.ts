/**
 * A rolling update of a hundred pods behind a headless Service, the API server killed three times in between. The server is asked all the
 * while, and every answer is held to the API's own history: it must be what some state of it implies that was so between the allowed
 * delay before the question and the answer. While the API server is away, that reaches from its end until it is watched again.
 *
 * Pods end here without being said to be terminating: such a one may be answered, beside what the API holds, for `records.moveWindow`
 * longer than by the allowed delay (support/story-slices.ts), or with a window of 0 not at all. It is told with both.
 * Needs KUBECONFIG, kubectl, CLUSTER and CLUSTER_DIR.
 */

import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { keepNodes, run, SKIP, TestNamespace } from '../support/cluster-api.ts'
import { PlainApi, SliceHistory } from '../support/cluster-history.ts'
import { deployment, selecting, service } from '../support/cluster-objects.ts'
import { type ServerProcess, startServer, until } from '../support/server-process.ts'
import { sharedNowMs } from '../support/story-asker-types.ts'
import { Checker } from '../support/story-checker.ts'
import { Truth } from '../support/story-truth.ts'

const { CLUSTER, CLUSTER_DIR } = process.env
const SKIP_KILLS =
  SKIP || (CLUSTER === undefined || CLUSTER_DIR === undefined ? 'CLUSTER and CLUSTER_DIR are not set' : false)

const PODS = 100
const KILLS = 3
const PER_SECOND = 1000
/** Over UDP an answer of a hundred pods is a cut one, of which less is known. */
const TCP_SHARE = 1
const SEED = Number(process.env['STORIES_SEED'] ?? randomInt(2 ** 31))
const ALLOWED_MS = 1000
/** The history may be heard of so much later than the server hears of it. */
const SLACK_MS = 200
const LOOK_MS = 300
const CONTROLLERS = ['kwok', 'kube-controller-manager']
/** Of the update, between two ends of the API server. */
const CHANGES_BETWEEN = 12
const READY_MS = 60_000
const WATCHED_MS = 45_000
const LISTED_MS = 3000

for (const moveWindow of ['100ms', '0s'])
  describe(`a rolling update while the API server is killed, moveWindow ${moveWindow}`, { skip: SKIP_KILLS }, () => {
    const namespace = new TestNamespace()
    const truth = new Truth()
    const folder = mkdtempSync(join(tmpdir(), 'headless-dns-'))
    const learning = new AbortController()
    let releaseNodes: () => Promise<void>
    let server: ServerProcess
    let api: PlainApi
    let history: SliceHistory
    let checker: Checker

    const fqdn = `web.${namespace.name}.svc.cluster.local`
    const readyPods = async () => {
      const endpoints = (await api.slices(namespace.name)).flatMap(slice => slice['endpoints'] ?? [])
      return endpoints.filter(({ conditions }) => conditions?.ready !== false).length
    }
    const lists = async () => {
      const { body } = await server.admin('/metrics')
      return Number(/^headless_dns_lists_total\{[^}]*endpointslices[^}]*\} (\d+)$/m.exec(body)?.[1])
    }
    const isStale = async () => {
      const { body } = await server.admin('/metrics')
      return /^headless_dns_source_stale\{[^}]*\} 1$/m.test(body)
    }

    before(async () => {
      releaseNodes = await keepNodes()
      await namespace.create()
      api = await PlainApi.start()
      history = await SliceHistory.start(CLUSTER_DIR!, namespace.name)
      const web = deployment('web', PODS) as { spec: { strategy: object } }
      web.spec.strategy = { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 4 } }
      await namespace.apply(service('web', { clusterIP: 'None', ...selecting('web') }), web)
      await until(async () => (await readyPods()) === PODS, `${PODS} pods`, READY_MS)
      const config = join(folder, 'config.yaml')
      const records = { moveWindow }
      // What another namespace leaves at the same addresses is not in this history.
      const kubernetes = { kubeconfig: process.env['KUBECONFIG'], namespaces: [namespace.name] }
      truth.moveWindowMs = moveWindow === '0s' ? 0 : 100
      writeFileSync(config, JSON.stringify({ records, source: { kubernetes } }))
      server = await startServer(['--config', config])
      truth.opening()
      truth.opened()
      checker = new Checker(truth, {
        port: server.port,
        perSecond: PER_SECOND,
        tcpShare: TCP_SHARE,
        allowedMs: ALLOWED_MS,
        seed: SEED,
        ttl: 5,
        negativeTtl: 1,
      })
      checker.keep()
      checker.focus([
        { name: fqdn, type: 'A' },
        { name: `_http._tcp.${fqdn}`, type: 'SRV' },
      ])
    })

    after(async () => {
      learning.abort()
      await checker?.stop()
      await history?.stop()
      await server?.stop('SIGINT')
      await api?.stop()
      await namespace.delete()
      await releaseNodes?.()
      rmSync(folder, { recursive: true })
    })

    /** Asks for the names of the pods that there are, now and as they come. */
    async function learnNames(signal: AbortSignal): Promise<void> {
      while (!signal.aborted) {
        const slices = await api.slices(namespace.name).catch(() => [])
        for (const { addresses } of slices.flatMap(slice => slice['endpoints'] ?? [])) {
          const [address] = addresses as [string]
          checker.add([
            { name: `${address.replaceAll('.', '-')}.${fqdn}`, type: 'A' },
            { name: `${address.split('.').reverse().join('.')}.in-addr.arpa`, type: 'PTR' },
          ])
        }
        await delay(LOOK_MS, undefined, { signal }).catch(() => {})
      }
    }

    async function killAndRestart(): Promise<void> {
      const before = await lists()
      truth.blinds()
      process.kill(Number(readFileSync(join(CLUSTER_DIR!, 'kube-apiserver.pid'), 'utf8')), 'SIGKILL')
      await until(isStale, 'the server notices')
      await run(CLUSTER!, ['start', 'kube-apiserver', CLUSTER_DIR!])
      await until(async () => !(await isStale()), 'the API server is watched again', WATCHED_MS)
      // A new API server does not know the version that was watched, as a rule: there is a list, after a wait of up to 2 s.
      const listedMs = sharedNowMs() + LISTED_MS
      await until(async () => (await lists()) > before || sharedNowMs() > listedMs, 'the list is in')
      truth.sees()
      // They back off for up to a minute after an outage; begun anew they go on at once.
      for (const name of CONTROLLERS) {
        for (const command of ['stop', 'start']) await run(CLUSTER!, [command, name, CLUSTER_DIR!])
      }
    }

    it(`${PODS} pods are replaced, and no answer is wrong`, async context => {
      const learned = learnNames(learning.signal)
      const startMs = sharedNowMs()
      const old = new Set((await namespace.kubectl('get', 'pods', '-o', 'name')).split('\n'))
      await namespace.kubectl('rollout', 'restart', 'deployment/web')
      const backMs: number[] = []
      for (let i = 0; i < KILLS; i++) {
        const seen = history.size
        await until(() => history.size >= seen + CHANGES_BETWEEN, 'the update goes on', READY_MS)
        const killedMs = sharedNowMs()
        await killAndRestart()
        backMs.push(sharedNowMs() - killedMs)
      }
      await namespace.kubectl('rollout', 'status', 'deployment/web', '--timeout=60s')
      await until(async () => (await readyPods()) === PODS, `${PODS} other pods`, READY_MS)
      const endMs = sharedNowMs()
      await until(() => sharedNowMs() > endMs + ALLOWED_MS, 'the last delay is over')
      learning.abort()
      await learned
      await checker.stop()
      const left = (await namespace.kubectl('get', 'pods', '-o', 'name')).split('\n')
      assert.deepEqual(
        left.filter(pod => pod !== '' && old.has(pod)),
        [],
      )

      const states = await history.stop()
      const [web] = JSON.parse(await namespace.kubectl('get', 'services', '-o', 'json')).items
      truth.putService(web, Number.NEGATIVE_INFINITY)
      for (const [revision, heardMs] of states) {
        truth.setSlices(namespace.name, 'web', await api.slices(namespace.name, revision), heardMs - SLACK_MS)
      }
      await checker.judgeKept()
      const duringMs = states.filter(([, heardMs]) => heardMs > startMs).length
      const away = backMs.map(ms => `${(ms / 1000).toFixed(1)} s`).join(', ')
      context.diagnostic(
        `${checker.checked} answers, ${checker.wrong} wrong; ${duringMs} states; away for ${away}; seed ${SEED}`,
      )
      checker.assertRight()
      assert.ok(duringMs >= PODS / 4, `${duringMs} states of the API in the update`)
    })
  })
