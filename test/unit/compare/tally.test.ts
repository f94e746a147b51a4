import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Answer, Outcome, RecordText } from '../../../src/compare/answers.ts'
import { CAUSES } from '../../../src/compare/causes.ts'
import { Names } from '../../../src/compare/names.ts'
import type { Question } from '../../../src/compare/questions.ts'
import { Tally } from '../../../src/compare/tally.ts'

const WEB = 'web.ns.svc.cluster.local.'
const names = new Names(
  new Map([
    ['cluster.local.', ['SOA', 'NS']],
    ['in-addr.arpa.', ['SOA', 'NS']],
    [WEB, ['A', 'SRV']],
    [`_tcp.${WEB}`, []],
    [`_http._tcp.${WEB}`, ['SRV']],
    [`a.${WEB}`, ['A']],
    ['out.ns.svc.cluster.local.', ['CNAME']],
    [`10-0-0-1.${WEB}`, ['A', 'SRV']],
    [`fd00--1.${WEB}`, ['AAAA']],
    ['ip6.arpa.', ['SOA']],
    ['1.0.0.10.in-addr.arpa.', ['PTR']],
  ]),
)

/** `owner TYPE data` or `TYPE data`, then at the question's name. */
interface Said {
  readonly rcode?: string
  readonly an?: readonly string[]
  readonly ad?: readonly string[]
  readonly soa?: boolean
  readonly aa?: boolean
  readonly tc?: boolean
}

function answer({ rcode = 'NOERROR', an = [], ad = [], soa, aa = true, tc = false }: Said): Answer {
  const parse = (text: string): RecordText => {
    const [owner = '', type = '', ...data] = text.split(' ')
    return { owner, type, ttl: 5, data: data.join(' ') }
  }
  const isNegative = soa ?? an.length === 0
  const data = 'ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5'
  const authority = isNegative ? [{ owner: 'cluster.local.', type: 'SOA', ttl: 5, data }] : []
  return { rcode, isAuthoritative: aa, isTruncated: tc, answers: an.map(parse), authority, additional: ad.map(parse) }
}

const NO_DATA: Said = {}
const DENIED: Said = { rcode: 'NXDOMAIN' }

function judge(question: string, here: Said, there: Said, proof?: Outcome) {
  const [name = '', type = ''] = question.split(' ')
  const asked: Question = { name, type, origin: 'index' }
  return new Tally(names, 1).judge(asked, answer(here), answer(there), proof)
}

