/**
 * A configuration that cannot be used: what is wrong with it, at once, of very much a part. Layer: control.
 */

export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly code = 'ERR_CONFIG_INVALID'
  /** One sentence each: where (`FILE:LINE`, or the flag), which key, what is wrong. */
  readonly problems: readonly string[]

  constructor(problems: readonly string[], cause?: unknown) {
    super(problems.join('\n'), { cause })
    this.problems = problems
  }
}
