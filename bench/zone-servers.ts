/**
 * Knot DNS, NSD and Unbound with the bench's services as a zone, in a temporary folder, on loopback, as any user.
 * Layer: bench. Each has one UDP server (Unbound: one thread); nothing is logged, counted or limited that need not be.
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

/**
 * The zone as one of its own, all other names by its forwarder and cache.
 * @returns the arguments of unbound
 */
export function unboundArguments(
  port: number,
  services: readonly HeadlessService[],
  upstream: number | undefined,
): string[] {
  const folder = folderWithZone('unbound', services)
  const forward = upstream === undefined ? '' : `forward-zone:\n  name: "."\n  forward-addr: 127.0.0.1@${upstream}\n`
  return [
    '-d',
    ...configured(
      join(folder, 'unbound.conf'),
      `server:
  interface: 127.0.0.1@${port}
  num-threads: 1
  do-ip6: no
  username: ""
  chroot: ""
  directory: "${folder}"
  pidfile: "${folder}/unbound.pid"
  use-syslog: no
  verbosity: 0
  module-config: "iterator"
  minimal-responses: yes
  rrset-roundrobin: yes
  do-not-query-localhost: no
remote-control:
  control-enable: no
auth-zone:
  name: ${ZONE}
  zonefile: "${folder}/zone"
  for-upstream: no
${forward}`,
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
