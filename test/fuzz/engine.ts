/**
 * The mutation engine: seeds, a dictionary and random numbers → inputs; each is decoded, measured and checked.
 * The same seed gives the same inputs. Inputs with an outcome not met before join the seeds.
 */

import { setTimeout } from 'node:timers/promises'
import { Random } from '../support/random.ts'
import { type Decoder, seedsOf, type Target } from './target.ts'

export interface FuzzOptions {
  readonly inputs: number
  /** The run ends after so long, whatever the number of inputs. */
  readonly seconds: number
  readonly seed: number
  /** Told of each input before it is decoded, and decoded again after a pause, so that one that never ends can be found out. */
  readonly before?: (input: Buffer) => void
}

export interface FuzzReport {
  readonly inputs: number
  readonly seconds: number
  readonly medianMs: number
  /** Of the least measurements of each input. */
  readonly worstMs: number
  readonly worst: Buffer
  readonly outcomes: ReadonlyMap<string, number>
}

/** An input that a decoder failed on, with why as the cause. */
export class FuzzFailure extends Error {
  readonly input: Buffer

  constructor(input: Buffer, cause: unknown) {
    super(cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause), { cause })
    this.input = input
  }
}

/** Outcomes that are remembered; what differs in numbers alone is one. */
const MAX_OUTCOMES = 2000
const MAX_CORPUS = 4000
/** A pause of the collector, or another process, does not come so often in a row. */
const MEASUREMENTS = 100
/** A machine that others slow down, by half for a minute and longer, is itself again after one of these. */
const PAUSES = 90
const PAUSE_MS = 1000
/** Inputs between two looks at the clock. */
const STEP = 64

/** @throws FuzzFailure for the first input that fails */
export async function fuzz(target: Target, { inputs, seconds, seed, before }: FuzzOptions): Promise<FuzzReport> {
  const random = new Random(seed)
  const corpus = seedsOf(target)
  const dictionary = target.dictionary.map(word => Buffer.from(word as string))
  const decoder = await target.open()
  const durations = new Float64Array(inputs)
  const outcomes = new Map<string, number>()
  let worst: Buffer = Buffer.alloc(0)
  let worstMs = 0
  let count = 0
  const start = performance.now()
  const end = start + seconds * 1000
  try {
    for (; count < inputs && (count % STEP !== 0 || performance.now() < end); count++) {
      // Seeds come first as they are.
      const input =
        count < corpus.length && count < MAX_CORPUS
          ? Buffer.from(corpus[count]!)
          : mutate(
              random,
              target.generate !== undefined && random.below(2) === 0 ? [target.generate(random)] : corpus,
              dictionary,
              target.maxOctets,
            )
      const { outcome, ms } = await runInput(target, decoder, input, worstMs, before)
      durations[count] = ms
      if (ms > worstMs) {
        worstMs = ms
        worst = input
      }
      const known = outcomes.get(outcome)
      if (known !== undefined) outcomes.set(outcome, known + 1)
      else if (outcomes.size < MAX_OUTCOMES) {
        outcomes.set(outcome, 1)
        if (corpus.length < MAX_CORPUS) corpus.push(input)
      }
    }
  } finally {
    await decoder.close?.()
  }
  const sorted = durations.subarray(0, count).sort()
  const medianMs = sorted[count >>> 1] ?? 0
  return { inputs: count, seconds: (performance.now() - start) / 1000, medianMs, worstMs, worst, outcomes }
}

/** One input, as a run would try it. @throws FuzzFailure */
export async function replay(target: Target, input: Buffer): Promise<{ outcome: string; ms: number }> {
  const decoder = await target.open()
  try {
    return await runInput(target, decoder, input, 0)
  } finally {
    await decoder.close?.()
  }
}

/** @param worstMs what takes longer is measured again and again */
async function runInput(
  target: Target,
  decoder: Decoder,
  input: Buffer,
  worstMs: number,
  before?: FuzzOptions['before'],
): Promise<{ outcome: string; ms: number }> {
  try {
    before?.(input)
    let { verdict, ms } = await measureLeast(decoder, input, Math.min(worstMs, target.limitMs))
    for (let pause = 0; ms > target.limitMs && pause < PAUSES; pause++) {
      await setTimeout(PAUSE_MS)
      before?.(input)
      ms = Math.min(ms, (await measureLeast(decoder, input, target.limitMs)).ms)
    }
    if (ms > target.limitMs) throw new Error(`it took ${ms.toFixed(2)} ms; the limit is ${target.limitMs} ms`)
    const outcome = decoder.check(input, verdict as never)
    return { outcome: typeof outcome === 'string' ? outcome : await outcome, ms }
  } catch (error) {
    throw new FuzzFailure(input, error)
  }
}

