/**
 * Plugin → what is done with its directive. Layer: corefile; a table. One that is in neither table is said to be unknown.
 */

import type { Remark } from '../finding.ts'
import type { MapPlugin } from '../mapping.ts'
import { mapAcl } from './acl.ts'
import { mapAutopath } from './autopath.ts'
import { mapCache } from './cache.ts'
import { mapDns64, mapLocal } from './dns64.ts'
import { mapExternal } from './external.ts'
import { mapForward } from './forward.ts'
import { mapHosts } from './hosts.ts'
import { mapKubernetes } from './kubernetes.ts'
import { REMARKS } from './remarks.ts'
import { mapRewrite } from './rewrite.ts'
import * as serving from './serving.ts'
import { mapTemplate } from './template.ts'
import { mapTransfer } from './transfer.ts'

export const PLUGINS: Readonly<Record<string, MapPlugin | Remark>> = {
  ...REMARKS,
  kubernetes: mapKubernetes,
  k8s_external: mapExternal,
  forward: mapForward,
  proxy: mapForward,
  cache: mapCache,
  hosts: mapHosts,
  rewrite: mapRewrite,
  acl: mapAcl,
  template: mapTemplate,
  dns64: mapDns64,
  local: mapLocal,
  transfer: mapTransfer,
  autopath: mapAutopath,
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
