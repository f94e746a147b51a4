/**
 * The EndpointSlices of one Service at one moment, and the pods that have left them a moment ago without a word.
 * Layer: test support; pure. Written from the rule that users are told of, with nothing of the server's code:
 *
 * a ready pod that vanishes from a slice that lives on may be on its way to another one, and is answered a little longer,
 * unless a slice has it (again), says that it is not ready, or has a successor of its name; or its own slice goes.
 */

import type { ApiObject } from './cluster-api.ts'

export interface Left {
  /** The slice that it was in, with those alone that have left. */
  readonly slice: ApiObject
  readonly sinceMs: number
}

interface ApiEndpoint {
  readonly addresses: readonly string[]
  readonly conditions?: { readonly ready?: boolean | null; readonly terminating?: boolean | null } | undefined
  readonly targetRef?: { readonly name?: string; readonly uid?: string } | undefined
}

export class Slices {
  static readonly NONE = new Slices([], [])
  readonly all: readonly ApiObject[]
  /** In the order in which they left. */
  readonly left: readonly Left[]
  private readonly made = new Map<number, readonly ApiObject[]>()

  private constructor(all: readonly ApiObject[], left: readonly Left[]) {
    this.all = all
    this.left = left
  }

  /** One change: slices that are new, or replace those of their names. */
  with(changed: readonly ApiObject[], sinceMs: number): Slices {
    const byName = new Map(this.all.map(slice => [slice.metadata.name, slice]))
    const leaving = changed.flatMap(next => {
      const endpoints = endpointsOf(byName.get(next.metadata.name)).filter(
        one => isThere(one) && one.targetRef?.uid !== undefined && !endpointsOf(next).some(other => isSame(one, other)),
      )
      return endpoints.length === 0
        ? []
        : [{ slice: { ...byName.get(next.metadata.name)!, endpoints } as ApiObject, sinceMs }]
    })
    for (const next of changed) byName.set(next.metadata.name, next)
    const all = [...byName.values()]
    const heard = this.left.map(one => unspoken(one, changed))
    const left = [...heard, ...leaving.map(one => unspoken(one, all))]
    return new Slices(
      all,
      left.filter(({ slice }) => endpointsOf(slice).length > 0),
    )
  }

  without(name: string): Slices {
    const isOther = ({ metadata }: ApiObject) => metadata.name !== name
    return new Slices(
      this.all.filter(isOther),
      this.left.filter(({ slice }) => isOther(slice)),
    )
  }

  /** @param gone how many of those that left are answered no more */
  withLeft(gone: number): readonly ApiObject[] {
    if (gone === this.left.length) return this.all
    const made = this.made.get(gone) ?? [...this.all, ...this.left.slice(gone).map(({ slice }) => slice)]
    this.made.set(gone, made)
    return made
  }

  /** All sets that were made of it so far. */
  get sets(): readonly (readonly ApiObject[])[] {
    return [this.all, ...this.made.values()]
  }
}

/** @returns it with those endpoints alone of which none of these slices says anything */
function unspoken(left: Left, slices: readonly ApiObject[]): Left {
  const said = slices.flatMap(endpointsOf)
  const endpoints = endpointsOf(left.slice).filter(one => !said.some(other => speaksOf(other, one)))
  return endpoints.length === endpointsOf(left.slice).length
    ? left
    : { ...left, slice: { ...left.slice, endpoints } as ApiObject }
}

function speaksOf(other: ApiEndpoint, one: ApiEndpoint): boolean {
  const isOfFamily = isV6(other) === isV6(one)
  if (other.targetRef?.uid === one.targetRef?.uid) return isOfFamily || !isThere(other)
  return isOfFamily && one.targetRef?.name !== undefined && other.targetRef?.name === one.targetRef.name
}

function endpointsOf(slice: ApiObject | undefined): readonly ApiEndpoint[] {
  return (slice?.['endpoints'] ?? []) as readonly ApiEndpoint[]
}

function isThere({ conditions }: ApiEndpoint): boolean {
  return conditions?.ready !== false && conditions?.terminating !== true
}

function isSame(a: ApiEndpoint, b: ApiEndpoint): boolean {
  return a.targetRef?.uid === b.targetRef?.uid && a.addresses[0] === b.addresses[0]
}

function isV6({ addresses }: ApiEndpoint): boolean {
  return addresses[0]!.includes(':')
}
