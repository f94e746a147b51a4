/**
 * The command against real servers in this process: two of ours, which agree, or differ in one pod.
 */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { runCommand } from '../../../src/cli/main.ts'
import type { EndpointSlice, Service } from '../../../src/cluster/objects.ts'
import type { ClusterSink } from '../../../src/cluster/sink.ts'
import { clusterIP, headless, slice } from '../../support/answering.ts'
import { type Listening, startListening } from '../../support/running-server.ts'

const HTTP = { name: 'http', protocol: 'tcp', port: 80 }
/** A message over UDP holds their addresses, and not their SRVs. */
const PODS = 30

/** @param last address of the last pod */
function fill(last: string): (cluster: ClusterSink) => void {
  return cluster => {
    const services = cluster.open('Service').replaceAll()
    const objects: Service[] = [headless('web', 'default', [HTTP]), clusterIP('api', ['10.96.0.1'], 'default', [HTTP])]
    for (const object of objects) services.add(object)
    services.commit()
    const addresses = [...Array.from({ length: PODS - 1 }, (_, i) => `10.1.0.${i + 1}`), last]
    const slices = cluster.open('EndpointSlice').replaceAll()
    const all: EndpointSlice[] = [
      slice(
        'web',
        addresses.map(address => ({ address })),
        { ports: [HTTP] },
      ),
    ]
    for (const object of all) slices.add(object)
    slices.commit()
    cluster.flush()
  }
}

describe('the command compare', () => {
  let one: Listening
  let same: Listening
  let other: Listening
  const folder = mkdtempSync(join(tmpdir(), 'compare-'))

  before(async () => {
    const admin = { address: '127.0.0.1', port: 0 }
    ;[one, same, other] = await Promise.all([
      startListening('portable', fill('10.1.0.200'), {}, { admin }),
      startListening('portable', fill('10.1.0.200')),
      startListening('portable', fill('10.1.0.201')),
    ])
  })
  after(async () => {
    rmSync(folder, { recursive: true })
    await Promise.all([one, same, other].map(({ server }) => server.stop()))
  })

  async function compare(...args: string[]): Promise<{ code: number; out: string; err: string }> {
    const written = { out: '', err: '' }
    const io = { out: (text: string) => (written.out += text), err: (text: string) => (written.err += text) }
    return { code: await runCommand(['compare', ...args], io), ...written }
  }
  const at = ({ ipv4 }: Listening) => `127.0.0.1:${ipv4.port}`
  const here = () => ['--server', at(one), '--admin', `127.0.0.1:${one.server.adminAddress!.port}`, '--rate', '100000']

  it('two that agree: exit status 0; sets that only TCP holds are compared whole; what lists say besides is asked', async () => {
    const list = join(folder, 'list')
    // REFUSED by both; twice the same; no name; no types to be asked; asked already.
    const lines = [
      'example.org MX',
      'example.org MX',
      'not a name at all',
      'x AXFR',
      'y NOTYPE',
      'web.default.svc.cluster.local A',
    ]
    writeFileSync(list, lines.join('\n'))
    const { code, out, err } = await compare('--against', at(same), ...here(), '--json', '--questions', list)
    assert.deepEqual({ code, err }, { code: 0, err: '' }, out)
    const { same: alike, unexplained, explained, complete, asked, skippedLines } = JSON.parse(out)
    assert.deepEqual([unexplained, explained, complete], [0, 0, true])
    assert.deepEqual([asked.list, skippedLines], [1, 3])
    assert.equal(alike, asked.index + asked['search path'] + asked.list)
    // Each pod has a name, with A, AAAA and SRV, in svc and in direct, and a PTR.
    assert.ok(asked.index > 7 * PODS, `${asked.index} questions`)
  })

  it('two that differ in one pod: exit status 1, the names and both answers', async () => {
    const { code, out } = await compare('--against', at(other), ...here(), '--settle', '0')
    assert.equal(code, 1)
    assert.match(
      out,
      /web\.default\.svc\.cluster\.local\. A\n.*here {3}NOERROR AA, 30 records\n.*answer: .* A 10\.1\.0\.200\n.*there {2}NOERROR/,
    )
    assert.match(
      out,
      /10-1-0-200\.web\.default\.svc\.cluster\.local\. A\n.*here .*1 record\n(.*\n)?.*\n.*there {2}NXDOMAIN/,
    )
    assert.match(out, /200\.0\.1\.10\.in-addr\.arpa\. PTR/)
  })

  it('exits with 2, and says why, when they cannot be compared', async () => {
    const dead = await startListening('portable', fill('10.1.0.200'), {}, { admin: { address: '127.0.0.1', port: 0 } })
    const admin = `127.0.0.1:${dead.server.adminAddress!.port}`
    await dead.server.stop()
    const unsynced = await startListening(
      'portable',
      cluster => void cluster.open('Service'),
      {},
      { admin: { address: '127.0.0.1', port: 0 } },
    )
    const cases: [string[], RegExp][] = [
      [[], /--against is missing/],
      [['--against', 'kube-dns'], /--against kube-dns is no address and port/],
      [['--against', at(same), '--rate', '0'], /--rate 0 is no number from 1 to /],
      [['--against', at(same), '--admin', admin], /--admin: .*ECONNREFUSED/],
      [
        ['--against', at(dead), ...here(), '--timeout', '50'],
        /no answer to cluster\.local\. SOA: .*nobody listens there/,
      ],
      [['--against', at(same), ...here(), '--questions', join(folder, 'none')], /--questions .*ENOENT/],
      [
        ['--against', at(same), '--admin', `127.0.0.1:${unsynced.server.adminAddress!.port}`],
        /not ready, .*first list of Service/,
      ],
    ]
    for (const [args, problem] of cases) {
      const { code, out, err } = await compare(...args)
      assert.deepEqual([code, out], [2, ''], args.join(' '))
      assert.match(err, problem)
    }
    await unsynced.server.stop()
  })
})
