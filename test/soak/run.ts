/**
 * The soak: queries, changes and an API server that goes away again and again, for as long as asked; every answer is judged,
 * and the server's memory, descriptors and threads are watched. The report is printed and kept under bench/results/.
 *
 *     npm run soak                                  # 20 minutes, after 20 of warm-up
 *     npm run soak -- --minutes 3 --warm-up 1 --seed 7
 */

import { randomInt } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { commitName, median, pageOf, writeResult } from '../../bench/results.ts'
import { ROOT } from '../support/server-process.ts'
import { slopePerHour } from './slope.ts'
import { SoakWorld } from './soak-world.ts'

const QUERIES_PER_SECOND = 5000
const CHANGE_MS = 50
const SAMPLE_MS = 5000
const FOCUS_MS = 1000
const COLLECT_MS = 30_000
const COLLECTED_MS = 5000
const OUTAGE_EVERY_MS = 120_000
/** While V8's spaces, its compiled code and the allocator's arenas find their size: all that happens later happens here, and more often. */
const WARM_OUTAGE_EVERY_MS = 20_000
const OUTAGES = [
  { how: 'killed', ms: 5000, isCompacted: false },
  { how: 'killed', ms: 5000, isCompacted: true },
  { how: 'frozen', ms: 25_000, isCompacted: false },
] as const
const WARM_OUTAGES = [
  { how: 'killed', ms: 1000, isCompacted: false },
  { how: 'killed', ms: 1000, isCompacted: true },
  // No shorter, or it is not noticed.
  { how: 'frozen', ms: 25_000, isCompacted: false },
] as const
const SEEN_MS = 90_000
const MOST_MIB_PER_HOUR = 1
/** Of what was meant to be asked and changed. */
const LEAST_SHARE = 0.95
/** Of the answers: that a name exists. */
const LEAST_EXISTING = 0.6
/**
 * Two fewer than as a rule while the API server is away, those of the watches. Four more when it is there again: three connections
 * to it that are being closed while others are open already (two watches and a request of whether it is alive), and one of the
 * asker, which opens a new one when the server has closed his.
 */
const MOST_DESCRIPTORS_APART = 6
/** Parts of the time whose medians are to be the same: nothing leaks. */
const PARTS = 4
const MIB = 1 << 20

const { values } = parseArgs({
  options: { minutes: { type: 'string' }, 'warm-up': { type: 'string' }, seed: { type: 'string' } },
})
const minutes = Number(values.minutes ?? 20)
const warmUpMs = Number(values['warm-up'] ?? 20) * 60_000
const seed = Number(values.seed ?? randomInt(2 ** 31))
if (!(minutes > 0 && warmUpMs >= 0) || !Number.isInteger(seed)) {
  throw new Error('--minutes is above 0, --warm-up at least 0, --seed a whole number')
}

const entry = existsSync(join(ROOT, 'dist/main.mjs')) ? 'dist/main.mjs' : 'src/main.ts'
const folder = mkdtempSync(join(tmpdir(), 'headless-dns-soak-'))
const commit = commitName()
const memoryFile = join(folder, 'memory.json')
process.env['SOAK_MEMORY_FILE'] = memoryFile
const environment = imageEnvironment()
Object.assign(process.env, Object.fromEntries(environment))
const world = await SoakWorld.start(seed, QUERIES_PER_SECOND, 'test/soak/entry.mjs', folder)
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    world.server.child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
    process.exit(1)
  })
}
const samples: { atMs: number; rss: number; descriptors: number; threads: number }[] = []
/** What the main thread holds after a collection, how much of it is code, and all that the process has then. */
const held: { atMs: number; heapUsed: number; code: number; external: number; rss: number }[] = []
let changes = 0
let outages = 0

const startMs = performance.now()
const endMs = startMs + warmUpMs + minutes * 60_000
const nowMs = () => performance.now() - startMs
const changing = setInterval(() => {
  for (; changes * CHANGE_MS < nowMs(); changes++) world.step()
}, CHANGE_MS)
const focusing = setInterval(() => world.focus(), FOCUS_MS)
const sampling = setInterval(() => {
  samples.push(sample())
  world.forget()
}, SAMPLE_MS)

