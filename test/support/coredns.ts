/**
 * CoreDNS as a process, where it is at hand: on PATH, or built by bench/rivals/coredns.sh. Layer: test support.
 */

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, until } from './server-process.ts'

const BUILT = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'headless-dns-bench/bin/coredns')

/** The program, or undefined. */
export const COREDNS: string | undefined = ['coredns', BUILT].find(isThere)

function isThere(program: string): boolean {
  if (program.includes('/') && !existsSync(program)) return false
  return spawnSync(program, ['-version'], { timeout: 5000 }).status === 0
}

export interface CoreDns {
  readonly port: number
  /** Everything it has written. */
  output(): string
  stop(): Promise<void>
}

/**
 * @param plugins lines of the one server block, beside `bind` and `ready`
 * @returns when it says that it is ready
 */
export async function startCoreDns(program: string, plugins: string): Promise<CoreDns> {
  const [port, ready] = [await freePort(), await freePort()]
  const corefile = `.:${port} {\n  bind 127.0.0.1\n  ready 127.0.0.1:${ready}\n${plugins}\n}\n`
  const isReady = () =>
    fetch(`http://127.0.0.1:${ready}/ready`).then(
      ({ status }) => status === 200,
      () => false,
    )
  return { port, ...(await runCoreDns(program, corefile, isReady)) }
}

/** @param env beside this process's own */
export async function runCoreDns(
  program: string,
  corefile: string,
  isReady: () => Promise<boolean>,
  env: Readonly<Record<string, string>> = {},
): Promise<Omit<CoreDns, 'port'>> {
  const folder = mkdtempSync(join(tmpdir(), 'coredns-'))
  const file = join(folder, 'Corefile')
  writeFileSync(file, corefile)
  const child = spawn(program, ['-conf', file], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  let output = ''
  child.stdout.on('data', chunk => (output += chunk))
  child.stderr.on('data', chunk => (output += chunk))
  const exited = once(child, 'exit')
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await exited
    rmSync(folder, { recursive: true })
  }
  try {
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`CoreDNS exited with ${child.exitCode}:\n${output}`)
      // Its address is bound a moment after it calls itself ready.
      return output.includes('CoreDNS-') && (await isReady())
    }, 'CoreDNS is ready')
  } catch (error) {
    await stop()
    throw error
  }
  return { output: () => output, stop }
}
