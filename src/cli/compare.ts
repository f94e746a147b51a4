/**
 * The command `compare`: this server beside another, before the one takes the place of the other. Layer: cli.
 * What is asked, what differs and why is in src/compare; here are sockets, files and the terminal.
 * Exit status: 0 no difference without an explanation, 1 some, 2 they could not be compared.
 */

import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import type { Answer, Outcome, RecordText } from '../compare/answers.ts'
import { isReverse, Names, parseNameLine } from '../compare/names.ts'
import { questionsOfLine } from '../compare/query-log.ts'
import { type Question, questionsOf } from '../compare/questions.ts'
import { formatJson, formatProgress, formatReport } from '../compare/report.ts'
import { runComparison, type Side } from '../compare/run.ts'
import { Tally } from '../compare/tally.ts'
import { parseType, rcodeName, typeName } from '../wire/mnemonics.ts'
import { ask, type DecodedRecord, DnsClientError, type Reply } from './dns-client.ts'
import type { Io } from './main.ts'
import { formatData, formatName } from './presentation.ts'
import { DEFAULT_SERVER, parseServer } from './server-address.ts'

export interface CompareArguments {
  readonly against?: string
  readonly server?: string
  readonly admin?: string
  readonly questions: readonly string[]
  readonly rate?: string
  readonly concurrency?: string
  readonly timeout?: string
  readonly settle?: string
  readonly examples?: string
  readonly json: boolean
}

const DEFAULT_ADMIN = '127.0.0.1:9153'
const HTTP_TIMEOUT_MS = 60_000
/** 170,000 names are 10 MB. */
const MAX_LIST_OCTETS = 1 << 28
const MAX_LISTED = 500_000
const TRIES = 3
const MAX_UNEXPLAINED = 10_000
const PROGRESS_MS = 200
const EXIT_UNEXPLAINED = 1
const EXIT_NOT_COMPARED = 2
const TYPE_OPT = 41
/** Types whose replies are no answers to compare: OPT, TSIG, and transfers. */
const NOT_ASKED = new Set([TYPE_OPT, 250, 251, 252])

interface Server {
  readonly server: string
  readonly port: number
}

/** They cannot be compared, and what to do. */
class NotCompared extends Error {
  readonly code = 'ERR_NOT_COMPARED'
}

export async function runCompare(given: CompareArguments, io: Io): Promise<number> {
  try {
    return await compare(given, io)
  } catch (error) {
    if (!(error instanceof NotCompared)) throw error
    io.err(`headless-dns: ${error.message}\n`)
    return EXIT_NOT_COMPARED
  }
}

async function compare(given: CompareArguments, io: Io): Promise<number> {
  const servers = {
    here: serverOf('--server', given.server ?? DEFAULT_SERVER),
    there: serverOf('--against', given.against),
  }
  const rate = numberOf('--rate', given.rate, 1000, 1, 100_000)
  const concurrency = numberOf('--concurrency', given.concurrency, 32, 1, 512)
  const timeoutMs = numberOf('--timeout', given.timeout, 2000, 10, 60_000)
  // The TTL that kubeadm gives CoreDNS is 30 s.
  const settleSeconds = numberOf('--settle', given.settle, 30, 0, 3600)
  const examples = numberOf('--examples', given.examples, 3, 0, 1000)
  const names = await fetchNames(given.admin ?? DEFAULT_ADMIN)
  const first = names.zones.filter(zone => !isReverse(zone)).at(-1)
  if (first === undefined) throw new NotCompared('this server holds no zone: there is nothing to compare')
  for (const side of ['here', 'there'] as const) {
    const probe = await askServer(servers[side], { name: first, type: 'SOA', origin: 'index' }, timeoutMs)
    if ('silence' in probe) throw new NotCompared(`no answer to ${first} SOA: ${probe.silence}`)
  }
  const listed = await readLists(given.questions, names)
  const all = (): Generator<Question> => chain(questionsOf(names), listed.questions.values())
  let total = 0
  for (const _ of all()) total++
  const tally = new Tally(names, examples)
  const begin = performance.now()
  let isStopped = false
  const stop = () => {
    isStopped = true
  }
  process.once('SIGINT', stop)
  const stopDrawing = given.json ? () => {} : drawProgress(tally, total)
  const result = await runComparison({
    questions: all(),
    ask: (side: Side, question) => askServer(servers[side], question, timeoutMs),
    tally,
    concurrency,
    rate,
    settleSeconds,
    maxUnexplained: MAX_UNEXPLAINED,
    isStopped: () => isStopped,
    now: () => performance.now(),
    sleep: ms => delay(ms),
  }).finally(() => {
    stopDrawing()
    process.off('SIGINT', stop)
  })
  const seconds = (performance.now() - begin) / 1000
  const [here, there] = [given.server ?? DEFAULT_SERVER, given.against!]
  io.out((given.json ? formatJson : formatReport)({ here, there, tally, result, seconds, skipped: listed.skipped }))
  if (result.silent !== undefined) {
    throw new NotCompared(`${result.silent === 'here' ? here : there} no longer answers: the comparison was given up`)
  }
  if (tally.verdicts.unexplained > 0) return EXIT_UNEXPLAINED
  return result.isCut ? EXIT_NOT_COMPARED : 0
}