const collecting = setInterval(async () => {
  const memory = await collected()
  if (memory !== undefined) held.push(memory)
}, COLLECT_MS)

let nextMs = warmUpMs > 0 ? WARM_OUTAGE_EVERY_MS : OUTAGE_EVERY_MS
while (performance.now() < endMs) {
  await sleep(200)
  if (nowMs() < nextMs || performance.now() + SEEN_MS > endMs) continue
  const isWarmUp = nowMs() < warmUpMs
  const kinds = isWarmUp ? WARM_OUTAGES : OUTAGES
  const { how, ms, isCompacted } = kinds[outages++ % kinds.length]!
  world.away(how)
  await sleep(ms)
  world.back(isCompacted)
  const limitMs = performance.now() + SEEN_MS
  while (!world.isSeen && performance.now() < limitMs) await sleep(50)
  if (!world.isSeen) world.checker.told.push(`the API server is back, and not watched after ${SEEN_MS / 1000} s`)
  world.truth.sees()
  nextMs = nowMs() + (isWarmUp ? WARM_OUTAGE_EVERY_MS : OUTAGE_EVERY_MS - ms)
  console.error(`${(nowMs() / 60_000).toFixed(1)} min: ${world.checker.checked} answers, ${world.checker.wrong} wrong`)
}
clearInterval(changing)
clearInterval(sampling)
clearInterval(focusing)
clearInterval(collecting)
const metrics = (await world.server.admin('/metrics')).body
const exitCode = await world.close()
rmSync(folder, { recursive: true })

const warm = samples.filter(({ atMs }) => atMs > warmUpMs)
const warmHeld = held.filter(({ atMs }) => atMs > warmUpMs)
const slopeOf = (pick: (one: (typeof held)[number]) => number) =>
  slopePerHour(warmHeld.map(one => ({ atMs: one.atMs, value: pick(one) / MIB })))
const withoutCode = ({ heapUsed, code, external }: (typeof held)[number]) => heapUsed - code + external
const heldSlope = slopeOf(withoutCode)
const rssSlope = slopeOf(({ rss }) => rss)
const heldRange = (pick: (one: (typeof held)[number]) => number) => {
  const all = warmHeld.map(one => pick(one) / MIB)
  return `${Math.min(...all).toFixed(2)} to ${Math.max(...all).toFixed(2)}`
}
const range = (pick: (one: (typeof samples)[number]) => number) => {
  const all = warm.map(pick)
  return `${Math.min(...all)} to ${Math.max(...all)}`
}
const { checked, wrong, told } = world.checker
const apart = (pick: (one: (typeof samples)[number]) => number) =>
  Math.max(...warm.map(pick)) - Math.min(...warm.map(pick))
