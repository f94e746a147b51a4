/**
 * A Corefile's text → words with their lines. Layer: corefile; pure.
 * Words are parted by white space; `#` outside quotes begins a comment, inside a word too; a word that begins with `"` ends at
 * the next `"`, may hold line ends, and knows `\"` alone as an escape.
 */

import { CorefileError, type Place } from './corefile-error.ts'

export interface Token extends Place {
  readonly text: string
  /** It is the first of its line. */
  readonly startsLine: boolean
}

/** @throws CorefileError when a quote is not closed */
export function readTokens(file: string, text: string): Token[] {
  const tokens: Token[] = []
  const pattern = /"((?:\\[\s\S]|[^"\\])*)("?)|[^\s#]+|#.*|\n/g
  let line = 1
  let startsLine = true
  pattern.lastIndex = text.startsWith('\ufeff') ? 1 : 0
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    const [word, quoted, end] = match
    if (word === '\n') {
      line++
      startsLine = true
    } else if (!word.startsWith('#')) {
      if (end === '') throw new CorefileError({ file, line }, 'a quote (") is opened here and never closed')
      tokens.push({ file, line, startsLine, text: quoted?.replaceAll('\\"', '"') ?? word })
      startsLine = false
      if (quoted !== undefined) line += quoted.split('\n').length - 1
    }
  }
  return tokens
}
