/**
 * Go's regular expressions, as Corefiles have them → JavaScript's. Layer: corefile; pure.
 */

/** What JavaScript knows not, or reads as something else, without an error. */
const GO_ALONE = /\\[AzQEpPCa]|\[\[:|\(\?[a-zA-Z]*[-imsU][a-zA-Z-]*[:)]/

/** @returns undefined: it has something that means another thing, or nothing, in JavaScript */
export function patternOf(go: string): string | undefined {
  // Names are compared in any case anyhow.
  const text = go.replace(/^\(\?i\)/, '').replaceAll('(?P<', '(?<')
  return GO_ALONE.test(text) ? undefined : text
}

export const GO_SYNTAX =
  'Its expression has what only Go knows, such as \\pL, \\z or (?s): write it anew as one of JavaScript'

/** A text that an expression is to find as it is. */
export function quotePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}

/** A text in which `$` stands for no group. */
export function quoteReplacement(text: string): string {
  return text.replaceAll('$', '$$$$')
}
