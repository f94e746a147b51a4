/**
 * Plugin → what is done with its directive. Layer: corefile; a table. One that is in neither table is said to be unknown.
 */

import type { Remark } from '../finding.ts'
import type { MapPlugin } from '../mapping.ts'
import { mapForward } from './forward.ts'
import { mapHosts } from './hosts.ts'
import { mapKubernetes } from './kubernetes.ts'
import { REMARKS } from './remarks.ts'
import { mapRewrite } from './rewrite.ts'
import * as serving from './serving.ts'

export const PLUGINS: Readonly<Record<string, MapPlugin | Remark>> = {
  ...REMARKS,
  kubernetes: mapKubernetes,
  forward: mapForward,
  proxy: mapForward,
  hosts: mapHosts,
  rewrite: mapRewrite,
  bind: serving.mapBind,
  prometheus: serving.mapPrometheus,
  health: serving.mapHealth,
  ready: serving.mapReady,
  errors: serving.mapErrors,
  log: serving.mapLog,
  debug: serving.mapDebug,
  loadbalance: serving.mapLoadbalance,
  bufsize: serving.mapBufsize,
  multisocket: serving.mapMultisocket,
  timeouts: serving.mapTimeouts,
}
