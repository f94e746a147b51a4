/**
 * What a comparison has found, for people and for programs. Layer: compare; pure.
 * Nothing that a server sent gets here unescaped: records come as presentation format.
 */

import { differencesOf, isSilence, type Outcome } from './answers.ts'
import type { RunResult } from './run.ts'
import type { Example, Group, Tally, TtlRange } from './tally.ts'

export interface Report {
  readonly here: string
  readonly there: string
  readonly tally: Tally
  readonly result: RunResult
  readonly seconds: number
  /** Lines of lists that were not asked, and why. */
  readonly skipped: number
}

const NOT_COMPARED =
  'the order of records, TTLs, the serial and minimum of SOA, RA, AD, EDNS; names that only the other server holds are asked for with --questions alone'
/** Records of one section of an example. */
const MAX_RECORDS = 6

export function formatReport(report: Report): string {
  const { tally, result, skipped } = report
  const { same, explained, unexplained } = tally.verdicts
  const asked = same + explained + unexplained
  const origins = Object.entries(tally.asked).filter(([, count]) => count > 0)
  const groups = [...tally.groups.values()].sort((a, b) => b.count - a.count)
  const open = groups.filter(({ kind }) => kind !== 'explained')
  const known = groups.filter(({ kind }) => kind === 'explained')
  const cut = result.isCut ? ['', '  Not all was asked.'] : []
  const lines = [
    `${report.here} (here) and ${report.there} (there): ${count(asked)} questions in ${report.seconds.toFixed(1)} s`,
    `  from ${origins.map(([origin, number]) => `the ${origin}: ${count(number)}`).join(', ') || 'nothing'}${skipped > 0 ? `; ${count(skipped)} lines of lists were not understood, or too many` : ''}`,
    '',
    `  ${count(same)} answered alike${tally.settled > 0 ? ` (${count(tally.settled)} of all only when asked again: changes on their way, or a cache)` : ''}`,
    `  ${count(explained)} differ for reasons that are known, and are right here`,
    `  ${count(unexplained)} differ otherwise`,
    ...cut,
    ...section('Differences to look at', open),
    ...section('Known differences', known),
    '',
    `TTL, s: ${formatTtls('here', tally)}; ${formatTtls('there', tally)}`,
    `Not compared: ${NOT_COMPARED}`,
  ]
  return lines.map(line => `${line}\n`).join('')
}

export function formatJson(report: Report): string {
  const { here, there, tally, result, seconds, skipped } = report
  const groups = [...tally.groups.values()].sort((a, b) => b.count - a.count)
  const whole = {
    here,
    there,
    seconds: Number(seconds.toFixed(3)),
    complete: !result.isCut,
    asked: tally.asked,
    skippedLines: skipped,
    ...tally.verdicts,
    settled: tally.settled,
    ttls: tally.ttls,
    groups,
  }
  return `${JSON.stringify(whole, undefined, 2)}\n`
}

function section(title: string, groups: readonly Group[]): string[] {
  if (groups.length === 0) return []
  return ['', title, ...groups.flatMap(formatGroup)]
}

function formatGroup({ name, says, because, count: number, examples }: Group): string[] {
  return [
    '',
    `  ${count(number)} × ${name}${says === name ? '' : `: ${says}`}`,
    ...(because === '' ? [] : [`      ${because}`]),
    ...examples.flatMap(formatExample),
  ]
}

/** Both answers, of long ones what differs. */
function formatExample({ question, here, there }: Example): string[] {
  const head = `      ${question.name} ${question.type}`
  const differences = isSilence(here) || isSilence(there) ? [] : differencesOf(here, there)
  const onlyIn = (side: 'here' | 'there') =>
    differences
      .filter(({ part }) => part !== 'rcode' && part !== 'authoritative')
      .flatMap(difference => difference[side].map(text => `${difference.part}: ${text}`))
  return [head, ...sideLines('here ', here, onlyIn('here')), ...sideLines('there', there, onlyIn('there'))]
}

function sideLines(side: string, outcome: Outcome, records: readonly string[]): string[] {
  if (isSilence(outcome)) return [`        ${side}  ${outcome.silence}`]
  const { rcode, answers, isAuthoritative, isTruncated } = outcome
  const flags = `${isAuthoritative ? ' AA' : ''}${isTruncated ? ' TC' : ''}`
  const more = records.length > MAX_RECORDS ? [`               … and ${records.length - MAX_RECORDS} more`] : []
  return [
    `        ${side}  ${rcode}${flags}, ${answers.length} record${answers.length === 1 ? '' : 's'}`,
    ...records.slice(0, MAX_RECORDS).map(text => `               ${text}`),
    ...more,
  ]
}

function formatTtls(side: 'here' | 'there', { ttls }: Tally): string {
  const { answers, negative } = ttls[side]
  return `${side} ${range(answers)}, negative ${range(negative)}`
}

function range(ttls: TtlRange | undefined): string {
  if (ttls === undefined) return '–'
  return ttls.least === ttls.most ? String(ttls.least) : `${ttls.least} to ${ttls.most}`
}

function count(number: number): string {
  return number.toLocaleString('en-US')
}

const BAR_CHARACTERS = 20

/** One line, for a terminal. */
export function formatProgress(total: number, { verdicts, waiting }: Tally): string {
  const done = verdicts.same + verdicts.explained + verdicts.unexplained
  const share = total === 0 ? 1 : Math.min(1, done / total)
  const filled = Math.round(share * BAR_CHARACTERS)
  const bar = `${'█'.repeat(filled)}${'░'.repeat(BAR_CHARACTERS - filled)}`
  const found = `known: ${count(verdicts.explained)}  to look at: ${count(verdicts.unexplained)}`
  const again = waiting > 0 ? `  to be asked again: ${count(waiting)}` : ''
  return `${bar} ${Math.floor(share * 100)} %  ${count(done)} of ${count(total)}  ${found}${again}`
}
