/**
 * A server's answers against the model's, over UDP and TCP; and a client that never stops asking for what is always there.
 */

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { decode, type SrvAnswer, type SrvData } from 'dns-packet'
import { takeSnapshot } from './cluster-api.ts'
import { canonical, type Expected, Model } from './cluster-model.ts'
import { encodeQuery, exchangeTcp, exchangeUdp } from './dns-client.ts'
import type { ServerProcess } from './server-process.ts'

const TTL_SECONDS = 5
const NEGATIVE_TTL_SECONDS = 1
const PAYLOAD_OCTETS = 1232
const CONCURRENT = 24
/** For controllers to do what they were asked to, on a busy machine. */
const OBJECTS_LIMIT_MS = 60_000
/** For answers to follow the objects; it takes milliseconds. */
const ANSWERS_LIMIT_MS = 5000
const LOG_TAIL = 4000

type Transport = 'UDP' | 'TCP'

interface Question {
  readonly name: string
  readonly type: string
}

interface Answered {
  readonly rcode: string
  readonly isTruncated: boolean
  /** As the model writes them; sorted. */
  readonly answers: readonly string[]
  /** How long, in seconds, there may be thought to be nothing: from the SOA in the authority section, if there is one. */
  readonly negativeTtl: number | undefined
  /** What is wrong with the message whatever the objects are. */
  readonly faults: readonly string[]
  /** `owner TYPE data` of the additional section. */
  readonly additional: readonly string[]
}

/** Follows one server through the states of one namespace. */
export class Checker {
  private readonly server: ServerProcess
  private readonly namespace: string
  /** Of all states. */
  readonly everSeen = new Set<string>()
  /** Those of the state before this one, too: they must be gone when their objects are. */
  private names = new Set<string>()
  asked = 0

  constructor(server: ServerProcess, namespace: string) {
    this.server = server
    this.namespace = namespace
  }

  /**
   * Waits until the API's objects are as `isReached` wants them, then until every answer is what they imply.
   * @param limitMs for the answers, from when the objects are so
   * @returns the model of that state
   */
  async settle(words: string, isReached: (model: Model) => boolean, limitMs = ANSWERS_LIMIT_MS): Promise<Model> {
    const objectsEnd = performance.now() + OBJECTS_LIMIT_MS
    let since: number | undefined
    let wrong: string[] = []
    for (;;) {
      const model = new Model(await takeSnapshot())
      const now = performance.now()
      if (!isReached(model)) {
        since = undefined
        if (now > objectsEnd) this.fail(`the API's objects never came to this: ${words}`, [])
        await delay(50)
        continue
      }
      since ??= now
      wrong = await this.compare(model)
      const later = new Model(await takeSnapshot())
      if (!isReached(later) || !this.isSame(model, later)) {
        if (now > objectsEnd) this.fail(`the API's objects never came to rest: ${words}`, wrong)
        since = undefined
      } else if (wrong.length === 0) {
        this.names = new Set(this.namesOf(model))
        return model
      } else if (now - since > limitMs) {
        this.fail(`answers are not what the API's objects imply: ${words}`, wrong)
      } else await delay(100)
    }
  }

  /**
   * Asks for every name, with every type, in both ways.
   * @param names default: those that there are, and were before
   * @returns a line for each wrong answer
   */
  async compare(model: Model, names: ReadonlySet<string> = this.names): Promise<string[]> {
    for (const name of this.namesOf(model)) {
      this.names.add(name)
      this.everSeen.add(name)
    }
    const wrong: string[] = []
    const questions = [...names].flatMap(name => typesAt(name).map(type => ({ name, type })))
    const work = questions.flatMap(question => (['UDP', 'TCP'] as const).map(transport => ({ question, transport })))
    this.asked += work.length
    const askAll = async () => {
      for (let one = work.pop(); one !== undefined; one = work.pop()) {
        const { question, transport } = one
        const expected = model.expect(question.name, question.type)
        let found: string[]
        try {
          found = differences(await ask(this.server.port, question, transport), expected, transport, model)
        } catch (error) {
          found = [(error as Error).message]
        }
        for (const line of found) wrong.push(`${question.name} ${question.type} over ${transport}: ${line}`)
      }
    }
    await Promise.all(Array.from({ length: CONCURRENT }, askAll))
    return wrong
  }

