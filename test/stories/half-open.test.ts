/**
 * Stories of connections that are open and lead nowhere: the peer's kernel answers, its process does not. Seconds of these
 * stories are real, since those of the heartbeat are: both are told at once.
 */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe } from 'node:test'
import { makeCertificate } from '../support/certificate.ts'
import { type ApiProxy, openProxy } from '../support/cluster-proxy.ts'
import { serviceOf, sliceOf } from '../support/fake-api-objects.ts'
import { RandomCluster } from '../support/story-cluster.ts'
import type { StoryWorld } from '../support/story-world.ts'
import { agreesAtLast, story } from './story.ts'

const NOTICED_MS = 20_000
const SEEN_MS = 25_000

const folder = mkdtempSync(join(tmpdir(), 'stories-half-open-'))
const proxies: ApiProxy[] = []
after(async () => {
  rmSync(folder, { recursive: true })
  for (const proxy of proxies) await proxy.close()
})
const certificate = (() => {
  try {
    return makeCertificate(folder, 'api')
  } catch {
    return undefined
  }
})()

const prepare = (world: StoryWorld) => void new RandomCluster(world)

async function proxyOf(url: string): Promise<ApiProxy> {
  const proxy = await openProxy({ host: '127.0.0.1', port: Number(new URL(url).port) })
  proxies.push(proxy)
  return proxy
}

/** @param proxy what stands between this server and the API server */
async function isNoticed(world: StoryWorld, proxy: ApiProxy): Promise<void> {
  const startMs = performance.now()
  const requests = world.api.requests.length
  world.truth.blinds()
  proxy.freeze()
  world.putService(serviceOf('new'))
  world.putSlices(sliceOf('new-1', 'new', ['10.8.2.1']))
  await world.until(() => /has not answered/.test(world.log.join('')), 'the silence is noticed', SEEN_MS)
  const noticedMs = performance.now() - startMs
  assert.ok(noticedMs <= NOTICED_MS, `noticed after ${noticedMs} ms`)
  proxy.comeBack()
  await world.hurry(() => world.api.requests.length >= requests + 2, 'both are watched anew')
  await agreesAtLast(world)
  world.truth.sees()
  const seenMs = performance.now() - startMs
  assert.ok(seenMs <= SEEN_MS, `the new pod is answered after ${seenMs} ms`)
}

describe('half-open connections', { concurrency: true }, () => {
  let plain: ApiProxy
  story(
    'F6: over HTTP/1.1, half-open watches are noticed within 20 s, and what happened meanwhile is served within 25 s',
    {
      prepare,
      async kubernetes({ url }) {
        plain = await proxyOf(url)
        return { endpoint: `http://127.0.0.1:${plain.port}` }
      },
    },
    world => isNoticed(world, plain),
  )

  let secure: ApiProxy
  story(
    'T21: over HTTP/2, the API server stands still with its connections open: noticed within 20 s, served within 25 s',
    {
      prepare,
      skip: certificate === undefined ? 'there is no openssl to make certificates' : undefined,
      ...(certificate && { tls: certificate }),
      async kubernetes({ url }) {
        secure = await proxyOf(url)
        const at = { cluster: 'c', user: 'u' }
        const server = `https://127.0.0.1:${secure.port}`
        const content = {
          'current-context': 'x',
          contexts: [{ name: 'x', context: at }],
          clusters: [{ name: 'c', cluster: { server, 'certificate-authority': certificate!.file } }],
          users: [{ name: 'u', user: {} }],
        }
        const kubeconfig = join(folder, 'kubeconfig')
        writeFileSync(kubeconfig, JSON.stringify(content))
        return { kubeconfig }
      },
    },
    world => isNoticed(world, secure),
  )
})
