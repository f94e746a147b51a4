/**
 * Load: the bench's own generator in C where a compiler is at hand, else dnsperf, else a slow one over node:dgram.
 * Layer: bench. All three ask the same file of queries and report in the same words.
 */

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Workload } from './dataset.ts'
import { LOAD_CORE, runChild, which } from './processes.ts'

const SOURCES = join(import.meta.dirname, 'c')
const BUILD = join(import.meta.dirname, 'build')
const GRACE_MS = 5000

export interface Load {
  readonly port: number
  readonly workload: Workload
  readonly seconds: number
  /** Closed loop: queries outstanding at all times. */
  readonly window?: number
  /** Open loop: queries a second. */
  readonly rate?: number
  /** Open loop beside other work: sleep between queries rather than watch the clock. */
  readonly quiet?: boolean
}

/** Latencies are `null` where the generator does not tell them. */
export interface LoadResult {
  readonly seconds: number
  readonly sent: number
  readonly answered: number
  readonly lost: number
  /** Replies with another RCODE than expected, or too few answers and no TC. */
  readonly wrong: number
  readonly qps: number
  readonly truncated: number
  readonly meanOctets: number
  readonly meanAnswers: number
  readonly p50Us: number | null
  readonly p99Us: number | null
  readonly p999Us: number | null
  readonly maxUs: number | null
}

let folder: string | undefined

/** The run's folder for files of queries, configurations and sockets; removed at the end. */
export function temporaryFolder(): string {
  if (folder === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'headless-dns-bench-'))
    process.on('exit', () => rmSync(made, { recursive: true, force: true }))
    folder = made
  }
  return folder
}

/** @returns the path of a program of bench/c, compiled when its source is newer; `undefined` without a compiler */
export function compiled(name: 'loop' | 'load' | 'probe' | 'stalls'): string | undefined {
  const compiler = which('cc')
  if (compiler === undefined || process.platform !== 'linux') return undefined
  const program = join(BUILD, name)
  const newest = Math.max(...[`${name}.c`, 'message.h'].map(file => statSync(join(SOURCES, file)).mtimeMs))
  if (!existsSync(program) || statSync(program).mtimeMs < newest) {
    mkdirSync(BUILD, { recursive: true })
    execFileSync(compiler, ['-O2', '-Wall', '-o', program, join(SOURCES, `${name}.c`), '-lm'], { stdio: 'inherit' })
  }
  return program
}

export function generatorName(): string {
  if (compiled('load') !== undefined) return 'bench/c/load.c'
  return which('dnsperf') === undefined ? 'bench/load-portable.ts' : 'dnsperf'
}

export function queryFile(workload: Workload): string {
  const path = join(temporaryFolder(), `${workload.name}.queries`)
  if (!existsSync(path)) writeFileSync(path, `${workload.queries.join('\n')}\n`)
  return path
}

/** @throws Error when the generator fails */
export async function runLoad(load: Load): Promise<LoadResult> {
  const [command, args] = commandOf(load)
  const output = await runChild(command, args, load.seconds * 1000 + GRACE_MS, { core: LOAD_CORE })
  return command.endsWith('dnsperf') ? fromDnsperf(output) : (JSON.parse(output) as LoadResult)
}

/** The generator's command line for this load. */
export function commandOf({ port, workload, seconds, window, rate, quiet }: Load): [string, string[]] {
  const own = compiled('load')
  const dnsperf = which('dnsperf')
  const file = queryFile(workload)
  if (own === undefined && dnsperf !== undefined) {
    const args = ['-s', '127.0.0.1', '-p', String(port), '-d', file, '-l', String(Math.ceil(seconds)), '-c', '8']
    args.push('-q', String(window ?? 1000))
    if (rate !== undefined) args.push('-Q', String(rate))
    // dnsperf offers 4,096 octets with -e unless told otherwise; -b is the socket's buffer
    if (workload.edns > 0) args.push('-e')
    return [dnsperf, args]
  }
  const args = [
    '-p',
    port,
    '-d',
    file,
    '-t',
    seconds,
    '-e',
    workload.edns,
    '-R',
    workload.rcode,
    '-A',
    workload.answers,
  ]
  if (rate !== undefined) args.push('-r', rate)
  else args.push('-q', window ?? 64)
  const words = args.map(String)
  if (own !== undefined) return [own, quiet ? [...words, '-y'] : words]
  return [process.execPath, [join(import.meta.dirname, 'load-portable.ts'), ...words]]
}

function fromDnsperf(output: string): LoadResult {
  const number = (pattern: RegExp) => Number(pattern.exec(output)?.[1] ?? 0)
  return {
    seconds: number(/Run time \(s\):\s+([\d.]+)/),
    sent: number(/Queries sent:\s+(\d+)/),
    answered: number(/Queries completed:\s+(\d+)/),
    lost: number(/Queries lost:\s+(\d+)/),
    wrong: number(/SERVFAIL (\d+)/) + number(/REFUSED (\d+)/),
    qps: number(/Queries per second:\s+([\d.]+)/),
    truncated: 0,
    meanOctets: number(/response (\d+)/),
    meanAnswers: 0,
    p50Us: null,
    p99Us: null,
    p999Us: null,
    maxUs: null,
  }
}