  private isSame(a: Model, b: Model): boolean {
    const words = (model: Model, name: string) => typesAt(name).map(type => JSON.stringify(model.expect(name, type)))
    return [...this.names, ...this.namesOf(b)].every(name => words(a, name).join() === words(b, name).join())
  }

  /** Names of this namespace, what they point to, what is above them, and some that nobody has. */
  private namesOf(model: Model): string[] {
    const below = (branch: string) => `.${this.namespace}.${branch}.cluster.local`
    const own = model.names().filter(name => name.endsWith(below('svc')) || name.endsWith(below('direct')))
    const reverse = model
      .names()
      .filter(name => [...model.data(name, 'PTR')].some(target => target.endsWith(below('svc'))))
    const services = own.filter(name => name.endsWith(below('svc')) && name.split('.').length === 5)
    const absent = services.flatMap(name => [`absent.${name}`, `_absent._tcp.${name}`, `a.b.c.d.${name}`])
    const above = ['', '.svc', '.direct', '.pod'].map(label => `${label}.cluster.local`.slice(1))
    const reverseAbove = reverse.map(name => name.slice(name.indexOf('.') + 1))
    return [...own, ...reverse, ...reverseAbove, ...absent, ...above, below('svc').slice(1), below('direct').slice(1)]
  }

  private fail(words: string, wrong: readonly string[]): never {
    const more = wrong.length > 20 ? [`... and ${wrong.length - 20} more`] : []
    const log = this.server.output().slice(-LOG_TAIL)
    assert.fail([words, ...wrong.slice(0, 20), ...more, 'the end of the log of the server:', log].join('\n'))
  }
}

/**
 * Asks again and again for what must be there all the time: a change elsewhere, or an API server that is away, is no
 * reason for one wrong answer, an error or silence.
 */
export class SteadyAsker {
  asked = 0
  private wrong: string[] = []
  private readonly server: ServerProcess
  private readonly questions = new Map<string, { question: Question; answers: readonly string[] | 'some' }>()
  private isStopped = false
  private readonly running: Promise<void>

  constructor(server: ServerProcess) {
    this.server = server
    this.running = this.run()
  }

  /** @param answers all that there are, or that there are some */
  add(name: string, type: string, answers: readonly string[] | 'some'): void {
    this.questions.set(`${name} ${type}`, { question: { name, type }, answers })
  }

  remove(name: string, type: string): void {
    this.questions.delete(`${name} ${type}`)
  }

  /** Fails when anything was wrong since it was last called. */
  assertNothingWrong(): void {
    const { wrong } = this
    this.wrong = []
    assert.deepEqual(wrong.slice(0, 10), [], `${wrong.length} answers were wrong`)
  }

  async stop(): Promise<void> {
    this.isStopped = true
    await this.running
  }

  private async run(): Promise<void> {
    while (!this.isStopped) {
      for (const [key, { question, answers }] of [...this.questions]) {
        const transport = this.asked % 8 === 7 ? 'TCP' : 'UDP'
        this.asked++
        let found: string
        try {
          const answered = await ask(this.server.port, question, transport)
          const isRight =
            answered.rcode === 'NOERROR' &&
            (answers === 'some' ? answered.answers.length > 0 : answered.answers.join() === [...answers].sort().join())
          found = isRight ? '' : `${answered.rcode} [${answered.answers.join(', ')}]`
        } catch (error) {
          found = (error as Error).message
        }
        // What was taken off the list meanwhile may be gone.
        if (found !== '' && this.questions.has(key)) this.wrong.push(`${key} over ${transport}: ${found}`)
      }
      await delay(5)
    }
  }
}

/** Addresses, ports and text anywhere; pointers in the reverse tree. TXT stands for all types that no name here has. */
function typesAt(name: string): string[] {
  return name.endsWith('.arpa') ? ['PTR', 'A'] : ['A', 'AAAA', 'SRV', 'TXT', 'CNAME']
}

