/**
 * All logs. Layer: control. The only door to pino, and to lru-cache, which bounds what hostile input can make it say.
 * JSON lines, or plain lines for a person at a terminal. Written without waiting; `flush` before the process ends.
 */

import { LRUCache } from 'lru-cache'
import { destination, pino } from 'pino'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'
export const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent']

export interface Logger {
  debug(message: string, fields?: object): void
  info(message: string, fields?: object): void
  warn(message: string, fields?: object): void
  error(message: string, fields?: object): void
  /** True at most once in `ms` for each key; old keys are forgotten when there are too many. */
  isDue(key: string, ms: number): boolean
  flush(): void
}

const MAX_KEYS = 1000

/** @param isForPeople plain lines instead of JSON */
export function createLogger(level: LogLevel, isForPeople: boolean): Logger {
  const target = destination({ dest: 1, sync: false })
  const json = pino(
    { level, base: undefined, timestamp: pino.stdTimeFunctions.isoTime },
    isForPeople ? people(target) : target,
  )
  const said = new LRUCache<string, true>({ max: MAX_KEYS, ttl: 1 })
  return {
    debug: (message, fields = {}) => json.debug(fields, message),
    info: (message, fields = {}) => json.info(fields, message),
    warn: (message, fields = {}) => json.warn(fields, message),
    error: (message, fields = {}) => json.error(fields, message),
    isDue(key, ms) {
      if (said.has(key)) return false
      said.set(key, true, { ttl: ms })
      return true
    },
    flush: () => target.flushSync(),
  }
}

const LEVEL_WORDS: Record<number, string> = { 20: 'debug', 30: '', 40: 'warning: ', 50: 'error: ' }

/** `time message key=value …`; one line each. */
function people(target: { write(text: string): void }): { write(line: string): void } {
  return {
    write(line) {
      const { level, time, msg, ...fields } = JSON.parse(line) as Record<string, unknown>
      const rest = Object.entries(fields).map(
        ([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
      )
      target.write(`${String(time).slice(11, 23)} ${LEVEL_WORDS[level as number] ?? ''}${msg}${rest.join('')}\n`)
    },
  }
}
