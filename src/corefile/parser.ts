/**
 * Words without imports → server blocks and their directives. Layer: corefile; pure.
 * Which plugins there are is not known here. What CoreDNS would refuse for its braces alone, such as a block on one line, is read
 * as it was meant.
 */

import { CorefileError } from './corefile-error.ts'
import type { Directive, ServerBlock } from './directive.ts'
import type { Token } from './lexer.ts'

const MAX_DEPTH = 16

/** @throws CorefileError when braces do not match, a block has no name, or blocks are nested too deep */
export function parseBlocks(tokens: readonly Token[]): ServerBlock[] {
  const reader = new Reader(tokens)
  const blocks: ServerBlock[] = []
  while (reader.next !== undefined) blocks.push(readBlock(reader))
  return blocks
}

class Reader {
  private readonly tokens: readonly Token[]
  private at = 0

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens
  }

  get next(): Token | undefined {
    return this.tokens[this.at]
  }

  /** Only when there is a next one. */
  take(): Token {
    return this.tokens[this.at++]!
  }
}

function readBlock(reader: Reader): ServerBlock {
  const first = reader.next!
  const keys: string[] = []
  let goesOn = true
  while (reader.next !== undefined && reader.next.text !== '{' && goesOn) {
    const { text } = reader.take()
    if (text === '}') throw new CorefileError(first, 'a closing brace without an opening one')
    if (text !== '' && text !== ',') keys.push(text.replace(/,$/, ''))
    // A comma says that another follows, on the next line too.
    goesOn = text.endsWith(',') || !startsLine(reader)
  }
  if (keys.length === 0) throw new CorefileError(first, 'a server block needs a name, such as ".:53", before its brace')
  const { file, line } = first
  // One server alone needs no braces.
  if (reader.next?.text !== '{') return { file, line, keys, plugins: readLines(reader, undefined, 0) }
  return { file, line, keys, plugins: readLines(reader, reader.take(), 0) }
}

/** @param brace the one that was opened; undefined: up to the end of all */
function readLines(reader: Reader, brace: Token | undefined, depth: number): Directive[] {
  if (depth > MAX_DEPTH) throw new CorefileError(brace!, `blocks are nested more than ${MAX_DEPTH} deep`)
  const lines: Directive[] = []
  while (reader.next !== undefined) {
    const first = reader.take()
    if (first.text === '}') {
      if (brace === undefined) throw new CorefileError(first, 'a closing brace without an opening one')
      return lines
    }
    if (first.text === '{') throw new CorefileError(first, 'a brace is opened where a directive is expected')
    lines.push(readDirective(reader, first, depth))
  }
  if (brace !== undefined) throw new CorefileError(brace, 'this brace is never closed')
  return lines
}

function readDirective(reader: Reader, { text: name, file, line }: Token, depth: number): Directive {
  const args: string[] = []
  while (reader.next !== undefined && !startsLine(reader) && reader.next.text !== '}') {
    const token = reader.take()
    if (token.text === '{') return { file, line, name, args, body: readLines(reader, token, depth + 1) }
    args.push(token.text)
  }
  return { file, line, name, args, body: [] }
}

function startsLine(reader: Reader): boolean {
  return reader.next?.startsLine ?? true
}
