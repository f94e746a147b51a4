/**
 * Words of a Corefile → words without imports, snippets and variables. Layer: corefile; files come from an injected reader.
 * A snippet, `(NAME) { … }` outside server blocks, takes the place of each later `import NAME`; any other import is a file or a
 * pattern. Bounded in depth, number and size, since each import may hold others.
 */

import { CorefileError, type Place } from './corefile-error.ts'
import { substitute } from './environment.ts'
import type { Finding } from './finding.ts'
import { readTokens, type Token } from './lexer.ts'

export interface Sources {
  /**
   * @param pattern a path or a pattern with `*` or `?`, as written
   * @param from the file in which it stands
   * @returns what matches, in order; a reason when it cannot be read
   */
  readImport(pattern: string, from: string): readonly { readonly file: string; readonly text: string }[] | string
  env(name: string): string | undefined
}

const MAX_DEPTH = 16
/** As CoreDNS: what it takes, we take. */
const MAX_IMPORTS = 1000
const MAX_TOKENS = 100_000
const MAX_CHARACTERS = 4 << 20
const TOO_LARGE = `with its imports it is larger than ${MAX_TOKENS} words or ${MAX_CHARACTERS >> 20} MiB`

/** @throws CorefileError for cycles, snippets that do not end or come twice, and what is beyond the bounds */
export function expandImports(file: string, text: string, sources: Sources): { tokens: Token[]; findings: Finding[] } {
  const expansion = new Expansion(sources)
  expansion.addFile(file, text, [])
  return expansion
}

class Expansion {
  readonly tokens: Token[] = []
  readonly findings: Finding[] = []
  private readonly sources: Sources
  private readonly snippets = new Map<string, readonly Token[]>()
  private imports = 0
  private characters = 0
  /** Braces that are open. */
  private nesting = 0

  constructor(sources: Sources) {
    this.sources = sources
  }

  addFile(file: string, text: string, chain: readonly string[]): void {
    this.count({ file, line: 1 }, text.length)
    this.add(readTokens(file, text), [...chain, file])
  }

  /** @param chain the files and snippets that these words are inside of */
  private add(tokens: readonly Token[], chain: readonly string[]): void {
    for (let i = 0; i < tokens.length; i++) {
      const token = tokens[i]!
      if (token.startsLine && token.text === 'import') {
        const end = endOfLine(tokens, i + 1)
        this.import(token, tokens.slice(i + 1, end), chain)
        i = end - 1
      } else if (this.nesting === 0 && token.startsLine && isSnippet(token, tokens[i + 1])) {
        i = this.define(token, tokens, i + 2)
      } else {
        this.push(token)
      }
    }
  }

  private push(token: Token): void {
    const text = this.replaceVariables(token)
    this.count(token, text.length)
    if (text === '{') this.nesting++
    if (text === '}') this.nesting--
    this.tokens.push(text === token.text ? token : { ...token, text })
    if (this.tokens.length > MAX_TOKENS) throw new CorefileError(token, TOO_LARGE)
  }

  private count(place: Place, characters: number): void {
    this.characters += characters
    if (this.characters > MAX_CHARACTERS) throw new CorefileError(place, TOO_LARGE)
  }

  /** @returns the index of the closing brace */
  private define({ text, file, line }: Token, tokens: readonly Token[], start: number): number {
    const name = text.slice(1, -1)
    if (this.snippets.has(name)) throw new CorefileError({ file, line }, `the snippet (${name}) is defined twice`)
    let depth = 1
    let end = start
    for (; end < tokens.length; end++) {
      if (tokens[end]!.text === '{') depth++
      if (tokens[end]!.text === '}' && --depth === 0) break
    }
    if (depth > 0) throw new CorefileError({ file, line }, `the snippet (${name}) has no closing brace`)
    const [first, ...rest] = tokens.slice(start, end)
    this.snippets.set(name, first === undefined ? [] : [{ ...first, startsLine: true }, ...rest])
    return end
  }

  private import(at: Token, words: readonly Token[], chain: readonly string[]): void {
    const [target = '', ...args] = words.map(word => this.replaceVariables(word))
    if (target === '') throw new CorefileError(at, 'import needs the name of a snippet or a file')
    if (++this.imports > MAX_IMPORTS) throw new CorefileError(at, `there are more than ${MAX_IMPORTS} imports`)
    if (chain.length > MAX_DEPTH) throw new CorefileError(at, `imports are nested more than ${MAX_DEPTH} deep`)
    if (args.length > 0) {
      const did = 'CoreDNS takes no arguments after the name of an import and would not start.'
      this.note(at, words, did, 'They were put where {args.0}, {args[0]} and so on stand, as Caddy does.')
    }
    const snippet = this.snippets.get(target)
    if (snippet !== undefined) {
      const name = `(${target})`
      if (chain.includes(name)) throw new CorefileError(at, `the snippet ${name} imports itself`)
      this.add(withArguments(snippet, args), [...chain, name])
      return
    }
    const files = this.sources.readImport(target, at.file)
    if (typeof files === 'string') {
      const did = `It put the content of ${target} here, which cannot be read: ${files}.`
      this.note(
        at,
        words,
        did,
        'Put the file there and import again: what it holds is not in this configuration.',
        true,
      )
      return
    }
    if (files.length === 0) {
      const did = `It put the files that match ${target} here; there are none, which CoreDNS allows too.`
      this.note(at, words, did, 'If there are such files where CoreDNS runs, put them there and import again.')
    }
    for (const { file, text } of files) {
      if (chain.includes(file)) throw new CorefileError(at, `${file} imports itself`)
      this.addFile(file, text, chain)
    }
  }

  private replaceVariables(token: Token): string {
    if (!token.text.includes('{')) return token.text
    const { text, unset, defaulted } = substitute(token.text, this.sources.env)
    for (const name of unset) {
      const instead = `Import again with the environment that CoreDNS runs with: ${name}=VALUE headless-dns import-corefile FILE.`
      this.note(
        token,
        [],
        `It stood for the variable ${name}, which is not set here and was read as empty.`,
        instead,
        true,
      )
    }
    for (const name of defaulted) {
      const did = `The variable ${name} is not set here, and what follows the colon was taken.`
      this.note(token, [], did, 'CoreDNS knows no defaults: it takes all of it for the name of a variable.')
    }
    return text
  }

  private note(
    { file, line, text }: Token,
    words: readonly Token[],
    did: string,
    instead: string,
    changes = false,
  ): void {
    const verdict = changes ? 'changesAnswers' : 'leftOut'
    this.findings.push({ file, line, text: [text, ...words.map(word => word.text)].join(' '), verdict, did, instead })
  }
}

function isSnippet({ text }: Token, next: Token | undefined): boolean {
  return text.startsWith('(') && text.endsWith(')') && next?.text === '{'
}

function endOfLine(tokens: readonly Token[], start: number): number {
  let end = start
  while (end < tokens.length && !tokens[end]!.startsLine) end++
  return end
}

function withArguments(tokens: readonly Token[], args: readonly string[]): readonly Token[] {
  if (args.length === 0) return tokens
  const value = (_: string, dotted?: string, indexed?: string) => args[Number(dotted ?? indexed)] ?? ''
  return tokens.map(token => ({
    ...token,
    text: token.text.replace(/\{args\.(\d{1,4})\}|\{args\[(\d{1,4})\]\}/g, value),
  }))
}
