/** Every decoder of octets that come from outside. */

import type { Target } from '../target.ts'
import { adminTarget } from './admin.ts'
import { configTarget } from './config.ts'
import { corefileTarget } from './corefile.ts'
import { hostsTarget } from './hosts.ts'
import { manifestsTarget } from './manifests.ts'
import { queryTarget } from './query.ts'
import { responseTarget } from './response.ts'
import { snapshotTarget } from './snapshot.ts'
import { upstreamTarget } from './upstream.ts'
import { watchTarget } from './watch.ts'

export const TARGETS: readonly Target[] = [
  queryTarget,
  responseTarget,
  upstreamTarget,
  watchTarget,
  snapshotTarget,
  manifestsTarget,
  configTarget,
  hostsTarget,
  corefileTarget,
  adminTarget,
]
