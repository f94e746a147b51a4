/**
 * All logs. Layer: control. The only door to pino. What hostile input can make it say is bounded.
 * JSON lines, or plain lines for a person at a terminal. Written without waiting for the pipe or the terminal, so that a slow
 * reader of the log never slows an answer; `flush` before the process ends.
 */

import { pino } from 'pino'
import { BoundedMap } from '../cache/bounded-map.ts'
import { LogFile } from './log-file.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'
export const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent']

export interface Logger {
  debug(message: string, fields?: object): void
  info(message: string, fields?: object): void
  warn(message: string, fields?: object): void
  error(message: string, fields?: object): void
}

export interface Log extends Logger {
  /**
   * For what peers and files can cause again and again: `log.oncePer('cut web.default', 60_000).warn(...)`.
   * @returns this log when nothing was said for the key in the last `ms`, else one that says nothing. All keys together
   *   have LINES_PER_SECOND; what was left out is counted in the next line's `suppressed`
   */
  oncePer(key: string, ms: number): Logger
  /** What is less is not said from now on. */
  setLevel(level: LogLevel): void
  /** Writes out what is held back. */
  flush(): void
}

export interface LogSink {
  /** @param line ends in a newline */
  write(line: string): void
}

const MAX_KEYS = 1000
const LINES_PER_SECOND = 10
const STANDARD_OUTPUT = 1
const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/** On standard output. @param isForPeople plain lines instead of JSON */
export function createLogger(level: LogLevel, isForPeople: boolean): Log {
  const file = new LogFile(STANDARD_OUTPUT)
  return createLogOver(level, isForPeople ? forPeople(file) : file, () => file.flush())
}

/**
 * @param flush what `flush` does
 * @param nowMs monotonic
 */
export function createLogOver(
  level: LogLevel,
  sink: LogSink,
  flush = (): void => {},
  nowMs = () => performance.now(),
): Log {
  const json = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
    },
    sink,
  )
  const said = new BoundedMap<string, true>({ max: MAX_KEYS, ttl: 1, ttlResolution: 0, perf: { now: nowMs } })
  let second = Number.NEGATIVE_INFINITY
  let linesLeft = 0
  let suppressed = 0

  const logger = (more: () => object): Logger => ({
    debug: (message, fields) => json.debug({ ...fields, ...more() }, message),
    info: (message, fields) => json.info({ ...fields, ...more() }, message),
    warn: (message, fields) => json.warn({ ...fields, ...more() }, message),
    error: (message, fields) => json.error({ ...fields, ...more() }, message),
  })
  const withSuppressed = logger(() => {
    const count = suppressed
    suppressed = 0
    return count === 0 ? {} : { suppressed: count }
  })

  function isDue(key: string, ms: number): boolean {
    const now = Math.floor(nowMs() / 1000)
    if (now !== second) {
      second = now
      linesLeft = LINES_PER_SECOND
    }
    if (linesLeft === 0 || said.has(key)) return false
    said.set(key, true, { ttl: ms })
    linesLeft--
    return true
  }

  return {
    debug: (message, fields = {}) => json.debug(fields, message),
    info: (message, fields = {}) => json.info(fields, message),
    warn: (message, fields = {}) => json.warn(fields, message),
    error: (message, fields = {}) => json.error(fields, message),
    oncePer(key, ms) {
      if (isDue(key, ms)) return withSuppressed
      suppressed++
      return SILENT
    },
    setLevel(next) {
      json.level = next
    },
    flush,
  }
}

/** `time level message key=value …`; one line each, whatever the values hold. */
function forPeople(file: LogSink): LogSink {
  return {
    write(line) {
      const { level, time, msg, ...fields } = JSON.parse(line) as Record<string, unknown>
      const rest = Object.entries(fields).map(([key, value]) => ` ${key}=${plain(value)}`)
      const word = level === 'info' ? '' : `${level}: `
      file.write(`${String(time).slice(11, 23)} ${word}${printable(String(msg))}${rest.join('')}\n`)
    },
  }
}

function plain(value: unknown): string {
  return typeof value === 'string' && /^[\w./:@[\]-]+$/.test(value) ? value : printable(JSON.stringify(value))
}

/** Without what a terminal would obey. */
function printable(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, octet => `\\x${octet.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