/**
 * A pause is not the decoder's fault: the least time counts. It holds all the CPU time that the input needs, so that nothing slow
 * is let through; the thread's own CPU clock is no better, since kernels count it in ticks of milliseconds.
 * @param enoughMs a time that needs no further measurement
 */
async function measureLeast(
  decoder: Decoder,
  input: Buffer,
  enoughMs: number,
): Promise<{ verdict: unknown; ms: number }> {
  let { verdict, ms } = await measure(decoder, input)
  for (let i = 1; ms > enoughMs && i < MEASUREMENTS; i++) ms = Math.min(ms, (await measure(decoder, input)).ms)
  return { verdict, ms }
}

async function measure(decoder: Decoder, input: Buffer): Promise<{ verdict: unknown; ms: number }> {
  const prepared = decoder.prepare === undefined ? Buffer.from(input) : decoder.prepare(input)
  const from = performance.now()
  const verdict = decoder.decode(prepared as never)
  const settled = verdict instanceof Promise ? await verdict : verdict
  return { verdict: settled, ms: performance.now() - from }
}

const INTERESTING = [0, 1, 2, 3, 11, 12, 16, 32, 63, 64, 100, 127, 128, 191, 192, 254, 255]

type Mutation = (random: Random, input: Buffer, corpus: readonly Buffer[], dictionary: readonly Buffer[]) => Buffer

const MUTATIONS: readonly Mutation[] = [
  // A bit, an octet, a number.
  (random, input) => {
    const output = Buffer.from(input)
    if (output.length > 0) output[random.below(output.length)]! ^= 1 << random.below(8)
    return output
  },
  (random, input) => {
    const output = Buffer.from(input)
    if (output.length > 0)
      output[random.below(output.length)] = random.below(2) === 0 ? random.next() : random.oneOf(INTERESTING)
    return output
  },
  (random, input) => {
    const output = Buffer.from(input)
    if (output.length < 4) return output
    const value = random.oneOf([0, 1, 0x3f, 0xff, 0x7fff, 0xffff, 0xc00c, random.next() & 0xffff])
    if (random.below(2) === 0) output.writeUInt16BE(value, random.below(output.length - 1))
    else output.writeUInt32BE(random.oneOf([value, 0x7fffffff, 0xffffffff]), random.below(output.length - 3))
    return output
  },
  // A part taken out, repeated, or put in.
  (random, input) => {
    const [from, to] = range(random, input)
    return Buffer.concat([input.subarray(0, from), input.subarray(to)])
  },
  (random, input) => {
    const [from, to] = range(random, input)
    const part = input.subarray(from, to)
    return Buffer.concat([
      input.subarray(0, to),
      ...Array.from({ length: 1 + random.below(8) }, () => part),
      input.subarray(to),
    ])
  },
  (random, input) => insert(input, random.below(input.length + 1), random.octets(1 + random.below(16))),
  (random, input, _corpus, dictionary) =>
    dictionary.length === 0 ? input : insert(input, random.below(input.length + 1), random.oneOf(dictionary)),
  (random, input, _corpus, dictionary) => {
    if (dictionary.length === 0) return input
    const output = Buffer.from(input)
    random.oneOf(dictionary).copy(output, random.below(output.length + 1))
    return output
  },
  // Two inputs in one; cut short.
  (random, input, corpus) => {
    const other = random.oneOf(corpus)
    return Buffer.concat([
      input.subarray(0, random.below(input.length + 1)),
      other.subarray(random.below(other.length + 1)),
    ])
  },
  (random, input, corpus) => {
    const other = random.oneOf(corpus)
    const [from, to] = range(random, other)
    return insert(input, random.below(input.length + 1), other.subarray(from, to))
  },
  (random, input) => input.subarray(0, random.below(input.length + 1)),
]

function mutate(random: Random, corpus: readonly Buffer[], dictionary: readonly Buffer[], maxOctets: number): Buffer {
  let input = random.oneOf(corpus)
  // Some are left as they were made.
  for (let n = random.below(6); n > 0; n--) input = random.oneOf(MUTATIONS)(random, input, corpus, dictionary)
  return Buffer.from(input.subarray(0, maxOctets))
}

function insert(input: Buffer, at: number, part: Uint8Array): Buffer {
  return Buffer.concat([input.subarray(0, at), part, input.subarray(at)])
}

function range(random: Random, input: Buffer): [number, number] {
  const from = random.below(input.length + 1)
  return [from, Math.min(input.length, from + 1 + random.below(random.below(4) === 0 ? 200 : 12))]
}