/** Cause → question, what is said here, and there. */
const CASES: readonly [cause: string, question: string, here: Said, there: Said, proof?: Outcome][] = [
  ['not-ready', `${WEB} A`, { an: [`${WEB} A 10.0.0.1`] }, { rcode: 'SERVFAIL', soa: false, aa: false }],
  [
    'not-forwarded',
    'example.org. A',
    { rcode: 'REFUSED', soa: false, aa: false },
    { an: ['example.org. A 192.0.2.1'] },
  ],
  ['any', `${WEB} ANY`, { an: [`${WEB} HINFO "RFC8482" ""`] }, NO_DATA],
  ['direct-names', 'web.ns.direct.cluster.local. A', { an: ['web.ns.direct.cluster.local. A 10.0.0.1'] }, DENIED],
  ['zonal-names', `_zone.${WEB} A`, NO_DATA, DENIED],
  [
    'own-names',
    'ns.dns.cluster.local. A',
    { an: ['ns.dns.cluster.local. A 10.9.0.1'] },
    { an: ['ns.dns.cluster.local. A 10.9.0.2'] },
  ],
  ['own-names', 'cluster.local. NS', { an: ['cluster.local. NS ns.dns.cluster.local.'] }, NO_DATA],
  ['text-at-empty-name', 'cluster.local. TXT', NO_DATA, DENIED],
  ['empty-non-terminal', `_tcp.${WEB} A`, NO_DATA, DENIED],
  ['port-name-addresses', `_http._tcp.${WEB} A`, NO_DATA, { an: [`_http._tcp.${WEB} A 10.0.0.1`] }],
  ['port-name-wildcard', `_._tcp.${WEB} SRV`, DENIED, { an: [`_._tcp.${WEB} SRV 0 100 80 a.${WEB}`] }],
  [
    'below-pod-name',
    'x.10-0-0-1.ns.pod.cluster.local. A',
    DENIED,
    { an: ['x.10-0-0-1.ns.pod.cluster.local. A 10.0.0.1'] },
  ],
  [
    'pod-name-srv',
    '10-0-0-1.ns.pod.cluster.local. SRV',
    NO_DATA,
    { an: ['10-0-0-1.ns.pod.cluster.local. SRV 0 100 0 x.'] },
  ],
  ['pod-names-off', '10-0-0-1.ns.pod.cluster.local. A', DENIED, { an: ['10-0-0-1.ns.pod.cluster.local. A 10.0.0.1'] }],
  ['namespace-without-services', 'empty.svc.cluster.local. A', DENIED, NO_DATA],
  [
    'alias-forgotten',
    'out.ns.svc.cluster.local. AAAA',
    { an: [`out.ns.svc.cluster.local. CNAME ${WEB}`], soa: true },
    NO_DATA,
  ],
  [
    'alias-not-followed',
    'out.ns.svc.cluster.local. A',
    { an: ['out.ns.svc.cluster.local. CNAME example.org.'] },
    { an: ['out.ns.svc.cluster.local. CNAME example.org.', 'example.org. A 192.0.2.1'] },
  ],
  [
    'pointers-of-one-service',
    '1.0.0.10.in-addr.arpa. PTR',
    { an: [`1.0.0.10.in-addr.arpa. PTR ${WEB}`, `1.0.0.10.in-addr.arpa. PTR a.${WEB}`] },
    { an: [`1.0.0.10.in-addr.arpa. PTR ${WEB}`] },
  ],
  [
    'pointer-to-nothing',
    '9.0.0.10.in-addr.arpa. PTR',
    DENIED,
    { an: ['9.0.0.10.in-addr.arpa. PTR gone.ns.svc.cluster.local.'] },
    answer(DENIED),
  ],
  [
    'pointer-to-unknown',
    '9.0.0.10.in-addr.arpa. PTR',
    DENIED,
    { an: ['9.0.0.10.in-addr.arpa. PTR gone.ns.svc.cluster.local.'] },
    answer({ an: ['gone.ns.svc.cluster.local. A 10.0.0.9'] }),
  ],
  [
    'dotted-pod-names',
    `_http._tcp.${WEB} SRV`,
    { an: [`_http._tcp.${WEB} SRV 0 50 80 10-0-0-1.${WEB}`, `_http._tcp.${WEB} SRV 0 50 80 a.${WEB}`] },
    { an: [`_http._tcp.${WEB} SRV 0 50 80 a.${WEB}`, `_http._tcp.${WEB} SRV 0 50 80 pod.with.dots.${WEB}`] },
  ],
  [
    'dotted-pod-names',
    `10-0-0-1.${WEB} A`,
    { an: [`10-0-0-1.${WEB} A 10.0.0.1`] },
    DENIED,
    answer({ an: [`1.0.0.10.in-addr.arpa. PTR pod.with.dots.${WEB}`] }),
  ],
  [
    'dotted-pod-names',
    `fd00--1.${WEB} AAAA`,
    { an: [`fd00--1.${WEB} AAAA fd00::1`] },
    DENIED,
    answer({ an: [`x.ip6.arpa. PTR pod.with.dots.${WEB}`] }),
  ],
  ['zonal-names-of-nobody', 'z.pin._zone.gone.ns.svc.cluster.local. A', DENIED, NO_DATA],
  [
    'pod-name-spelling',
    'fd00--0.ns.pod.cluster.local. AAAA',
    { an: ['fd00--0.ns.pod.cluster.local. AAAA fd00::'] },
    DENIED,
  ],
  [
    'alias-forgotten',
    'out.ns.svc.cluster.local. SRV',
    { an: [`out.ns.svc.cluster.local. CNAME ${WEB}`, `${WEB} SRV 0 100 80 a.${WEB}`] },
    NO_DATA,
  ],
  [
    'endpoint-names',
    `_http._tcp.${WEB} SRV`,
    { an: [`_http._tcp.${WEB} SRV 0 100 80 a.${WEB}`] },
    { an: [`_http._tcp.${WEB} SRV 0 100 80 pod-x.${WEB}`] },
  ],
  [
    'srv-weights',
    `_http._tcp.${WEB} SRV`,
    { an: [`_http._tcp.${WEB} SRV 0 100 80 a.${WEB}`] },
    { an: [`_http._tcp.${WEB} SRV 0 50 80 a.${WEB}`] },
  ],
  [
    'glue',
    `_http._tcp.${WEB} SRV`,
    { an: [`_http._tcp.${WEB} SRV 0 100 80 a.${WEB}`] },
    { an: [`_http._tcp.${WEB} SRV 0 100 80 a.${WEB}`], ad: [`a.${WEB} A 10.0.0.1`] },
  ],
  ['too-many-records', `${WEB} A`, { an: [`${WEB} A 10.0.0.1`], tc: true }, { an: [`${WEB} A 10.0.0.2`], tc: true }],
  [
    'outside-authority',
    'example.org. A',
    { an: ['example.org. A 192.0.2.1'], aa: false },
    { an: ['example.org. A 192.0.2.1'] },
  ],
  ['outside-data', 'example.org. A', { an: ['example.org. A 192.0.2.1'] }, { an: ['example.org. A 192.0.2.2'] }],
]

