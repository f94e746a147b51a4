/**
 * The command `import-corefile`. Layer: cli. The configuration goes to standard output, what became of the rest to standard error.
 */

import { globSync, readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { resolveConfig } from '../control/config-resolve.ts'
import { validate } from '../control/config-schema.ts'
import { reverseZonesOf } from '../control/reverse-zones.ts'
import type { Finding } from '../corefile/finding.ts'
import { type ImportTools, importCorefile } from '../corefile/import-corefile.ts'
import { group, oneLine, VERDICTS } from '../corefile/print.ts'
import type { Io } from './main.ts'

/** Something that answers depend on has no equivalent; apart from 2, which is wrong usage. */
const STATUS_DIFFERS = 3
const MAX_FILE_OCTETS = 1 << 20
/** At one time: what is refused is taken out, and the rest looked at again. */
const MAX_PROBLEMS = 1000

/** @returns 0 when answers stay the same; 3 when not, or with `strict` when anything has no equivalent */
export function runImportCorefile(file: string, strict: boolean, io: Io): number {
  const text = readText(file)
  if (typeof text !== 'string') throw new Error(`${file}: cannot be read: ${text.why}`)
  const { config, findings } = importCorefile(file, text, toolsOf(process.env))
  io.out(config)
  io.err(formatFindings(findings))
  const counts = ({ verdict }: Finding) => verdict === 'changesAnswers' || (strict && verdict === 'leftOut')
  return findings.some(counts) ? STATUS_DIFFERS : 0
}

export function toolsOf(env: Readonly<Record<string, string | undefined>>): ImportTools {
  return {
    reverseZonesOf,
    env: name => env[name],
    problemsOf(raw) {
      const values = validate(raw, MAX_PROBLEMS)
      if (Array.isArray(values)) return values
      const surroundings = { directory: '/', isInPod: false, nodeName: '' }
      return resolveConfig(values, '/', surroundings, false).problems
    },
    readImport(pattern, from) {
      const path = resolve(dirname(from), pattern)
      const isPattern = /[*?[\]]/.test(path)
      const files: { file: string; text: string }[] = []
      for (const match of isPattern ? globSync(path).toSorted() : [path]) {
        const text = readText(match)
        if (typeof text !== 'string') return text.why
        files.push({ file: match, text })
      }
      return files
    },
  }
}

function readText(path: string): string | { readonly why: string } {
  try {
    const { size } = statSync(path)
    if (size > MAX_FILE_OCTETS) return { why: 'it is over 1 MiB' }
    return readFileSync(path, 'utf8')
  } catch (error) {
    return { why: (error as Error).message }
  }
}

/** A table: where, the directive, what became of it, what it did and what to do instead. */
function formatFindings(findings: readonly Finding[]): string {
  if (findings.length === 0) return ''
  const rows = group(findings).map(({ where, finding: { text, verdict, did, instead } }) => {
    return [where, oneLine(text, 50), VERDICTS[verdict], oneLine(`${did} ${instead}`)]
  })
  const table = [['WHERE', 'DIRECTIVE', 'HERE', 'WHAT IT DID; WHAT TO DO'], ...rows]
  const widths = [0, 1, 2].map(column => Math.max(...table.map(row => row[column]!.length)))
  const lines = table.map(row => row.map((cell, i) => (i < 3 ? cell.padEnd(widths[i]!) : cell)).join('  '))
  return `${lines.join('\n')}\n`
}
