/**
 * Knot DNS and NSD with the bench's services as a zone, in a temporary folder, on loopback, as any user.
 * Layer: bench. Each has one UDP server; nothing is logged, counted or limited that need not be.
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type HeadlessService, ZONE, zoneFile } from './dataset.ts'
import { temporaryFolder } from './load.ts'

/** @returns the arguments of knotd */
export function knotArguments(port: number, services: readonly HeadlessService[]): string[] {
  const folder = folderWithZone('knot', services)
  return configured(
    join(folder, 'knot.conf'),
    `server:
  listen: 127.0.0.1@${port}
  rundir: ${folder}
  pidfile: ${folder}/knot.pid
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
log:
  - target: stderr
    any: error
database:
  storage: ${folder}
control:
  listen: ${folder}/knot.sock
zone:
  - domain: ${ZONE}
    storage: ${folder}
    file: zone
    zonefile-sync: -1
    journal-content: none
`,
  )
}

/** @returns the arguments of nsd */
export function nsdArguments(port: number, services: readonly HeadlessService[]): string[] {
  const folder = folderWithZone('nsd', services)
  return [
    '-d',
    ...configured(
      join(folder, 'nsd.conf'),
      `server:
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
  minimal-responses: yes
  round-robin: no
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
  verbosity: 0
remote-control:
  control-enable: no
zone:
  name: ${ZONE}
  zonefile: zone
`,
    ),
  ]
}

function folderWithZone(server: string, services: readonly HeadlessService[]): string {
  const folder = join(temporaryFolder(), server)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'zone'), zoneFile(services))
  return folder
}

function configured(path: string, text: string): string[] {
  writeFileSync(path, text)
  return ['-c', path]
}