describe('causes of differences', () => {
  for (const [name, question, here, there, proof] of CASES) {
    it(`${name}: ${question}`, () => {
      const { kind } = CAUSES.find(cause => cause.name === name)!
      const { verdict, groups } = judge(question, here, there, proof)
      assert.deepEqual(
        [verdict, groups.map(group => group.name)],
        [kind === 'explained' ? kind : 'unexplained', [name]],
      )
    })
  }

  it('every cause has a case', () => {
    assert.deepEqual(new Set(CASES.map(([name]) => name)), new Set(CAUSES.map(({ name }) => name)))
  })

  it('what no cause accounts for is not explained, however near it is to one', () => {
    const srv = (target: string, weight = 100) => [`_http._tcp.${WEB} SRV 0 ${weight} 80 ${target}.${WEB}`]
    const cases: [string, Said, Said][] = [
      // Other addresses, fewer, none.
      [`${WEB} A`, { an: [`${WEB} A 10.0.0.1`] }, { an: [`${WEB} A 10.0.0.2`] }],
      [`${WEB} A`, { an: [`${WEB} A 10.0.0.1`] }, { an: [`${WEB} A 10.0.0.1`, `${WEB} A 10.0.0.2`] }],
      [`${WEB} A`, { an: [`${WEB} A 10.0.0.1`] }, NO_DATA],
      [`${WEB} A`, NO_DATA, { an: [`${WEB} A 10.0.0.1`] }],
      [`${WEB} A`, { an: [`${WEB} A 10.0.0.1`] }, DENIED],
      // A name that this server says exists, and has nowhere.
      [`www.${WEB} A`, NO_DATA, DENIED],
      // A port that is in the index, not answered here.
      [`_http._tcp.${WEB} SRV`, DENIED, { an: srv('a') }],
      // Another port, another target beside the weight, glue that contradicts.
      [`_http._tcp.${WEB} SRV`, { an: srv('a') }, { an: [`_http._tcp.${WEB} SRV 0 100 81 a.${WEB}`] }],
      [`_http._tcp.${WEB} SRV`, { an: srv('a') }, { an: [...srv('a', 50), ...srv('b', 50)] }],
      [
        `_http._tcp.${WEB} SRV`,
        { an: srv('a'), ad: [`a.${WEB} A 10.0.0.1`] },
        { an: srv('a'), ad: [`a.${WEB} A 10.0.0.2`] },
      ],
      // Weights that say something.
      [`_http._tcp.${WEB} SRV`, { an: [...srv('a', 50), ...srv('b', 50)] }, { an: [...srv('a', 90), ...srv('b', 10)] }],
      // A PTR that only the other has, though its name is held here; and one that only this server has.
      ['9.0.0.10.in-addr.arpa. PTR', DENIED, { an: [`9.0.0.10.in-addr.arpa. PTR ${WEB}`] }],
      ['1.0.0.10.in-addr.arpa. PTR', { an: [`1.0.0.10.in-addr.arpa. PTR ${WEB}`] }, DENIED],
      // An alias that is not there, addresses of its target that are not there, zones of a Service that has endpoints.
      ['out.ns.svc.cluster.local. CNAME', { an: [`out.ns.svc.cluster.local. CNAME ${WEB}`] }, NO_DATA],
      ['out.ns.svc.cluster.local. A', { an: [`out.ns.svc.cluster.local. CNAME ${WEB}`, `${WEB} A 10.0.0.1`] }, NO_DATA],
      [`z.pin._zone.${WEB} A`, DENIED, NO_DATA],
      // A port that only the other has; a pod of a Service that only this one has.
      [`_other._tcp.${WEB} SRV`, DENIED, { an: [`_other._tcp.${WEB} SRV 0 100 81 a.${WEB}`] }],
      [
        '1.0.0.10.in-addr.arpa. PTR',
        { an: [`1.0.0.10.in-addr.arpa. PTR a.${WEB}`, '1.0.0.10.in-addr.arpa. PTR a.old.ns.svc.cluster.local.'] },
        { an: [`1.0.0.10.in-addr.arpa. PTR a.${WEB}`] },
      ],
      // An alias to another name.
      [
        'out.ns.svc.cluster.local. A',
        { an: [`out.ns.svc.cluster.local. CNAME ${WEB}`] },
        { an: ['out.ns.svc.cluster.local. CNAME x.'] },
      ],
      // Not from here on its own authority.
      [`${WEB} A`, { an: [`${WEB} A 10.0.0.1`] }, { an: [`${WEB} A 10.0.0.1`], aa: false }],
      ['example.org. A', { an: ['example.org. A 192.0.2.1'] }, { rcode: 'NXDOMAIN' }],
    ]
    for (const [question, here, there] of cases) {
      assert.equal(judge(question, here, there).verdict, 'unexplained', `${question} ${JSON.stringify([here, there])}`)
    }
  })

  it('a proof is asked for once, and silence proves nothing', () => {
    const [, question, here, there] = CASES.find(([name]) => name === 'pointer-to-nothing')!
    assert.deepEqual(judge(question, here, there).proof, {
      name: 'gone.ns.svc.cluster.local.',
      type: 'A',
      origin: 'index',
    })
    const endpoint = [`10-0-0-1.${WEB} A`, { an: [`10-0-0-1.${WEB} A 10.0.0.1`] }, DENIED] as const
    assert.equal(judge(...endpoint).proof?.name, '1.0.0.10.in-addr.arpa.')
    assert.equal(judge(...endpoint, answer(DENIED)).verdict, 'unexplained')
    assert.equal(judge(...endpoint, answer({ an: [`1.0.0.10.in-addr.arpa. PTR a.${WEB}`] })).verdict, 'unexplained')
    const unproven = judge(question, here, there, { silence: 'nothing' })
    assert.deepEqual([unproven.verdict, unproven.proof], ['unexplained', undefined])
  })

  it('order, TTLs and the serial and minimum of a SOA are no differences', () => {
    const soa = (serial: number, minimum: number) =>
      `cluster.local. SOA ns.dns.cluster.local. h. ${serial} 7200 1800 86400 ${minimum}`
    const cases: [string, Said, Said][] = [
      [
        `${WEB} A`,
        { an: [`${WEB} A 10.0.0.1`, `${WEB} A 10.0.0.2`] },
        { an: [`${WEB} A 10.0.0.2`, `${WEB} A 10.0.0.1`] },
      ],
      ['cluster.local. SOA', { an: [soa(1, 1)] }, { an: [soa(9, 30)] }],
    ]
    for (const [question, here, there] of cases) assert.equal(judge(question, here, there).verdict, 'same')
    const tally = new Tally(names, 1)
    const later = answer({ an: [`${WEB} A 10.0.0.1`] })
    const counted = { ...later, answers: later.answers.map(record => ({ ...record, ttl: 2 })) }
    assert.equal(tally.judge({ name: WEB, type: 'A', origin: 'index' }, later, counted).verdict, 'same')
    assert.deepEqual(
      [tally.ttls.here.answers, tally.ttls.there.answers],
      [
        { least: 5, most: 5 },
        { least: 2, most: 2 },
      ],
    )
  })
})
