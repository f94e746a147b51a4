/**
 * What a run leaves behind: its figures with the machine, the commit and the command, as JSON and as a page to read.
 * Layer: bench.
 */

import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem, type } from 'node:os'
import { join } from 'node:path'

const FOLDER = join(import.meta.dirname, 'results')
const ROOT = join(import.meta.dirname, '..')

export interface Table {
  readonly title: string
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
  readonly notes: readonly string[]
}

export interface Result {
  readonly measure: string
  readonly date: string
  readonly command: string
  readonly commit: string
  readonly machine: Readonly<Record<string, string>>
  readonly versions: Readonly<Record<string, string>>
  readonly tables: readonly Table[]
  readonly data: unknown
}

export type Measured = Pick<Result, 'tables' | 'data' | 'versions'>

/** @param commit what was checked out when the run began */
export function writeResult(
  measure: string,
  args: readonly string[],
  commit: string,
  measured: Measured,
  words = `npm run bench -- ${measure}`,
): Result {
  const date = new Date().toISOString()
  const command = [words, ...args].join(' ')
  const result: Result = { measure, date, command, commit, machine: machine(), ...measured }
  const stem = join(FOLDER, `${date.slice(0, 19).replaceAll(':', '')}-${measure}`)
  mkdirSync(FOLDER, { recursive: true })
  writeFileSync(`${stem}.json`, `${JSON.stringify(result, null, 1)}\n`)
  writeFileSync(`${stem}.md`, pageOf(result))
  tidy(`${stem}.json`, `${stem}.md`)
  return result
}

/** Lays files out as `npm run check` wants them, where the formatter is installed. */
export function tidy(...paths: string[]): void {
  spawnSync(join(ROOT, 'node_modules/.bin/biome'), ['format', '--write', ...paths])
}

/** The newest result of a measure, or `undefined`. */
export function newestResult(measure: string): Result | undefined {
  let names: string[] = []
  try {
    names = readdirSync(FOLDER).filter(name => name.endsWith(`-${measure}.json`))
  } catch {}
  const newest = names.sort().at(-1)
  return newest === undefined ? undefined : (JSON.parse(readFileSync(join(FOLDER, newest), 'utf8')) as Result)
}

export function pageOf(result: Result): string {
  const facts = Object.entries({ ...result.machine, ...result.versions }).map(([key, value]) => `${key} ${value}`)
  const head = [`# ${result.measure}`, '', `\`${result.command}\``, '', `${result.date}, commit ${result.commit}`, '']
  return `${[...head, `${facts.join('; ')}.`, '', ...result.tables.map(markdown)].join('\n')}\n`
}

export function markdown({ title, head, rows, notes }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const rule = line(head.map((_, i) => (i === 0 ? '---' : '---:')))
  const under = notes.length > 0 ? ['', ...notes.map(note => `${note}  `)] : []
  return [`**${title}**`, '', line(head), rule, ...rows.map(line), ...under, ''].join('\n')
}

/** One figure that the design is held to. */
export interface Target {
  readonly title: string
  readonly value: number
  readonly most: number
  readonly unit: string
}

/** Figures beside what the design is held to; those that were not measured are left out. */
export function targetTable(targets: readonly Target[]): Table[] {
  const known = targets.filter(({ value }) => Number.isFinite(value))
  if (known.length === 0) return []
  const rows = known.map(({ title, value, most, unit }) => [
    title,
    `${figure(value)} ${unit}`,
    `≤ ${most} ${unit}`,
    value <= most ? 'yes' : 'no',
  ])
  return [{ title: 'What the design is held to', head: ['', 'measured', 'wanted', 'met'], rows, notes: [] }]
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  if (sorted.length === 0) return Number.NaN
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** @param p 0..1 */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(p * sorted.length) - 1))] ?? Number.NaN
}

/** A figure with as many places as it deserves. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '–'
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

/** The commit, and whether the server's own files differ from it. */
export function commitName(): string {
  try {
    const git = (...args: string[]) => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim()
    const changed = git('status', '--porcelain', '--', 'src') === '' ? '' : ' with changes'
    return git('rev-parse', '--short', 'HEAD') + changed
  } catch {
    return 'unknown'
  }
}

function machine(): Record<string, string> {
  return {
    cpu: `${cpus()[0]?.model.trim() ?? 'unknown'} × ${availableParallelism()}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    kernel: `${type()} ${release()}`,
    node: process.version,
  }
}
