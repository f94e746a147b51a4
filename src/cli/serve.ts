/**
 * The command `serve`. Layer: cli.
 */

import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { lowerBackgroundThreads } from '../control/background-threads.ts'
import type { Config, Flags } from '../control/config.ts'
import { loadConfig } from '../control/config-load.ts'
import { createLogger } from '../control/log.ts'
import { hashOfFile } from '../control/reload.ts'
import { describe, serve, untilSignal } from '../control/serve.ts'
import { EndedError, type Signals } from '../control/signals.ts'
import type { Io } from './main.ts'
import { VERSION } from './version.ts'

/** A name that the demo answers. */
const DEMO_NAME = 'my-headless-service.default.svc.cluster.local'

type Values = Record<string, string | boolean | (string | boolean)[] | undefined>

/** @param signals those that may have come already */
export async function runServe(values: Values, io: Io, signals: Signals): Promise<number> {
  const isDemo = values['demo'] === true
  const file = textOf(values['config'])
  const load = (): Config => loadConfig(file, flagsOf(values), { needsSource: true })
  const path = file && resolve(file)
  const hash = path && hashOfFile(path)
  const config = load()
  const isForPeople = process.stdout.isTTY === true || isDemo
  const log = createLogger(config.log.level, isForPeople)
  signals.logTo(log)
  try {
    lowerBackgroundThreads()
    const origin = { file: path, hash, load }
    const server = await serve(config, VERSION, log, undefined, origin, signals.ending)
    const lines = describe(server, config, isDemo ? DEMO_NAME : undefined)
    if (isForPeople) {
      log.flush()
      io.out(lines.map(line => `${line}\n`).join(''))
    } else for (const line of lines) log.info(line)
    return await untilSignal(server, log, signals)
  } catch (error) {
    if (!(error instanceof EndedError)) throw error
    log.info('shutting down before the start had ended', { signal: error.signal })
    return 0
  } finally {
    log.flush()
  }
}

function flagsOf(values: Values): Flags {
  const demo = values['demo'] === true ? [fileURLToPath(demoUrl())] : []
  const manifests = [...listOf(values['manifests']), ...demo]
  const flags = {
    manifests: manifests.length > 0 ? manifests : undefined,
    kubeconfig: textOf(values['kubeconfig']),
    context: textOf(values['context']),
    inCluster: values['in-cluster'] === true ? true : undefined,
    listen: values['listen'] === undefined ? undefined : listOf(values['listen']),
    admin: textOf(values['admin']),
    workers: textOf(values['workers']),
    transport: textOf(values['transport']),
    logLevel: textOf(values['log-level']),
  }
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined)) as Flags
}

/** The demo lies in config/, beside src/ and dist/ alike. */
function demoUrl(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? '../../config/demo' : '../config/demo', import.meta.url)
}

function textOf(value: Values[string]): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function listOf(value: Values[string]): string[] {
  return Array.isArray(value) ? value.map(String) : []
}
