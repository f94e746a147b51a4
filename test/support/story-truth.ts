/**
 * What was true, and when: the objects of a cluster over time, and the answers that followed from them at any moment.
 * Layer: test support. Written over cluster-model.ts: nothing of the server's records or state is in it.
 *
 * Services and EndpointSlices come over two watches, so a server may know of one change before an earlier one of the
 * other kind: within a window every Service goes with every set of slices of that window.
 */

import type { ApiObject } from './cluster-api.ts'
import { Model } from './cluster-model.ts'
import type { Question } from './story-asker-types.ts'
import { sharedNowMs } from './story-asker-types.ts'
import { type Left, Slices } from './story-slices.ts'

interface At<T> {
  readonly sinceMs: number
  readonly value: T
}

interface Timeline {
  readonly services: At<ApiObject | undefined>[]
  readonly slices: At<Slices>[]
  readonly models: Map<ApiObject | undefined, Map<readonly ApiObject[], Model | undefined>>
}

export type Verdict =
  | {
      readonly rcode: 'NOERROR' | 'NXDOMAIN'
      /** As cluster-model.ts writes them, sorted. */
      readonly answers: readonly string[]
      /** What is true besides: records that may stand in the additional section. */
      readonly model?: Model | undefined
    }
  | { readonly rcode: 'SERVFAIL' }

/** No delay that is allowed is longer. */
const BEFORE_BLIND_MS = 10_000
const SERVICE_LABEL = 'kubernetes.io/service-name'
/** A Service that means other pods loses those that it meant. */
const SETTLE_MS = 1000
const FORWARD = /(?:^|\.)([^.]+)\.([^.]+)\.(?:svc|direct)\.cluster\.local$/
const NXDOMAIN = { rcode: 'NXDOMAIN', answers: [] } as const

/** What an answer is held to: when it was asked and given, and how late it may be. */
interface Window {
  readonly askedMs: number
  readonly answeredMs: number
  readonly allowedMs: number
}

export class Truth {
  /** As the server is configured. */
  moveWindowMs = 100
  private readonly timelines = new Map<string, Timeline>()
  /** Services that ever had an address, by its reverse name. */
  private readonly owners = new Map<string, Set<string>>()
  private readonly blind: { fromMs: number; untilMs: number }[] = []
  /** From here on there may be answers; from there on there must be. */
  private openingMs = Number.POSITIVE_INFINITY
  private openedMs = Number.POSITIVE_INFINITY
  /** The server has been seen to know what was true then. */
  private settledMs = Number.NEGATIVE_INFINITY

  /** The server may know the whole cluster from now on. */
  opening(): void {
    this.openingMs = Math.min(this.openingMs, sharedNowMs())
  }

  /** The server must know the whole cluster from now on. */
  opened(): void {
    this.opening()
    this.openedMs = Math.min(this.openedMs, sharedNowMs())
  }

  /** Its answers were those of `sinceMs`, and nothing has changed from then on: what was true before is allowed to nobody any more. */
  settled(sinceMs: number): void {
    if (this.changedMs < sinceMs) this.settledMs = sharedNowMs()
  }

  /** The server starts afresh: until it is opened again it need not know anything. */
  closed(): void {
    this.openedMs = Number.POSITIVE_INFINITY
    this.settledMs = Number.NEGATIVE_INFINITY
  }

  /** From now on the server cannot hear of changes, until `sees`. */
  blinds(): void {
    this.blind.push({ fromMs: sharedNowMs(), untilMs: Number.POSITIVE_INFINITY })
  }

  sees(): void {
    const last = this.blind.at(-1)
    if (last !== undefined) last.untilMs = sharedNowMs()
  }

  /** Lets go of what no answer can be held to any more: what was over before then, but for what the server cannot know to be over. */
  forget(longAgoMs: number): void {
    while (this.blind.length > 0 && this.blind[0]!.untilMs < longAgoMs) this.blind.shift()
    const beforeMs = Math.min(longAgoMs, (this.blind[0]?.fromMs ?? longAgoMs) - BEFORE_BLIND_MS)
    for (const { services, slices, models } of this.timelines.values()) {
      dropBefore(services, beforeMs)
      dropBefore(slices, beforeMs)
      const ofServices = new Set(services.map(({ value }) => value))
      const ofSlices = new Set(slices.flatMap(({ value }) => value.sets))
      for (const [service, known] of models) {
        if (!ofServices.has(service)) models.delete(service)
        else for (const some of known.keys()) if (!ofSlices.has(some)) known.delete(some)
      }
    }
  }

  /** @returns questions that have a meaning from now on: the names that there are, with each type asked of them */
  putService(service: ApiObject, atMs = sharedNowMs()): Question[] {
    const timeline = this.timeline(`${service.metadata.namespace}/${service.metadata.name}`)
    timeline.services.push({ sinceMs: atMs, value: service })
    return this.questionsOf(timeline)
  }

