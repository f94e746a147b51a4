/**
 * The whole server in this process, as the text of a configuration says: on free loopback ports, without a lameduck.
 */

import type { TestContext } from 'node:test'
import { configOf } from '../../src/control/config-load.ts'
import { createLogOver } from '../../src/control/log.ts'
import { serve } from '../../src/control/serve.ts'
import type { RunningServer } from '../../src/control/server-options.ts'
import type { ReflectorDeps } from '../../src/kubernetes/reflector-types.ts'
import type { ListenAddress } from '../../src/transport/datagram.ts'

export interface Configured extends ListenAddress {
  readonly server: RunningServer
  /** What it has logged, a line each. */
  readonly lines: readonly string[]
  admin(path: string): Promise<string>
  /** @param name with its labels; NaN: there is none of that name */
  metric(name: string): Promise<number>
  stop(): Promise<void>
}

/**
 * @param text all but `listen`, `admin` and `lameduck`; relative paths are of the root of the file system
 * @param deps another clock for sources than this machine's
 */
export async function startConfigured(t: TestContext, text: string, deps?: ReflectorDeps): Promise<Configured> {
  const base = 'listen: ["127.0.0.1:0"]\nadmin: "127.0.0.1:0"\nlameduck: 0s\n'
  const surroundings = { directory: '/', isInPod: false, nodeName: '' }
  const config = configOf({ path: '/test.yaml', text: base + text }, {}, surroundings)
  const lines: string[] = []
  const log = createLogOver('info', { write: line => void lines.push(line) })
  const server = await serve(config, 'test', log, deps)
  t.after(() => server.stop(0))
  const admin = async (path: string) => (await fetch(`http://127.0.0.1:${server.adminAddress!.port}${path}`)).text()
  const metric = async (name: string): Promise<number> => {
    const line = (await admin('/metrics')).split('\n').find(each => each.startsWith(`${name} `))
    return Number(line?.slice(name.length + 1) ?? Number.NaN)
  }
  return { ...server.addresses[0]!, server, lines, admin, metric, stop: () => server.stop(0) }
}
