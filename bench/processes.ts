/**
 * Children of the bench: started on a core, measured by what the kernel says of them, and ended whatever happens.
 * Layer: bench. Every child leads a process group of its own, so that one signal ends it and all that it started.
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { availableParallelism } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** Servers run on the one, load and everything else on the other. */
export const SERVER_CORE = 0
export const LOAD_CORE = 1

const KILL_AFTER_MS = 3000
const CLOCK_TICKS =
  process.platform === 'linux' ? Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' })) : 100

const children = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of children) signal(child, 'SIGKILL')
})
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => process.exit(1))

/** @returns the program's path on PATH, or `undefined` */
export function which(program: string): string | undefined {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, program)
    try {
      execFileSync('test', ['-x', path])
      return path
    } catch {}
  }
  return undefined
}

export const canPin = availableParallelism() > 1 && which('taskset') !== undefined

export interface Child {
  readonly pid: number
  readonly process: ChildProcess
  /** The end of what it wrote to standard error, for messages about its failure. */
  readonly complaints: () => string
  stop(): Promise<void>
}

export interface StartOptions {
  readonly core?: number
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  /** Open an IPC channel (for children that run Node). */
  readonly ipc?: boolean
}

/** Without what the shell says to every Node, such as more certificates to load: it is not the server's own. */
const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('NODE_')))

export function startChild(command: string, args: readonly string[], options: StartOptions = {}): Child {
  const pinned = options.core !== undefined && canPin
  const [program, words] = pinned ? ['taskset', ['-c', String(options.core), command, ...args]] : [command, [...args]]
  const child = spawn(program, words, {
    detached: true,
    stdio: options.ipc ? ['ignore', 'ignore', 'pipe', 'ipc'] : ['pipe', 'pipe', 'pipe'],
    env: { ...inherited, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
  let complaints = ''
  children.add(child)
  child.once('exit', () => children.delete(child))
  child.on('error', error => {
    complaints += error.message
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaints = (complaints + text).slice(-2000)
  })
  child.stdin?.on('error', () => {})
  return { pid: child.pid ?? -1, process: child, complaints: () => complaints, stop: () => stopChild(child) }
}

/**
 * Runs a program to its end.
 * @returns what it wrote to standard output
 * @throws Error if it fails, or is not done after `timeoutMs`
 */
export async function runChild(
  command: string,
  args: readonly string[],
  timeoutMs: number,
  options: StartOptions = {},
): Promise<string> {
  const child = startChild(command, args, options)
  let output = ''
  child.process.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const timer = setTimeout(() => signal(child.process, 'SIGKILL'), timeoutMs)
  const [code] = (await once(child.process, 'close')) as [number | null]
  clearTimeout(timer)
  if (code !== 0)
    throw new Error(`${command} ${code === null ? 'was ended' : `failed with ${code}`}: ${child.complaints()}`)
  return output
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const gone = once(child, 'exit')
  signal(child, 'SIGTERM')
  const timer = setTimeout(() => signal(child, 'SIGKILL'), KILL_AFTER_MS)
  await gone
  clearTimeout(timer)
  // what the child itself had started and not ended
  signal(child, 'SIGKILL')
}

function signal(child: ChildProcess, name: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, name)
  } catch {}
}

/** User and system time of the process, its threads and all processes it started that live, in microseconds. */
export function cpuMicros(pid: number): number {
  let ticks = 0
  for (const member of family(pid)) {
    const fields = statOf(member)
    // proc(5): fields 14 and 15 (utime, stime); `statOf` begins with field 3
    if (fields) ticks += Number(fields[11]) + Number(fields[12])
  }
  return (ticks * 1e6) / CLOCK_TICKS
}

/** Resident memory of the process and its family, now and at its peak since `resetPeak`, in octets. */
export function memoryOctets(pid: number): { now: number; peak: number } {
  let now = 0
  let peak = 0
  for (const member of family(pid)) {
    try {
      const status = readFileSync(`/proc/${member}/status`, 'utf8')
      now += Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024
      peak += Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024
    } catch {}
  }
  return { now, peak }
}

/** proc(5): writing 5 to clear_refs sets the peak to what is resident now. */
export function resetPeak(pid: number): void {
  for (const member of family(pid)) {
    try {
      writeFileSync(`/proc/${member}/clear_refs`, '5')
    } catch {}
  }
}

/** The process and every process of its group (NSD forks). */
function family(pid: number): number[] {
  const members = readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
  return members.filter(member => member === pid || Number(statOf(member)?.[2]) === pid)
}

/** The fields of /proc/PID/stat after the command's name, which may hold blanks and parentheses. */
function statOf(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}

/** A port that is free for UDP and TCP on 127.0.0.1 at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/**
 * Asks `check` until it holds.
 * @throws Error naming `what` after `timeoutMs`, or at once when `child` has ended
 */
export async function waitUntil(
  what: string,
  timeoutMs: number,
  check: () => Promise<boolean> | boolean,
  child?: Child,
  everyMs = 20,
): Promise<void> {
  const end = performance.now() + timeoutMs
  while (!(await check())) {
    const ended = child !== undefined && (child.pid === -1 || child.process.exitCode !== null)
    if (ended || performance.now() > end) {
      throw new Error(
        `${what}: ${ended ? 'the process ended' : `not within ${timeoutMs} ms`}. ${child?.complaints() ?? ''}`,
      )
    }
    await delay(everyMs)
  }
}