function differences(answered: Answered, expected: Expected, transport: Transport, model: Model): string[] {
  const { rcode, answers, additional, isTruncated, negativeTtl } = answered
  const wrong = [...answered.faults]
  if (rcode !== expected.rcode) wrong.push(`${rcode}, not ${expected.rcode}`)
  const expectedTtl = expected.isNegative ? NEGATIVE_TTL_SECONDS : undefined
  if (negativeTtl !== expectedTtl) wrong.push(`a SOA of ${negativeTtl} s, not ${expectedTtl}`)
  if (isTruncated && transport === 'UDP') {
    // A part of a set that is too large; TCP has all of it.
    const foreign = answers.filter(answer => !expected.answers.includes(answer))
    if (foreign.length > 0 || answers.length === 0) wrong.push(`a part that is none: [${answers.join(', ')}]`)
  } else if (answers.join() !== expected.answers.join()) {
    wrong.push(`[${answers.join(', ')}], not [${expected.answers.join(', ')}]`)
  }
  for (const record of additional) {
    const [owner, type, data] = record.split(' ') as [string, string, string]
    if (!model.data(owner, type).has(data)) wrong.push(`in the additional section: ${record}`)
  }
  return wrong
}

async function ask(port: number, { name, type }: Question, transport: Transport): Promise<Answered> {
  const asked = withRandomCase(name)
  const query = encodeQuery(asked, type, PAYLOAD_OCTETS)
  const reply = await (transport === 'UDP' ? exchangeUdp(query, { port }) : exchangeTcp(query, { port }))
  const faults: string[] = []
  if (reply.readUInt16BE(0) !== query.readUInt16BE(0)) faults.push('another ID')
  if (transport === 'UDP' && reply.length > PAYLOAD_OCTETS) faults.push(`${reply.length} octets over UDP`)
  const packet = decode(reply) as ReturnType<typeof decode> & { rcode: string; flag_aa: boolean; flag_tc: boolean }
  const { questions = [], answers = [], authorities = [], additionals = [] } = packet
  if (questions[0]?.name !== asked || questions.length !== 1) faults.push(`the question is ${questions[0]?.name}`)
  if (!packet.flag_aa) faults.push('without AA')
  if (packet.flag_tc && transport === 'TCP') faults.push('truncated over TCP')
  const soa = authorities.find(record => record.type === 'SOA') as { data: { minimum: number } } | undefined
  for (const record of answers) {
    const { ttl } = record as { ttl?: number }
    if (ttl !== TTL_SECONDS && record.name !== 'dns-version.cluster.local') faults.push(`a TTL of ${ttl}`)
  }
  const records = answers.map(record => formatRecord(record as Decoded))
  if (new Set(records).size !== records.length) faults.push('a record twice')
  const addresses = additionals.filter(({ type }) => type !== 'OPT')
  return {
    rcode: packet.rcode,
    isTruncated: packet.flag_tc,
    answers: records.sort(),
    negativeTtl: soa?.data.minimum,
    faults,
    additional: addresses.map(record => formatRecord(record as Decoded)),
  }
}

type Decoded = { name: string; type: string; data: unknown }

function formatRecord({ name, type, data }: Decoded): string {
  return `${name.toLowerCase()} ${type} ${formatData(type, data)}`
}

function formatData(type: string, data: unknown): string {
  if (type === 'SRV') {
    const { port, target } = data as SrvData & SrvAnswer['data']
    return `${port} ${target.toLowerCase()}`
  }
  if (type === 'AAAA') return canonical(String(data))
  if (type === 'TXT') return Buffer.concat(data as Buffer[]).toString()
  return String(data).toLowerCase()
}

/** 0x20: the question comes back as it was asked, letter by letter. */
function withRandomCase(name: string): string {
  const bits = randomBytes(name.length)
  return [...name].map((letter, i) => (bits[i]! & 1 ? letter.toUpperCase() : letter)).join('')
}
