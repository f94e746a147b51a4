/**
 * The whole server as a process, on free loopback ports, for tests from outside.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

export const ROOT = new URL('../..', import.meta.url).pathname

export interface ServerProcess {
  readonly port: number
  readonly adminPort: number
  readonly child: ChildProcess
  /** Everything it has written. */
  output(): string
  /** Status and body of an admin path; status 0 when nobody answers. */
  admin(path: string): Promise<{ status: number; body: string }>
  /** Resolves with the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

/** A port that was free a moment ago, for TCP and so, as a rule, for UDP. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/**
 * Runs `headless-dns serve` with these arguments and waits until its admin server answers, by default that it is ready.
 * @param entry the file that Node runs: the source or the bundle
 * @param hasPort wait for somebody who answers queries, too
 */
export async function startServer(
  args: readonly string[],
  { entry = 'src/main.ts', untilStatus = 200, hasPort = true } = {},
): Promise<ServerProcess> {
  const [port, adminPort] = [await freePort(), await freePort()]
  const listen = args.includes('--listen') ? [] : ['--listen', `127.0.0.1:${port}`]
  const all = [entry, 'serve', ...listen, '--admin', `127.0.0.1:${adminPort}`, ...args]
  const child = spawn(process.execPath, all, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.on('data', chunk => (output += chunk))
  child.stderr.on('data', chunk => (output += chunk))
  const exited = once(child, 'exit')

  async function admin(path: string): Promise<{ status: number; body: string }> {
    try {
      const response = await fetch(`http://127.0.0.1:${adminPort}${path}`)
      return { status: response.status, body: await response.text() }
    } catch {
      return { status: 0, body: '' }
    }
  }

  await until(
    async () => {
      if (child.exitCode !== null) throw new Error(`the server exited with ${child.exitCode}:\n${output}`)
      const { status, body } = await admin('/readyz')
      return status === untilStatus && (!hasPort || !body.includes('no worker'))
    },
    `/readyz answers ${untilStatus}${hasPort ? ', and somebody the port' : ''}`,
  )
  return {
    port,
    adminPort,
    child,
    output: () => output,
    admin,
    async stop(signal = 'SIGTERM') {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill(signal)
        await exited
      }
      return child.exitCode
    },
  }
}

/** Waits for a condition, asked again and again; fails with its words after a generous while. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  words: string,
  limitMs = 20_000,
): Promise<void> {
  const end = performance.now() + limitMs
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not in ${limitMs} ms: ${words}`)
    await delay(10)
  }
}