  deleteService(namespace: string, name: string): void {
    this.timeline(`${namespace}/${name}`).services.push({ sinceMs: sharedNowMs(), value: undefined })
  }

  /**
   * One change of one Service's slices: those of a name that is there already are replaced.
   * @param isAsked whether anybody will ask for names that this brings
   */
  putSlices(slices: readonly ApiObject[], isAsked = true): Question[] {
    const first = slices[0]!
    const timeline = this.timeline(`${first.metadata.namespace}/${first.metadata.labels?.[SERVICE_LABEL]}`)
    const sinceMs = sharedNowMs()
    timeline.slices.push({ sinceMs, value: timeline.slices.at(-1)!.value.with(slices, sinceMs) })
    return isAsked ? this.questionsOf(timeline) : []
  }

  /** All slices of one Service, as they were read. */
  setSlices(namespace: string, service: string, slices: readonly ApiObject[], atMs: number): void {
    const timeline = this.timeline(`${namespace}/${service}`)
    const before = timeline.slices.at(-1)!.value
    const names = new Set(slices.map(({ metadata }) => metadata.name))
    const gone = before.all.filter(({ metadata }) => !names.has(metadata.name))
    const left = gone.reduce((some, { metadata }) => some.without(metadata.name), before)
    timeline.slices.push({ sinceMs: atMs, value: left.with(slices, atMs) })
    this.questionsOf(timeline)
  }

  deleteSlice(namespace: string, service: string, name: string): void {
    const { slices } = this.timeline(`${namespace}/${service}`)
    slices.push({ sinceMs: sharedNowMs(), value: slices.at(-1)!.value.without(name) })
  }

  /** When the last change was made. */
  get changedMs(): number {
    const last = [...this.timelines.values()].map(({ services, slices }) =>
      Math.max(services.at(-1)!.sinceMs, slices.at(-1)!.sinceMs),
    )
    return Math.max(0, ...last)
  }

  /** When all delays are over. */
  now(question: Question): Verdict {
    const now = sharedNowMs()
    return [...this.verdicts(question, now, now)][0]!
  }

  /**
   * What may be answered to a question that was asked and answered in this window, newest first.
   * @param allowedMs how late the server may be
   */
  *allowed(question: Question, askedMs: number, answeredMs: number, allowedMs: number): Generator<Verdict> {
    let fromMs = askedMs - allowedMs
    for (const { fromMs: blindMs, untilMs } of this.blind) {
      if (answeredMs >= blindMs && askedMs <= untilMs + allowedMs) fromMs = Math.min(fromMs, blindMs - allowedMs)
    }
    // Not of questions that were asked before: their answers come from any moment of their own time.
    if (askedMs >= this.settledMs) fromMs = Math.max(fromMs, this.settledMs)
    const window = { askedMs, answeredMs, allowedMs }
    if (answeredMs >= this.openingMs) yield* this.verdicts(question, fromMs, answeredMs, window)
    if (askedMs - allowedMs < this.openedMs) yield { rcode: 'SERVFAIL' }
  }

  /** @param window undefined: nobody is answered any more who has left */
  private *verdicts(question: Question, fromMs: number, untilMs: number, window?: Window): Generator<Verdict> {
    if (question.name.endsWith('.arpa')) {
      yield* this.reverse(question, fromMs, untilMs, window)
      return
    }
    const [, name, namespace] = FORWARD.exec(question.name) ?? []
    const timeline = this.timelines.get(`${namespace}/${name}`)
    if (timeline === undefined) {
      yield NXDOMAIN
      return
    }
    let hasExisted = false
    let hasNot = false
    for (const model of this.models(timeline, fromMs, untilMs, window)) {
      const { rcode, answers } = model === undefined ? NXDOMAIN : model.expect(question.name, question.type)
      if (rcode === 'NXDOMAIN') hasNot = true
      else hasExisted = true
      yield { rcode, answers, model }
    }
    // Names come and go one by one, those below before those above: for that moment there is a name without records.
    if (hasExisted && hasNot) yield { rcode: 'NOERROR', answers: [] }
  }

  /** An address may go from one Service to another: what all moments have must be there, what none has must not. */
  private *reverse(
    { name, type }: Question,
    fromMs: number,
    untilMs: number,
    window: Window | undefined,
  ): Generator<Verdict> {
    const ever: string[][] = [[]]
    for (const key of this.owners.get(name) ?? []) {
      const choices = new Set<string>()
      for (const model of this.models(this.timelines.get(key)!, fromMs, untilMs, window)) {
        choices.add([...(model?.data(name, 'PTR') ?? [])].sort().join(' '))
      }
      const before = ever.splice(0)
      for (const sets of before) for (const choice of choices) ever.push([...sets, ...choice.split(' ')])
    }
    for (const all of ever) {
      const targets = [...new Set(all.filter(target => target !== ''))].sort()
      if (targets.length === 0) yield NXDOMAIN
      else yield { rcode: 'NOERROR', answers: type === 'PTR' ? targets.map(target => `${name} PTR ${target}`) : [] }
    }
  }

