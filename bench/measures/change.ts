/**
 * Change → answer: from the moment an event's octets are written by the API server to the first answer with the new
 * address, as a client that asks again and again sees it. Layer: bench.
 * The clock is the host's monotonic one on both ends. What is measured holds the asking: half a query's round trip on
 * average, and over TCP, where the whole set of 1,000 addresses is asked for, a pause of 0.3 ms besides.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { type Api, startApi } from '../api.ts'
import { addressOf, fqdn, type HeadlessService, makeServices, SERVICES, WORKLOADS } from '../dataset.ts'
import { commandOf, type LoadResult } from '../load.ts'
import type { Options } from '../options.ts'
import { startProbe, sumOf } from '../probe.ts'
import { LOAD_CORE, startChild } from '../processes.ts'
import { figure, type Measured, median, percentile, targetTable } from '../results.ts'
import { buildBundle, type Running, SERVERS, versionOf } from '../servers.ts'
import { stallsOfMachine } from '../stalls.ts'

const RATES = [0, 20_000]
const CHANGE_MS = 10_000
/** Of each series, not counted: what V8 has not compiled yet takes three times as long. */
const WARM_UP_CHANGES = 20
const CONTESTANTS = ['ours', 'coredns']
/** Addresses given by changes: 10.240.0.0 on, far from those of the data set. */
const NEW_ADDRESSES = 240 << 16

const ONE = makeServices('changing-1', 1, 1, 128 << 16)[0]!
const THOUSAND = makeServices('changing-1000', 1, 1000, 129 << 16)[0]!

/** What is asked: a whole service, or the name of the pod that changes. */
interface Subject {
  readonly title: string
  readonly service: HeadlessService
  readonly name: string
  readonly whole: boolean
  readonly stream: boolean
}

const SUBJECTS: readonly Subject[] = [
  { title: 'service of 1 (UDP)', service: ONE, name: fqdn(ONE.name), whole: true, stream: false },
  {
    title: 'service of 1,000 (TCP, the whole set)',
    service: THOUSAND,
    name: fqdn(THOUSAND.name),
    whole: true,
    stream: true,
  },
  {
    title: 'a pod’s name in the service of 1,000 (UDP)',
    service: THOUSAND,
    name: `${THOUSAND.pods[0]!.hostname}.${fqdn(THOUSAND.name)}`,
    whole: false,
    stream: false,
  },
]

interface ChangeSeries {
  readonly server: string
  readonly subject: string
  readonly rate: number
  readonly background: LoadResult | null
  readonly ms: readonly number[]
}

export async function measureChange(options: Options): Promise<Measured> {
  const series: ChangeSeries[] = []
  const versions: Record<string, string> = {}
  const absent: string[] = []
  const stalls = await stallsOfMachine()
  if (options.wants('ours')) buildBundle()
  for (const server of SERVERS.filter(({ name }) => CONTESTANTS.includes(name) && options.wants(name))) {
    const program = server.find()
    if (program === undefined) {
      absent.push(`${server.title} is left out: it is not on this machine.`)
      continue
    }
    Object.assign(versions, versionOf(server.name, program))
    const services = [...SERVICES, ONE, THOUSAND]
    const api = await startApi(services)
    let running: Running | undefined
    try {
      running = await server.start(program, { services, api })
      // the addresses that pods have by now, since every series goes on from the last
      const current = new Map(services.map(({ name, pods }) => [name, pods.map(({ address }) => address)]))
      for (const subject of SUBJECTS) {
        for (const rate of RATES) {
          series.push(await measureSeries(running, api, subject, rate, current.get(subject.service.name)!, options))
          options.say(`change: ${server.name}, ${subject.title}, ${rate} qps done`)
        }
      }
    } finally {
      await running?.stop()
      await api.stop()
    }
  }
  const cells = ({ ms }: ChangeSeries) => [median(ms), percentile(ms, 0.99), Math.max(...ms)].map(figure)
  const head = ['server', 'asked', 'load, qps', 'p50', 'p99', 'max']
  const rows = series.map(one => [one.server, one.subject, String(one.rate), ...cells(one)])
  const notes = [
    `${options.changes} changes each, after ${WARM_UP_CHANGES} that are not counted; server on core 0; API server, asking and load share core 1.`,
    ...backgrounds(series),
    ...(stalls === '' ? [] : [stalls]),
    ...absent,
  ]
  const targets = series
    .filter(({ server }) => server === 'ours')
    .map(({ subject, rate, ms }) => ({
      title: `p99, ${subject}, ${rate} qps`,
      value: percentile(ms, 0.99),
      most: 5,
      unit: 'ms',
    }))
  const tables = [{ title: 'Change → answer, ms', head, rows, notes }, ...targetTable(targets)]
  return { data: series, versions, tables }
}

/** How the load beside the changes fared, for each server. */
function backgrounds(series: readonly ChangeSeries[]): string[] {
  return [...new Set(series.map(({ server }) => server))].map(server => {
    const loads = series.filter(one => one.server === server).flatMap(({ background }) => background ?? [])
    const total = (pick: (load: LoadResult) => number) => loads.reduce((sum, load) => sum + pick(load), 0)
    const seconds = total(load => load.seconds)
    const qps = seconds > 0 ? Math.round(total(load => load.answered) / seconds) : 0
    return `Load beside ${server}: ${qps} answers a second, ${total(load => load.lost)} lost, ${total(load => load.wrong)} wrong.`
  })
}

let lastAddress = NEW_ADDRESSES

async function measureSeries(
  { name, port }: Running,
  api: Api,
  subject: Subject,
  rate: number,
  current: string[],
  options: Options,
): Promise<ChangeSeries> {
  const { service, whole, stream } = subject
  const seconds = 60 + options.changes
  const probe = startProbe(port, subject.name, stream, seconds)
  if (probe === undefined) throw new Error('change needs a C compiler: the probe is bench/c/probe.c')
  const load = rate === 0 ? undefined : startBackground(port, rate, seconds)
  const ms: number[] = []
  try {
    const asked = () => sumOf(whole ? current : current.slice(0, 1))
    await probe.seen(asked(), CHANGE_MS)
    for (let i = -WARM_UP_CHANGES; i < options.changes; i++) {
      // changes must not fall into step with the asking
      await delay(5 + Math.random() * 10)
      current[0] = addressOf(++lastAddress)
      const order = { order: 'swap', service: service.name, hostname: service.pods[0]!.hostname } as const
      const { at } = await api.do({ ...order, address: current[0] })
      const seenMs = Number((await probe.seen(asked(), CHANGE_MS)) - BigInt(at)) / 1e6
      if (i >= 0) ms.push(seenMs)
    }
  } finally {
    await probe.stop()
  }
  return { server: name, subject: subject.title, rate, background: (await load?.stop()) ?? null, ms }
}

/** Load that goes on until it is stopped, and then tells what it saw. */
function startBackground(port: number, rate: number, seconds: number): { stop(): Promise<LoadResult | null> } {
  const [command, args] = commandOf({ port, workload: WORKLOADS[0]!, seconds, rate, quiet: true })
  const child = startChild(command, args, { core: LOAD_CORE })
  let output = ''
  child.process.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  return {
    stop: async () => {
      await child.stop()
      return output === '' ? null : (JSON.parse(output) as LoadResult)
    },
  }
}
