/**
 * Start: from spawn to the first 200 of the readiness address, and to the first right answer. Layer: bench.
 * Each is a start of its own, for who asks takes time from the server, most of all on a machine of one core. Nothing is pinned:
 * a start is what a user waits for. Two of them are starts without the API server, from a snapshot that a process killed with
 * SIGKILL has left: it was confirmed a moment before, as by a process that is started again at once, or an hour before.
 */

import { existsSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Api, startApi } from '../api.ts'
import { fqdn, makeServices, SERVICES } from '../dataset.ts'
import { temporaryFolder } from '../load.ts'
import type { Options } from '../options.ts'
import { startProbe } from '../probe.ts'
import { type Child, freePort, startChild, waitUntil } from '../processes.ts'
import { figure, type Measured, median, targetTable } from '../results.ts'
import { buildBundle, corefile, isReady, ownConfiguration, ownProgram, SERVERS, versionOf } from '../servers.ts'

const START_MS = 60_000
/** What a time to readiness may be too long by. */
const ASK_READY_MS = 20
const DEMO_NAME = 'my-headless-service.default.svc.cluster.local'
const demoTitle = (form: string) => `headless-dns, ${form}, demo manifests`
const DEMO_BUNDLE = demoTitle('bundle')
const FLEET_NAME = fqdn(SERVICES[0]!.name)
const SNAPSHOT = 'headless-dns, bundle, API server away, snapshot of 10,000 services of 3 pods'
const SNAPSHOT_TITLE = `${SNAPSHOT}, confirmed a moment before`
const OLD_SNAPSHOT_TITLE = `${SNAPSHOT}, an hour old`
const HOUR_S = 3600
/** 10.64.0.0 on. */
const SNAPSHOT_SERVICES = makeServices('kept', 10_000, 3, 64 << 16)

interface Starter {
  readonly title: string
  readonly name: string
  readonly command: string
  readonly readyPath: string
  args(port: number, admin: number): string[]
  /** Done before each start. */
  prepare?(): void
}

type Until = 'ready' | 'answer'

interface StartTime {
  readonly title: string
  readonly until: Until
  readonly ms: number
}

export async function measureStart(options: Options): Promise<Measured> {
  const times: StartTime[] = []
  const versions: Record<string, string> = {}
  if (options.wants('ours')) buildBundle()
  const api = await startApi(SERVICES)
  try {
    const starters = [
      ...ownStarters(options, api),
      ...(await snapshotStarters(options)),
      ...corednsStarters(options, api, versions),
    ]
    for (let round = 1; round <= options.rounds; round++) {
      for (const starter of starters) {
        times.push({ title: starter.title, until: 'ready', ms: await msToReady(starter) })
        times.push({ title: starter.title, until: 'answer', ms: await msToAnswer(starter) })
      }
      options.say(`start: round ${round} of ${options.rounds} done`)
    }
    const timesOf = (title: string, until: Until) =>
      times.filter(time => time.title === title && time.until === until).map(({ ms }) => ms)
    const rows = starters.map(({ title }) => {
      const cells = [timesOf(title, 'ready'), timesOf(title, 'answer')]
      return [title, ...cells.flatMap(all => [figure(median(all)), figure(Math.max(...all))])]
    })
    const head = ['server', 'ready', 'ready, slowest', 'first answer', 'first answer, slowest']
    const notes = [
      `${options.rounds} starts for each figure, in turn; files are in the page cache; nothing is pinned. Ready: asked every ${ASK_READY_MS} ms, and nothing else. First answer: other starts, asked 2,000 times a second.`,
    ]
    const target = (title: string, most: number) => ({
      title: `${title}: ready`,
      value: median(timesOf(title, 'ready')),
      most,
      unit: 'ms',
    })
    const targets = targetTable([target(DEMO_BUNDLE, 500), target(SNAPSHOT_TITLE, 1000)])
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

/** Runs a server until it has left a snapshot, kills it, and takes its API server away. */
async function snapshotStarters(options: Options): Promise<Starter[]> {
  const program = ownProgram('bundle')
  if (program === undefined || !options.wants('ours')) return []
  const api = await startApi(SNAPSHOT_SERVICES)
  const path = join(temporaryFolder(), 'snapshot')
  const argsWith =
    (more: string) =>
    (port: number, admin: number): string[] => {
      const file = join(temporaryFolder(), `snapshot-${port}.yaml`)
      writeFileSync(file, `${ownConfiguration(port, admin, 'auto', api.url)}  snapshot: ${path}\n${more}`)
      return [program, 'serve', '--config', file]
    }
  const soon = argsWith('  snapshotInterval: 1s\n')
  const child = startChild(process.execPath, soon(await freePort(), await freePort()))
  child.process.stdout?.resume()
  try {
    await waitUntil('no snapshot was written', START_MS, async () => existsSync(path), child)
  } finally {
    child.process.kill('SIGKILL')
    await child.stop()
    await api.stop()
  }
  const common = {
    name: fqdn(SNAPSHOT_SERVICES[0]!.name),
    command: process.execPath,
    readyPath: '/readyz',
    args: argsWith(''),
  }
  const confirmed = (ageS: number) => () => utimesSync(path, Date.now() / 1000 - ageS, Date.now() / 1000 - ageS)
  return [
    { ...common, title: SNAPSHOT_TITLE, prepare: confirmed(0) },
    { ...common, title: OLD_SNAPSHOT_TITLE, prepare: confirmed(HOUR_S) },
  ]
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

async function msToReady(starter: Starter): Promise<number> {
  const { title, readyPath } = starter
  return started(starter, await freePort(), async (child, admin, begin) => {
    const ready = () => isReady(`http://127.0.0.1:${admin}${readyPath}`)
    await waitUntil(`${title} is not ready`, START_MS, ready, child, ASK_READY_MS)
    return Number(process.hrtime.bigint() - begin) / 1e6
  })
}

/** @returns NaN without a C compiler */
async function msToAnswer(starter: Starter): Promise<number> {
  const port = await freePort()
  const probe = startProbe(port, starter.name, false, START_MS / 1000)
  if (probe === undefined) return Number.NaN
  try {
    return await started(
      starter,
      port,
      async (_child, _admin, begin) => Number((await probe.first(START_MS)) - begin) / 1e6,
    )
  } finally {
    await probe.stop()
  }
}

async function started(
  { command, args, prepare }: Starter,
  port: number,
  measure: (child: Child, admin: number, begin: bigint) => Promise<number>,
): Promise<number> {
  const admin = await freePort()
  const words = args(port, admin)
  prepare?.()
  const begin = process.hrtime.bigint()
  const child = startChild(command, words)
  child.process.stdout?.resume()
  try {
    return await measure(child, admin, begin)
  } finally {
    await child.stop()
  }
}