/** @param where `ADDR:PORT` or `http://…` of the admin server */
async function fetchNames(where: string): Promise<Names> {
  const base = where.includes('://') ? where.replace(/\/$/, '') : `http://${where}`
  const ready = await get(`${base}/readyz`)
  if (ready.status !== 200) {
    throw new NotCompared(
      `this server is not ready, half of its names would be compared: ${(await ready.text()).trim()}`,
    )
  }
  const response = await get(`${base}/names`)
  if (response.status !== 200 || response.body === null) {
    throw new NotCompared(`${base}/names: ${response.status} ${(await response.text()).trim()}`)
  }
  const types = new Map<string, string[]>()
  /** Of 170,000 names, some dozen lists of types are different. */
  const shared = new Map<string, string[]>()
  let rest = ''
  let octets = 0
  const decoder = new TextDecoder()
  try {
    for await (const chunk of response.body) {
      octets += chunk.length
      if (octets > MAX_LIST_OCTETS) throw new Error(`more than ${MAX_LIST_OCTETS} octets`)
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
      rest = lines.pop()!
      for (const line of lines) {
        const [name, at] = parseNameLine(line)
        types.set(name, shared.get(at.join()) ?? at)
        shared.set(at.join(), types.get(name)!)
      }
    }
  } catch (error) {
    throw new NotCompared(`${base}/names broke off: ${(error as Error).message}`)
  }
  return new Names(types)
}

async function get(url: string): Promise<Response> {
  try {
    return await fetch(url, { signal: AbortSignal.timeout(HTTP_TIMEOUT_MS) })
  } catch (error) {
    const { cause, message } = error as Error & { cause?: Error }
    throw new NotCompared(`--admin: ${url}: ${cause?.message || message}; it is this server's admin address`)
  }
}

/** What lists ask and the index does not, each once. */
async function readLists(
  files: readonly string[],
  names: Names,
): Promise<{ questions: Map<string, Question>; skipped: number }> {
  const questions = new Map<string, Question>()
  const known = new Set<string>()
  if (files.length > 0) for (const { name, type } of questionsOf(names)) known.add(`${name} ${type}`)
  let skipped = 0
  for (const file of files) {
    const input = file === '-' ? process.stdin : createReadStream(file)
    try {
      for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
        const asked = questionsOfLine(line)
        if (asked === undefined) skipped++
        for (const question of asked ?? []) {
          const key = `${question.name} ${question.type}`
          const type = parseType(question.type)
          if (known.has(key) || questions.has(key)) continue
          if (type === undefined || NOT_ASKED.has(type) || questions.size >= MAX_LISTED) skipped++
          else questions.set(key, question)
        }
      }
    } catch (error) {
      throw new NotCompared(`--questions ${file}: ${(error as Error).message}`)
    }
  }
  return { questions, skipped }
}

async function askServer(server: Server, { name, type }: Question, timeoutMs: number): Promise<Outcome> {
  const question = { ...server, name, type: parseType(type)!, tcp: false, timeoutMs }
  for (let left = TRIES - 1; ; left--) {
    try {
      return answerOf(await ask(question))
    } catch (error) {
      if (!(error instanceof DnsClientError)) throw error
      if (left === 0) return { silence: error.message }
      // Nobody there, as between the end of one process and the start of the next.
      if (error.code !== 'ERR_DNS_TIMEOUT') await delay(timeoutMs / TRIES)
    }
  }
}

function answerOf({ message }: Reply): Answer {
  const { header, answers, authorities, additionals } = message
  return {
    rcode: rcodeName(header.rcode),
    isAuthoritative: header.aa === 1,
    isTruncated: header.tc === 1,
    answers: answers.map(textOf),
    authority: authorities.map(textOf),
    additional: additionals.filter(({ type }) => type !== TYPE_OPT).map(textOf),
  }
}

function textOf(record: DecodedRecord): RecordText {
  const type = typeName(record.type)
  const data = formatData(record)
  // RFC 4343 §3: names are equal whatever their case
  const isText = type === 'TXT' || type === 'HINFO' || type === 'CAA'
  return {
    owner: formatName(record.name).toLowerCase(),
    type,
    ttl: record.ttl,
    data: isText ? data : data.toLowerCase(),
  }
}

/** @returns what ends it */
function drawProgress(tally: Tally, total: number): () => void {
  if (process.stderr.isTTY !== true) return () => {}
  const draw = () => {
    const line = formatProgress(total, tally).slice(0, Math.max(0, (process.stderr.columns ?? 80) - 1))
    process.stderr.write(`\r\x1b[K${line}`)
  }
  const timer = setInterval(draw, PROGRESS_MS)
  return () => {
    clearInterval(timer)
    process.stderr.write('\r\x1b[K')
  }
}

function* chain<T>(...all: Iterable<T>[]): Generator<T> {
  for (const one of all) yield* one
}

function serverOf(flag: string, text: string | undefined): Server {
  if (text === undefined)
    throw new NotCompared(`${flag} is missing: the server to compare with, such as ${flag} 10.96.0.10`)
  const server = parseServer(text)
  if (server === undefined) throw new NotCompared(`${flag} ${text} is no address and port such as 10.96.0.10:53`)
  return server
}

function numberOf(flag: string, text: string | undefined, otherwise: number, least: number, most: number): number {
  if (text === undefined) return otherwise
  const number = Number(text)
  if (/^\d+$/.test(text) && number >= least && number <= most) return number
  throw new NotCompared(`${flag} ${text} is no number from ${least} to ${most}`)
}
