/**
 * Our configuration in the making: a tree of keys, each with the directives it came from. Layer: corefile.
 * A key has one value for the whole server, where a Corefile has one for each server block: the first stays, `set` tells.
 */

import type { Directive } from './directive.ts'

export type Scalar = string | number | boolean

export interface Entry {
  readonly origins: Directive[]
  value: Scalar | Entry[] | Map<string, Entry>
}

/** A value to be carried over, with entries of other origins inside it. */
export type Value = Scalar | readonly Value[] | Entry | { readonly [key: string]: Value | undefined }

/** What the configuration's own reader gets. */
export type Raw = Scalar | Raw[] | { [key: string]: Raw }

export type Path = readonly (string | number)[]

export class Draft {
  readonly root: Map<string, Entry> = new Map()
  private readonly members = new WeakMap<Entry[], Map<string, Entry>>()

  /** @returns the entry that says something else; undefined when there is none */
  set(path: readonly string[], value: Value, origin: Directive): Entry | undefined {
    const made = entryOf(value, origin)
    const map = this.mapAt(path.slice(0, -1), origin)
    const key = path.at(-1)!
    const there = map.get(key)
    if (there === undefined) {
      map.set(key, made)
      return undefined
    }
    if (JSON.stringify(rawOf(there)) !== JSON.stringify(rawOf(made))) return there
    there.origins.push(origin)
    return undefined
  }

  /** Adds to a list; what is in it already only gets another origin. */
  add(path: readonly string[], value: Value, origin: Directive): void {
    const map = this.mapAt(path.slice(0, -1), origin)
    const key = path.at(-1)!
    const list = map.get(key) ?? { origins: [], value: [] }
    map.set(key, list)
    const entries = list.value as Entry[]
    const made = entryOf(value, origin)
    const known = this.members.get(entries) ?? new Map<string, Entry>()
    this.members.set(entries, known)
    const text = JSON.stringify(rawOf(made))
    const there = known.get(text)
    if (there !== undefined) {
      there.origins.push(origin)
      return
    }
    known.set(text, made)
    entries.push(made)
  }

  get(path: readonly string[]): Entry | undefined {
    let map: Entry['value'] = this.root
    let entry: Entry | undefined
    for (const key of path) {
      entry = map instanceof Map ? map.get(key) : undefined
      if (entry === undefined) return undefined
      map = entry.value
    }
    return entry
  }

  /** Whether a path leads to something. */
  has(path: Path): boolean {
    return this.stepsTo(path).length === path.length
  }

  /**
   * Takes away what is at a path, or the nearest above it that is there, and what holds nothing else.
   * @returns what was at the path, or nearest to it; undefined when not even its first step is there; and the path of the
   * greatest thing that is gone with it
   */
  remove(path: Path): { removed: Entry | undefined; at: Path } {
    const steps = this.stepsTo(path)
    let length = steps.length
    for (const { step, holder } of steps.toReversed()) {
      if (holder instanceof Map) holder.delete(String(step))
      else holder.splice(Number(step), 1)
      if ((holder instanceof Map ? holder.size : holder.length) > 0) break
      length--
    }
    return { removed: steps.at(-1)?.entry, at: path.slice(0, length) }
  }

  /** As far as the path leads: what is reached by each step, and what it is held by. */
  private stepsTo(path: Path): { step: string | number; holder: Map<string, Entry> | Entry[]; entry: Entry }[] {
    const steps = []
    let value: Entry['value'] = this.root
    for (const step of path) {
      if (typeof value !== 'object') break
      const holder: Map<string, Entry> | Entry[] = value
      const entry: Entry | undefined = holder instanceof Map ? holder.get(String(step)) : holder[Number(step)]
      if (entry === undefined) break
      steps.push({ step, holder, entry })
      value = entry.value
    }
    return steps
  }

  private mapAt(path: readonly string[], origin: Directive): Map<string, Entry> {
    let map = this.root
    for (const key of path) {
      const entry = map.get(key) ?? { origins: [origin], value: new Map<string, Entry>() }
      map.set(key, entry)
      map = entry.value as Map<string, Entry>
    }
    return map
  }
}

/** An entry is copied: the same value may be carried to several places. */
export function entryOf(value: Value, origin: Directive): Entry {
  if (isEntry(value)) return copyOf(value)
  if (typeof value !== 'object') return { origins: [origin], value }
  if (Array.isArray(value)) return { origins: [origin], value: value.map(each => entryOf(each, origin)) }
  const map = new Map<string, Entry>()
  for (const [key, each] of Object.entries(value)) if (each !== undefined) map.set(key, entryOf(each, origin))
  return { origins: [origin], value: map }
}

function copyOf({ origins, value }: Entry): Entry {
  if (typeof value !== 'object') return { origins: [...origins], value }
  if (Array.isArray(value)) return { origins: [...origins], value: value.map(copyOf) }
  return { origins: [...origins], value: new Map([...value].map(([key, entry]) => [key, copyOf(entry)])) }
}

export function rawOf({ value }: Entry): Raw {
  if (typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(rawOf)
  const raw: { [key: string]: Raw } = {}
  for (const [key, entry] of value) raw[key] = rawOf(entry)
  return raw
}

/** All directives that a value came from, inside it too. */
export function originsOf(entry: Entry): Set<Directive> {
  const all = new Set<Directive>()
  gather(entry, all)
  return all
}

function gather({ origins, value }: Entry, all: Set<Directive>): void {
  for (const origin of origins) all.add(origin)
  if (typeof value === 'object') for (const inner of value.values()) gather(inner, all)
}

function isEntry(value: Value): value is Entry {
  return typeof value === 'object' && 'origins' in value
}
