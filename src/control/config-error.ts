/**
 * A configuration that cannot be used: everything wrong with it, at once. Layer: control.
 */

export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly code = 'ERR_CONFIG_INVALID'
  /** One sentence each, with the key it is about. */
  readonly problems: readonly string[]

  constructor(problems: readonly string[], file?: string) {
    super(
      `the configuration${file === undefined ? '' : ` ${file}`} cannot be used:\n${problems.map(problem => `  ${problem}`).join('\n')}`,
    )
    this.problems = problems
  }
}
