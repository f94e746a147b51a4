/**
 * What is said of a directive that has no key of its own in our configuration. Layer: corefile; types.
 */

import type { Place } from './corefile-error.ts'

/**
 * `builtIn`: done without being told. `leftOut`: it has no equivalent, and no answer depends on it.
 * `changesAnswers`: some answer may be another.
 */
export type Verdict = 'builtIn' | 'leftOut' | 'changesAnswers'

export interface Finding extends Place {
  /** The directive, as written. */
  readonly text: string
  readonly verdict: Verdict
  /** Sentences: what it did there; what to do here. */
  readonly did: string
  readonly instead: string
}

/** Verdict, what it did, what to do instead. */
export type Remark = readonly [Verdict, string, string]
