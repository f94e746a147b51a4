/**
 * What stories of an API server have in common: the cluster that changes, requests told apart, faults. Layer: test support.
 */

import { type RecordedRequest, statusOf } from '../support/fake-api-server.ts'
import { RandomCluster } from '../support/story-cluster.ts'
import type { StoryWorld } from '../support/story-world.ts'

export const FOREVER = Number.POSITIVE_INFINITY
export const HANG_UP = { kind: 'hang up' } as const
export const SECOND = 1000

/** That of the story being told. */
export let cluster: RandomCluster

export const SOME = {
  prepare(world: StoryWorld): void {
    cluster = new RandomCluster(world)
  },
}

/**
 * Slices of one Service that changed in another order than they are told in were never so together: one slice each. That a pod
 * was said to end before it vanished may be told too late: none is held.
 */
export const ONE_SLICE_EACH = {
  config: { records: { moveWindow: '0s' } },
  prepare(world: StoryWorld): void {
    cluster = new RandomCluster(world, { slices: 1 })
  },
}

export const UNAUDITED = {
  ...SOME,
  kubernetes: ({ url }: { url: string }) => ({ endpoint: url, auditInterval: '0s' }),
}

export const isWatch = ({ query }: RecordedRequest) => query.has('watch')
export const isList = (request: RecordedRequest) => !isWatch(request) || request.query.has('sendInitialEvents')
export const failure = (status: number, reason: string, headers: Record<string, string> = {}, message = reason) =>
  ({ kind: 'status', status, body: statusOf(status, reason, message), headers }) as const
