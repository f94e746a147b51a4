/**
 * Configuration: flags, file, defaults → Config. Layer: control. Flags win over the file, the file over defaults.
 * Nothing is tried: whether a port is free or a path exists is found out by what needs it.
 */

import { closeSync, existsSync, openSync, readSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { TOKEN_FILE } from '../kubernetes/service-account.ts'
import { parseManifest } from '../manifests/yaml.ts'
import type { Config, Flags, Surroundings } from './config.ts'
import { ConfigError } from './config-error.ts'
import { resolveConfig } from './config-resolve.ts'
import { formatPath, MAX_PROBLEMS, type Path, type Problem, validate, withLongForms } from './config-schema.ts'

export interface ConfigFile {
  /** Absolute, or as it is to be named to people. */
  readonly path: string
  readonly text: string
}

export interface LoadOptions {
  /** A server without anything to serve is an error. Default false. */
  readonly needsSource?: boolean
  /** Default: those of this process. */
  readonly surroundings?: Surroundings
}

const MAX_FILE_OCTETS = 1 << 20

/**
 * @param file path, relative to the working directory; undefined: none
 * @throws ConfigError with every problem found, in part when there are very many
 */
export function loadConfig(file: string | undefined, flags: Flags, options: LoadOptions = {}): Config {
  const { surroundings = surroundingsOf(process.env, process.cwd(), existsSync) } = options
  const content = file === undefined ? undefined : readConfigFile(file, surroundings.directory)
  return configOf(content, flags, surroundings, options.needsSource)
}

export function surroundingsOf(
  env: Readonly<Record<string, string | undefined>>,
  directory: string,
  exists: (path: string) => boolean,
): Surroundings {
  const isInPod = (env['KUBERNETES_SERVICE_HOST'] ?? '') !== '' && exists(TOKEN_FILE)
  return { directory, isInPod, nodeName: env['NODE_NAME'] ?? '' }
}

/** As `loadConfig`, with the file's text at hand. */
export function configOf(
  file: ConfigFile | undefined,
  flags: Flags,
  surroundings: Surroundings,
  needsSource = false,
): Config {
  const parsed = file === undefined ? undefined : parse(file)
  const overrides = overridesOf(flags, surroundings.directory)
  const values = validate(overrides.reduce(withOverride, withLongForms(parsed?.value)))
  if (Array.isArray(values)) throw failure(values)
  const base = file === undefined ? surroundings.directory : dirname(file.path)
  const { config, problems } = resolveConfig(values, base, surroundings, needsSource)
  if (problems.length > 0) throw failure(problems)
  return deepFreeze(config)

  function failure(problems: readonly Problem[]): ConfigError {
    const lineOf = ({ path }: Problem) => parsed?.lineOf(path) ?? 0
    const first = problems.toSorted((a, b) => lineOf(a) - lineOf(b)).slice(0, MAX_PROBLEMS)
    return new ConfigError(first.map(say))
  }

  function say({ path, reason }: Problem): string {
    const override = overrides.find(({ path: at }) => path.length > 0 && at.every((step, i) => path[i] === step))
    if (override !== undefined) return `${override.flag}: ${reason}`
    const where = parsed === undefined || path.length === 0 ? '' : `${file!.path}:${parsed.lineOf(path)}: `
    return `${where}${path.length === 0 ? '' : `${formatPath(path)}: `}${reason}`
  }
}

function parse({ path, text }: ConfigFile): { value: unknown; lineOf: (path: Path) => number } {
  const documents = parseManifest(text)
  const document = documents.next().value
  if (document === undefined) return { value: undefined, lineOf: () => 1 }
  if ('reason' in document) throw new ConfigError([`${path}:${document.line}: ${document.reason}`])
  if (documents.next().done !== true)
    throw new ConfigError([`${path}: it holds several YAML documents; a configuration is one`])
  if (typeof document.value !== 'object' || Array.isArray(document.value)) {
    throw new ConfigError([`${path}: it is no mapping of keys to values, such as "workers: 2"`])
  }
  return document
}

interface Override {
  readonly flag: string
  readonly path: Path
  readonly value: unknown
}

function overridesOf(flags: Flags, directory: string): Override[] {
  const at = ['source', 'kubernetes']
  const { kubeconfig, inCluster, context } = flags
  const manifests = flags.manifests?.map(path => resolve(directory, path))
  const all: Override[] = [
    { flag: '--listen', path: ['listen'], value: flags.listen },
    { flag: '--admin', path: ['admin'], value: flags.admin },
    { flag: '--workers', path: ['workers'], value: numberIn(flags.workers) },
    { flag: '--transport', path: ['transport'], value: flags.transport },
    { flag: '--log-level', path: ['log', 'level'], value: flags.logLevel },
    { flag: '--manifests', path: ['source', 'manifests', 'paths'], value: manifests },
  ]
  if (kubeconfig !== undefined || inCluster !== undefined) {
    // The ways to an API server exclude each other: a flag takes the file's away.
    const flag = kubeconfig === undefined ? '--in-cluster' : '--kubeconfig'
    const path = kubeconfig === undefined ? null : resolve(directory, kubeconfig)
    const values = { kubeconfig: path, inCluster: inCluster ?? null, endpoint: null, context: null }
    for (const [key, value] of Object.entries(values)) all.push({ flag, path: [...at, key], value })
  }
  all.push({ flag: '--context', path: [...at, 'context'], value: context })
  return all.filter(({ value }) => value !== undefined)
}

/** What is no number stays what it is, for the message. */
function numberIn(text: string | undefined): number | string | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : text
}

/** Where the file has no mapping on the way, it is left as it is: that is an error of its own. */
function withOverride(raw: unknown, { path, value }: Pick<Override, 'path' | 'value'>): unknown {
  const [key, ...rest] = path
  if (key === undefined) return value
  const mapping = raw ?? {}
  if (typeof mapping !== 'object' || Array.isArray(mapping)) return raw
  return { ...mapping, [key]: withOverride((mapping as Record<string, unknown>)[key], { path: rest, value }) }
}

function readConfigFile(path: string, directory: string): ConfigFile {
  const full = resolve(directory, path)
  let text: string | undefined
  try {
    text = readAtMost(full, MAX_FILE_OCTETS)
  } catch (error) {
    throw new ConfigError([`${path}: cannot be read: ${(error as Error).message}`], error)
  }
  if (text === undefined) throw new ConfigError([`${path}: it is over 1 MiB, which no configuration is`])
  return { path: full, text }
}

/** @returns undefined when there are more octets than `most`: a device or a pipe is read no further */
function readAtMost(path: string, most: number): string | undefined {
  const file = openSync(path, 'r')
  try {
    const buffer = Buffer.alloc(most + 1)
    let length = 0
    for (let count = -1; count !== 0 && length <= most; length += Math.max(count, 0)) {
      count = readSync(file, buffer, length, buffer.length - length, null)
    }
    return length > most ? undefined : buffer.toString('utf8', 0, length)
  } finally {
    closeSync(file)
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  for (const inner of Object.values(value)) deepFreeze(inner)
  return Object.freeze(value)
}