const seconds = (warmUpMs + minutes * 60_000) / 1000
const existing = world.existing / checked
const descriptors = apart(({ descriptors }) => descriptors)
const usual = Array.from({ length: PARTS }, (_, part) => {
  const own = warm.slice((part * warm.length) / PARTS, ((part + 1) * warm.length) / PARTS)
  return median(own.map(one => one.descriptors))
})
const rows = [
  ['answers checked', String(checked), '', ''],
  ['wrong answers', String(wrong), '0', yes(wrong === 0 && told.length === 0)],
  ['answers that a name exists', percent(existing), `≥ ${percent(LEAST_EXISTING)}`, yes(existing >= LEAST_EXISTING)],
  rateRow('queries a second', checked / seconds, QUERIES_PER_SECOND),
  rateRow('changes a second', changes / seconds, 1000 / CHANGE_MS),
  ['outages of the API server', String(outages), '', ''],
  ['RSS, MiB', range(({ rss }) => Math.round(rss / MIB)), '', ''],
  ['held after a collection, MiB', heldRange(withoutCode), '', ''],
  slopeRow('slope of what is held, MiB an hour', heldSlope),
  ['code, MiB', heldRange(({ code }) => code), '', ''],
  ['RSS after a collection, MiB', heldRange(({ rss }) => rss), '', ''],
  slopeRow('slope of RSS after a collection, MiB an hour', rssSlope),
  [
    'descriptors',
    range(({ descriptors }) => descriptors),
    `apart by ≤ ${MOST_DESCRIPTORS_APART}`,
    yes(descriptors <= MOST_DESCRIPTORS_APART),
  ],
  ['descriptors, median of each quarter', usual.join(', '), 'constant', yes(new Set(usual).size === 1)],
  ['threads', range(({ threads }) => threads), 'constant', yes(apart(({ threads }) => threads) === 0)],
  ['exit code after SIGTERM', String(exitCode), '0', yes(exitCode === 0)],
]
const notes = [
  `${minutes} minutes after ${warmUpMs / 60_000} of warm-up, seed ${seed}, ${entry}. Answers and rates are of all that time, memory, descriptors and threads of what follows the warm-up.`,
  `In the warm-up the API server is gone again after ${WARM_OUTAGE_EVERY_MS / 1000} s: for a second, for a second with a new list, or it stands still for 25 s.`,
  `In the environment of the image: ${environment.map(pair => pair.join('=')).join(' ')}.`,
  `Held: heap without compiled code, and external memory, of the main thread after a collection, every ${COLLECT_MS / 1000} s. RSS is in steps of pages that V8 and the allocator keep or give back.`,
  'Descriptors: connections to the API server and of who asks over TCP are opened anew, the old ones still there for a moment.',
  'A slope is that of the least of every minute, by the median of all pairs (Theil and Sen).',
  ...told,
]
const data = { seed, minutes, warmUpMs, samples, held, told, metrics }
const table = { title: 'Soak', head: ['', 'seen', 'wanted', 'met'], rows, notes }
const measured = { data, versions: {}, tables: [table] }
const args = process.argv.slice(2)
process.stdout.write(
  `${pageOf(writeResult('soak', args, commit, measured, `npm run soak${args.length > 0 ? ' --' : ''}`))}\n`,
)
process.exit(rows.some(([, , , met]) => met === 'no') ? 1 : 0)

/** What the image's containers run in. */
function imageEnvironment(): [string, string][] {
  const [, text = ''] = /^ENV (.+)$/m.exec(readFileSync(join(ROOT, 'Dockerfile'), 'utf8')) ?? []
  return text.split(' ').map(pair => pair.split('=') as [string, string])
}

function sample(): (typeof samples)[number] {
  const root = `/proc/${world.server.child.pid}`
  const [, kib = '0'] = /VmRSS:\s+(\d+)/.exec(readFileSync(`${root}/status`, 'utf8')) ?? []
  const count = (what: string) => readdirSync(`${root}/${what}`).length
  return { atMs: nowMs(), rss: Number(kib) * 1024, descriptors: count('fd'), threads: count('task') }
}

/** @returns undefined: the server is gone, or said nothing */
async function collected(): Promise<(typeof held)[number] | undefined> {
  const atMs = nowMs()
  rmSync(memoryFile, { force: true })
  world.server.child.kill('SIGUSR2')
  while (nowMs() - atMs < COLLECTED_MS) {
    await sleep(20)
    try {
      const written = JSON.parse(readFileSync(memoryFile, 'utf8')) as NodeJS.MemoryUsage & { code: number }
      const { heapUsed, code, external, rss } = written
      return { atMs, heapUsed, code, external, rss }
    } catch {}
  }
  return undefined
}

function rateRow(what: string, seen: number, meant: number): string[] {
  const least = LEAST_SHARE * meant
  return [what, seen.toFixed(1), `≥ ${least}`, yes(seen >= least)]
}

function slopeRow(what: string, slope: number): string[] {
  return [what, slope.toFixed(2), `≤ ${MOST_MIB_PER_HOUR}`, yes(slope <= MOST_MIB_PER_HOUR)]
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`
}

function yes(isMet: boolean): string {
  return isMet ? 'yes' : 'no'
}
