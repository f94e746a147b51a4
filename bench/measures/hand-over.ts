/**
 * Hand-over: two processes of the server, one port; the new one joins it when synced, the old one gets SIGTERM, answers on
 * for its lameduck time, and leaves. Counted is what clients did not hear. Layer: bench.
 */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ManyClients } from '../../test/support/many-clients.ts'
import { temporaryFolder } from '../load.ts'
import type { Options } from '../options.ts'
import { type Child, freePort, startChild, waitUntil } from '../processes.ts'
import { type Measured, targetTable } from '../results.ts'
import { buildBundle, isReady, ownProgram } from '../servers.ts'

const HAND_OVERS = 20
const RATE = 10_000
const CLIENTS = 64
const LAMEDUCK = '500ms'
const START_MS = 20_000
const NAME = 'my-headless-service.default.svc.cluster.local'
const ADDRESSES = 3

export async function measureHandOver(options: Options): Promise<Measured> {
  buildBundle()
  const program = ownProgram('bundle')
  if (program === undefined) throw new Error('there is no dist/: the build failed')
  const port = await freePort()
  const file = join(temporaryFolder(), 'hand-over.yaml')
  writeFileSync(
    file,
    `listen: ["127.0.0.1:${port}"]\nlameduck: ${LAMEDUCK}\nsource: {manifests: [${JSON.stringify(join(import.meta.dirname, '../../config/demo'))}]}\n`,
  )

  async function start(): Promise<Child> {
    const admin = await freePort()
    const child = startChild(process.execPath, [program!, 'serve', '--config', file, '--admin', `127.0.0.1:${admin}`])
    child.process.stdout?.resume()
    await waitUntil('the server is not ready', START_MS, () => isReady(`http://127.0.0.1:${admin}/readyz`), child)
    return child
  }

  const rows: string[][] = []
  const data: Record<string, number>[] = []
  let serving = await start()
  const clients = await ManyClients.open(port, NAME, ADDRESSES, CLIENTS)
  try {
    clients.start(RATE)
    for (let i = 1; i <= HAND_OVERS; i++) {
      const before = clients.account
      const next = await start()
      const begin = performance.now()
      await serving.stop()
      const stopMs = Math.round(performance.now() - begin)
      await clients.settled()
      const { asked, wrong, refused, lost } = clients.account
      data.push({
        asked: asked - before.asked,
        wrong: wrong - before.wrong,
        refused: refused - before.refused,
        lost: lost - before.lost,
        stopMs,
      })
      rows.push([String(i), ...Object.values(data.at(-1)!).map(String)])
      serving = next
      options.say(`hand-over: ${i} of ${HAND_OVERS} done`)
    }
  } finally {
    await clients.stop()
    await serving.stop()
  }
  const total = (key: string) => data.reduce((sum, one) => sum + one[key]!, 0)
  const head = ['hand-over', 'asked', 'wrong', 'refused', 'lost', 'SIGTERM to exit, ms']
  const notes = [
    `${RATE} queries a second of ${CLIENTS} clients; lameduck ${LAMEDUCK}; nothing is pinned. In all: ${total('asked')} asked, ${total('wrong')} wrong, ${total('lost')} lost.`,
  ]
  const target = { title: `lost in ${HAND_OVERS} hand-overs`, value: total('lost'), most: 0, unit: 'queries' }
  return {
    data,
    versions: {},
    tables: [{ title: 'Hand-over under load', head, rows, notes }, ...targetTable([target])],
  }
}