  private *models(
    timeline: Timeline,
    fromMs: number,
    untilMs: number,
    window: Window | undefined,
  ): Generator<Model | undefined> {
    const { services, slices, models } = timeline
    for (const service of within(services, fromMs, untilMs)) {
      for (const value of within(slices, fromMs, untilMs)) {
        for (const some of this.setsOf(value, timeline, window)) {
          const known = models.get(service) ?? new Map<readonly ApiObject[], Model | undefined>()
          models.set(service, known)
          if (!known.has(some)) known.set(some, service && new Model({ services: [service], slices: some }))
          yield known.get(some)
        }
      }
    }
  }

  /** The slices, with those that have left them and may, or must, be answered. They go in the order in which they left. */
  private *setsOf(value: Slices, { services }: Timeline, window: Window | undefined): Generator<readonly ApiObject[]> {
    if (window === undefined) {
      yield value.all
      return
    }
    for (let gone = value.left.length; gone >= 0; gone--) {
      const isSo =
        value.left.slice(0, gone).every(one => this.mayBeGone(one, services, window)) &&
        value.left.slice(gone).every(one => this.mayBeThere(one, window))
      if (isSo) yield value.withLeft(gone)
    }
  }

  private mayBeGone({ sinceMs }: Left, services: Timeline['services'], window: Window): boolean {
    const { answeredMs, allowedMs } = window
    if (answeredMs >= sinceMs + this.moveWindowMs || sinceMs < this.openedMs) return true
    if (services.at(-1)!.sinceMs >= sinceMs - SETTLE_MS - 2 * allowedMs) return true
    return this.blind.some(({ fromMs, untilMs }) => answeredMs >= fromMs && sinceMs <= untilMs + allowedMs)
  }

  private mayBeThere({ sinceMs }: Left, { askedMs, answeredMs, allowedMs }: Window): boolean {
    if (askedMs >= this.settledMs && sinceMs < this.settledMs) return false
    const spareMs = this.moveWindowMs + allowedMs
    if (this.moveWindowMs > 0 && askedMs <= sinceMs + spareMs) return true
    return this.blind.some(
      ({ fromMs, untilMs }) =>
        answeredMs >= fromMs && askedMs <= untilMs + spareMs && sinceMs >= fromMs - spareMs && sinceMs <= untilMs,
    )
  }

  private questionsOf({ services, slices, models }: Timeline): Question[] {
    const service = services.at(-1)!.value
    if (service === undefined) return []
    const { namespace, name } = service.metadata
    const some = slices.at(-1)!.value.all
    const model = new Model({ services: [service], slices: some })
    const known = models.get(service) ?? new Map<readonly ApiObject[], Model | undefined>()
    models.set(service, known.set(some, model))
    const questions: Question[] = []
    for (const branch of ['svc', 'direct']) {
      const own = `${name}.${namespace}.${branch}.cluster.local`
      for (const type of ['A', 'AAAA', 'SRV']) questions.push({ name: own, type }, { name: `absent.${own}`, type })
    }
    for (const one of model.names()) {
      const isPort = one.startsWith('_')
      if (one.endsWith('.arpa') && model.data(one, 'PTR').size > 0) {
        const owners = this.owners.get(one) ?? new Set()
        this.owners.set(one, owners.add(`${namespace}/${name}`))
        questions.push({ name: one, type: 'PTR' })
      } else if (FORWARD.test(one) && one.split('.').length > 4 && !/^(svc|direct|[^.]+\.(svc|direct))\./.test(one)) {
        for (const type of isPort ? ['SRV', 'A'] : ['A', 'AAAA', 'SRV']) questions.push({ name: one, type })
      }
    }
    return questions
  }

  private timeline(key: string): Timeline {
    const known = this.timelines.get(key)
    if (known !== undefined) return known
    const timeline: Timeline = {
      services: [{ sinceMs: Number.NEGATIVE_INFINITY, value: undefined }],
      slices: [{ sinceMs: Number.NEGATIVE_INFINITY, value: Slices.NONE }],
      models: new Map(),
    }
    this.timelines.set(key, timeline)
    return timeline
  }
}

/** Keeps what was so at that moment, and what came after. */
function dropBefore<T>(all: At<T>[], beforeMs: number): void {
  const first = all.findLastIndex(({ sinceMs }) => sinceMs <= beforeMs)
  if (first > 0) all.splice(0, first)
}

/** Newest first: what was so at any moment of the window. */
function* within<T>(all: readonly At<T>[], fromMs: number, untilMs: number): Generator<T> {
  for (let i = all.length - 1; i >= 0; i--) {
    const { sinceMs, value } = all[i]!
    if (sinceMs > untilMs) continue
    yield value
    if (sinceMs <= fromMs) return
  }
}
