/**
 * The servers of one measure, all up at once and ended together. Layer: bench.
 */

import { type Api, startApi } from './api.ts'
import { SERVICES, type Workload } from './dataset.ts'
import type { Options } from './options.ts'
import { canPin, LOAD_CORE, SERVER_CORE } from './processes.ts'
import { buildBundle, LOOP, type Running, SERVERS, type Server, startLoop, versionOf } from './servers.ts'

export interface Contest {
  /** Those that run, in the order of their turns. */
  readonly names: readonly string[]
  /** One sentence for each that does not, and why. */
  readonly absent: readonly string[]
  readonly versions: Readonly<Record<string, string>>
  readonly placing: string
  title(name: string): string
  running(name: string, workload: Workload): Running
}

/**
 * Starts the chosen servers, runs the measure, ends them, whatever happens in between.
 * @param upstream port of who is asked for names that are not the cluster's; undefined: nobody
 */
export async function withContest<T>(
  options: Options,
  workloads: readonly Workload[],
  measure: (contest: Contest) => Promise<T>,
  upstream?: number,
): Promise<T> {
  const running = new Map<string, Running>()
  const absent: string[] = []
  const versions: Record<string, string> = {}
  let api: Api | undefined
  if (options.wants('ours') || options.wants('ours-portable')) buildBundle()
  try {
    if (options.wants(LOOP)) {
      for (const workload of workloads) {
        const loop = await startLoop(workload)
        if (loop) running.set(`${LOOP} ${workload.name}`, loop)
      }
      if (running.size === 0) absent.push('The C loop is left out: no C compiler, or not Linux.')
    }
    const takesPart = ({ name, isResolver }: Server) => options.wants(name) && (!isResolver || upstream !== undefined)
    for (const server of SERVERS.filter(takesPart)) {
      const program = server.find()
      if (program === undefined) {
        // Another checkout is there only when it is asked for.
        if (server.name !== 'ours-before') absent.push(`${server.title} is left out: it is not on this machine.`)
        continue
      }
      if (server.usesApi) api ??= await startApi(SERVICES)
      running.set(
        server.name,
        await server.start(program, { services: SERVICES, ...(api && { api }), ...(upstream && { upstream }) }),
      )
      Object.assign(versions, versionOf(server.name, program))
      options.say(`${server.name} is ready`)
    }
    const named = SERVERS.map(({ name }) => name).filter(name => running.has(name))
    const names = running.size > named.length ? [LOOP, ...named] : named
    if (names.length === 0) throw new Error(`none of the chosen servers is here. ${absent.join(' ')}`)
    return await measure({
      names,
      absent,
      versions,
      placing: canPin ? `servers on core ${SERVER_CORE}, load on core ${LOAD_CORE}` : 'nothing is pinned to a core',
      title: name => SERVERS.find(server => server.name === name)?.title ?? 'bare C loop, constant answer',
      running: (name, workload) => running.get(name === LOOP ? `${LOOP} ${workload.name}` : name)!,
    })
  } finally {
    await Promise.all([...running.values()].map(server => server.stop()))
    await api?.stop()
  }
}
