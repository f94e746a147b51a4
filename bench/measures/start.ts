/**
 * Start: from spawn to the first 200 of the readiness address, and to the first right answer. Layer: bench.
 * Nothing is pinned: a start is what a user waits for.
 */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Api, startApi } from '../api.ts'
import { fqdn, SERVICES } from '../dataset.ts'
import { temporaryFolder } from '../load.ts'
import type { Options } from '../options.ts'
import { startProbe } from '../probe.ts'
import { freePort, startChild, waitUntil } from '../processes.ts'
import { figure, type Measured, median, targetTable } from '../results.ts'
import { buildBundle, corefile, isReady, ownConfiguration, ownProgram, SERVERS, versionOf } from '../servers.ts'

const START_MS = 60_000
const DEMO_NAME = 'my-headless-service.default.svc.cluster.local'
const demoTitle = (form: string) => `headless-dns, ${form}, demo manifests`
const DEMO_BUNDLE = demoTitle('bundle')
const FLEET_NAME = fqdn(SERVICES[0]!.name)

interface Starter {
  readonly title: string
  readonly name: string
  readonly command: string
  readonly readyPath: string
  args(port: number, admin: number): string[]
}

interface StartTime {
  readonly title: string
  readonly readyMs: number
  readonly answerMs: number
}

export async function measureStart(options: Options): Promise<Measured> {
  const times: StartTime[] = []
  const versions: Record<string, string> = {}
  if (options.wants('ours')) buildBundle()
  const api = await startApi(SERVICES)
  try {
    const starters = [...ownStarters(options, api), ...corednsStarters(options, api, versions)]
    for (let round = 1; round <= options.rounds; round++) {
      for (const starter of starters) times.push(await startOnce(starter))
      options.say(`start: round ${round} of ${options.rounds} done`)
    }
    const rows = starters.map(({ title }) => {
      const own = times.filter(time => time.title === title)
      const cells = [own.map(time => time.readyMs), own.map(time => time.answerMs)]
      return [title, ...cells.flatMap(all => [figure(median(all)), figure(Math.max(...all))])]
    })
    const head = ['server', 'ready', 'ready, slowest', 'first answer', 'first answer, slowest']
    const notes = [`${options.rounds} starts each, in turn; files are in the page cache; nothing is pinned.`]
    const demo = times.filter(({ title }) => title === DEMO_BUNDLE).map(({ readyMs }) => readyMs)
    const targets = targetTable([{ title: `${DEMO_BUNDLE}: ready`, value: median(demo), most: 500, unit: 'ms' }])
    const tables = [{ title: 'Start, ms from spawn: median', head, rows, notes }, ...targets]
    return { data: times, versions, tables }
  } finally {
    await api.stop()
  }
}

function ownStarters(options: Options, api: Api): Starter[] {
  if (!options.wants('ours')) return []
  const starters: Starter[] = []
  for (const form of ['bundle', 'source'] as const) {
    const program = ownProgram(form)
    if (program === undefined) continue
    const common = { command: process.execPath, readyPath: '/readyz' }
    starters.push({
      ...common,
      title: demoTitle(form),
      name: DEMO_NAME,
      args: (port, admin) => [
        program,
        'serve',
        '--demo',
        '--listen',
        `127.0.0.1:${port}`,
        '--admin',
        `127.0.0.1:${admin}`,
      ],
    })
    starters.push({
      ...common,
      title: `headless-dns, ${form}, API server with 1,000 services`,
      name: FLEET_NAME,
      args: (port, admin) => {
        const file = join(temporaryFolder(), `start-${port}.yaml`)
        writeFileSync(file, ownConfiguration(port, admin, 'auto', api.url))
        return [program, 'serve', '--config', file]
      },
    })
  }
  return starters
}

function corednsStarters(options: Options, api: Api, versions: Record<string, string>): Starter[] {
  const command = SERVERS.find(({ name }) => name === 'coredns')?.find()
  if (command === undefined || !options.wants('coredns')) return []
  Object.assign(versions, versionOf('coredns', command))
  return [
    {
      title: 'CoreDNS, API server with 1,000 services',
      name: FLEET_NAME,
      command,
      readyPath: '/ready',
      args: (port, admin) => {
        const file = join(temporaryFolder(), `start-${port}.Corefile`)
        writeFileSync(file, corefile(port, admin, api.url, ''))
        return ['-conf', file, '-quiet']
      },
    },
  ]
}

async function startOnce({ title, name, command, readyPath, args }: Starter): Promise<StartTime> {
  const port = await freePort()
  const admin = await freePort()
  const words = args(port, admin)
  const probe = startProbe(port, name, false, START_MS / 1000)
  const begin = process.hrtime.bigint()
  const child = startChild(command, words)
  child.process.stdout?.resume()
  try {
    const ready = () => isReady(`http://127.0.0.1:${admin}${readyPath}`)
    await waitUntil(`${title} is not ready`, START_MS, ready, child, 5)
    const readyMs = Number(process.hrtime.bigint() - begin) / 1e6
    const answered = await probe?.first(START_MS)
    return { title, readyMs, answerMs: answered === undefined ? Number.NaN : Number(answered - begin) / 1e6 }
  } finally {
    await probe?.stop()
    await child.stop()
  }
}
