/**
 * Errors that are for the operator, and how any error is said in one line. Layer: control.
 * An operator's error has a stable `code` and a message that tells what to do.
 */

/** A configuration that cannot be used: everything wrong with it, at once. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly code = 'ERR_CONFIG_INVALID'
  /** One sentence each: where (`FILE:LINE` or the flag), which key, what is wrong. */
  readonly problems: readonly string[]

  constructor(problems: readonly string[], cause?: unknown) {
    super(problems.join('\n'), { cause })
    this.problems = problems
  }
}

/** @returns what went wrong and, in one line, what that was caused by; never a stack */
export function sayError(error: unknown): string {
  const parts: string[] = []
  for (let at = error, depth = 0; at !== undefined && at !== null && depth < 5; depth++) {
    const message = at instanceof Error ? at.message || at.name : String(at)
    if (!parts.some(part => part.includes(message))) parts.push(message)
    at = at instanceof Error ? at.cause : undefined
  }
  return parts.join(': ')
}
