import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Answer } from '../../../src/compare/answers.ts'
import { Names } from '../../../src/compare/names.ts'
import type { Question } from '../../../src/compare/questions.ts'
import { formatJson, formatProgress, formatReport, type Report } from '../../../src/compare/report.ts'
import { Tally } from '../../../src/compare/tally.ts'

const names = new Names(
  new Map([
    ['z.', ['SOA']],
    ['a.z.', []],
  ]),
)
const soa = { owner: 'z.', type: 'SOA', ttl: 30, data: 'ns. h. 1 2 3 4 30' }
const answer = (rcode: string, ...addresses: string[]): Answer => ({
  rcode,
  isAuthoritative: true,
  isTruncated: false,
  answers: addresses.map(data => ({ owner: 'a.z.', type: 'A', ttl: 5, data })),
  authority: addresses.length === 0 ? [soa] : [],
  additional: [],
})

function reportOf(pairs: readonly [Answer, Answer][], more: Partial<Report> = {}): Report {
  const tally = new Tally(names, 1)
  const question: Question = { name: 'a.z.', type: 'A', origin: 'index' }
  for (const [here, there] of pairs) tally.add(question, here, there, tally.judge(question, here, there))
  return {
    here: '127.0.0.1:1053',
    there: '10.96.0.10',
    tally,
    result: { isCut: false },
    seconds: 1.25,
    skipped: 0,
    ...more,
  }
}

const PAIRS: readonly [Answer, Answer][] = [
  [answer('NOERROR', '10.0.0.1'), answer('NOERROR', '10.0.0.1')],
  [answer('NOERROR'), answer('NXDOMAIN')],
  [answer('NOERROR', '10.0.0.1'), answer('NOERROR', '10.0.0.2')],
  [answer('NOERROR', '10.0.0.1'), answer('NOERROR', '10.0.0.3')],
]

describe('the report', () => {
  it('counts, tells causes with one example of both answers, what to look at first', () => {
    const text = formatReport(reportOf(PAIRS, { skipped: 1200 }))
    assert.equal(
      text.split('\nTTL')[0],
      `127.0.0.1:1053 (here) and 10.96.0.10 (there): 4 questions in 1.3 s
  from the index: 4; 1,200 lines of lists were not understood, or too many

  1 answered alike
  1 differ for reasons that are known, and are right here
  2 differ otherwise

Differences to look at

  2 × A: records here, records there, the answer differ
      nothing known explains it
      a.z. A
        here   NOERROR AA, 1 record
               answer: a.z. A 10.0.0.1
        there  NOERROR AA, 1 record
               answer: a.z. A 10.0.0.2

Known differences

  1 × empty-non-terminal: a name that exists without data of the type: no data here, NXDOMAIN in CoreDNS (#21)
      RFC 8020 §2: a name with names below it, or with data of another type, exists
      a.z. A
        here   NOERROR AA, 0 records
        there  NXDOMAIN AA, 0 records
`,
    )
    assert.match(text, /^TTL, s: here 5, negative 30; there 5, negative 30$/m)
  })

  it('says when not all was asked, and nothing of what there is none', () => {
    const text = formatReport(reportOf([], { result: { isCut: true } }))
    assert.match(text, /Not all was asked/)
    assert.doesNotMatch(text, /Known differences|to look at/)
  })

  it('for programs: the same, as JSON', () => {
    const { same, explained, unexplained, complete, groups } = JSON.parse(formatJson(reportOf(PAIRS)))
    assert.deepEqual(
      { same, explained, unexplained, complete },
      { same: 1, explained: 1, unexplained: 2, complete: true },
    )
    assert.deepEqual(
      groups.map(({ kind, count, examples }: { kind: string; count: number; examples: unknown[] }) => [
        kind,
        count,
        examples.length,
      ]),
      [
        ['unexplained', 2, 1],
        ['explained', 1, 1],
      ],
    )
  })

  it('its size does not grow with what differs', () => {
    const many = Array.from({ length: 500 }, (_, i): [Answer, Answer] => [
      answer('NOERROR', '10.0.0.1'),
      answer(`RCODE${i}`),
    ])
    const { tally } = reportOf(many)
    assert.ok(tally.groups.size <= 101)
    assert.equal(tally.groups.get('more')?.count, 400)
    assert.equal(tally.verdicts.unexplained, 500)
  })

  it('progress is one line', () => {
    const { tally } = reportOf(PAIRS)
    tally.waiting = 3
    assert.equal(
      formatProgress(8, tally),
      '██████████░░░░░░░░░░ 50 %  4 of 8  known: 1  to look at: 2  to be asked again: 3',
    )
    assert.match(formatProgress(0, new Tally(names, 0)), /100 %/)
  })
})
