/**
 * The README's figures, made from the newest result of each measure. Layer: bench.
 * They stand between two marks; what is outside them is never touched.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MEASURES } from './options.ts'
import { markdown, newestResult, tidy } from './results.ts'

const README = join(import.meta.dirname, '..', 'README.md')
const OPEN = '<!-- bench -->'
const CLOSE = '<!-- /bench -->'

/** @throws Error when there are no results, or the README has no marks */
export function writeReadme(): void {
  const results = MEASURES.map(newestResult).filter(result => result !== undefined)
  if (results.length === 0) throw new Error('there are no results yet: run a measure first')
  const parts = results.map(({ tables, command, date, commit, machine, versions }) => {
    const facts = Object.entries({ ...machine, ...versions }).map(([key, value]) => `${key} ${value}`)
    return `${tables.map(markdown).join('\n')}\n\`${command}\`, ${date.slice(0, 10)}, commit ${commit}; ${facts.join('; ')}.\n`
  })
  const text = readFileSync(README, 'utf8')
  const open = text.indexOf(OPEN)
  const close = text.indexOf(CLOSE)
  if (open < 0 || close < open) throw new Error(`README.md has no place for figures: put ${OPEN} and ${CLOSE} into it`)
  writeFileSync(README, `${text.slice(0, open + OPEN.length)}\n\n${parts.join('\n')}\n${text.slice(close)}`)
  tidy(README)
}
