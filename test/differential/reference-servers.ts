/**
 * Knot DNS and NSD as references: each with the same master files, in a folder of its own, on a free loopback port.
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { askServer } from '../support/dns-client.ts'
import { freePort, until } from '../support/server-process.ts'
import type { MasterFile } from './zone-model.ts'

export interface Reference {
  readonly name: 'Knot' | 'NSD'
  readonly port: number
  stop(): Promise<void>
}

/** Debian keeps servers where not everybody's PATH leads. */
const PATH = `${process.env['PATH']}:/usr/sbin:/usr/local/sbin`
const PAYLOAD = 1232

export function isInstalled(program: string): boolean {
  try {
    execFileSync('which', [program], { env: { PATH }, stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** @param folder empty, for this server alone */
export function startKnot(folder: string, files: readonly MasterFile[]): Promise<Reference> {
  const zones = files.map(({ zone }) => `  - domain: ${zone}\n    file: ${zone}.zone\n`)
  return start('Knot', 'knotd', ['-c'], folder, files, port => {
    return `server:
  listen: 127.0.0.1@${port}
  rundir: ${folder}
  pidfile: ${folder}/knot.pid
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
  udp-max-payload: ${PAYLOAD}
  nsid: ""
log:
  - target: stderr
    any: warning
database:
  storage: ${folder}
control:
  listen: ${folder}/knot.sock
template:
  - id: default
    storage: ${folder}
    zonefile-sync: -1
    journal-content: none
zone:
${zones.join('')}`
  })
}

function nsdServer(folder: string, port: number): string {
  return `server:
  server-count: 1
  ip-address: 127.0.0.1@${port}
  do-ip6: no
  username: ""
  chroot: ""
  zonesdir: "${folder}"
  database: ""
  pidfile: "${folder}/nsd.pid"
  xfrdfile: "${folder}/xfrd.state"
  xfrdir: "${folder}"
  zonelistfile: "${folder}/zone.list"
  cookie-secret-file: "${folder}/cookies"
`
}

/** @param folder empty, for this server alone */
export function startNsd(folder: string, files: readonly MasterFile[]): Promise<Reference> {
  const zones = files.map(({ zone }) => `zone:\n  name: ${zone}\n  zonefile: ${zone}.zone\n`)
  return start('NSD', 'nsd', ['-d', '-c'], folder, files, port => {
    return `${nsdServer(folder, port)}  ipv4-edns-size: ${PAYLOAD}
  minimal-responses: yes
  round-robin: no
  hide-version: yes
  hide-identity: yes
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
  verbosity: 0
remote-control:
  control-enable: no
${zones.join('')}`
  })
}

/** A secondary has no master file: it is there when it has the zone from its primary. */
export interface Secondary {
  readonly zone: string
  /** Of the primary, on 127.0.0.1. */
  readonly primary: number
  /** Its own, where it hears NOTIFY. */
  readonly port: number
}

/** @param folder empty, for this server alone */
export function startKnotSecondary(folder: string, { zone, primary, port }: Secondary): Promise<Reference> {
  const configure = () => `server:
  listen: 127.0.0.1@${port}
  rundir: ${folder}
  pidfile: ${folder}/knot.pid
log:
  - target: stderr
    any: info
database:
  storage: ${folder}
control:
  listen: ${folder}/knot.sock
remote:
  - id: primary
    address: 127.0.0.1@${primary}
acl:
  - id: notify
    address: 127.0.0.1
    action: notify
zone:
  - domain: ${zone}
    storage: ${folder}
    master: primary
    acl: notify
`
  return start('Knot', 'knotd', ['-c'], folder, [{ zone }], configure, port)
}

/** @param folder empty, for this server alone */
export function startNsdSecondary(folder: string, { zone, primary, port }: Secondary): Promise<Reference> {
  const configure = () => `${nsdServer(folder, port)}  minimal-responses: yes
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: ${zone}
  zonefile: ${zone}.zone
  request-xfr: 127.0.0.1@${primary} NOKEY
  allow-notify: 127.0.0.1 NOKEY
`
  return start('NSD', 'nsd', ['-d', '-c'], folder, [{ zone }], configure, port)
}

async function start(
  name: Reference['name'],
  program: string,
  args: readonly string[],
  folder: string,
  files: readonly (MasterFile | { readonly zone: string })[],
  configure: (port: number) => string,
  given?: number,
): Promise<Reference> {
  mkdirSync(folder, { recursive: true })
  for (const file of files) if ('text' in file) writeFileSync(join(folder, `${file.zone}.zone`), file.text)
  const port = given ?? (await freePort())
  const path = join(folder, 'server.conf')
  writeFileSync(path, configure(port))
  const child = spawn(program, [...args, path], { env: { PATH }, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.on('data', chunk => (output += chunk))
  child.stderr.on('data', chunk => (output += chunk))
  const stop = (): Promise<void> => stopChild(child)
  try {
    for (const { zone } of files) {
      await until(async () => {
        if (child.exitCode !== null) throw new Error(`${program} exited with ${child.exitCode}:\n${output}`)
        const reply = await askServer(zone, 'SOA', { port }).catch(() => undefined)
        return reply?.rcode === 'NOERROR'
      }, `${program} serves ${zone}\n${output}`)
    }
  } catch (error) {
    await stop()
    throw error
  }
  return { name, port, stop }
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 5000)
  await exited
  clearTimeout(timer)
}
