/**
 * Configuration: flags, file, defaults → Config. Layer: control. Flags win over the file, the file over defaults.
 * Nothing is tried: whether a port is free or a path exists is found out by what needs it.
 */

import { closeSync, openSync, readSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseManifest } from '../manifests/yaml.ts'
import { type Config, formatSocketAddress, type KubernetesConfig } from './config.ts'
import { type FileConfig, formatPath, type Path, type Problem, validate } from './config-schema.ts'
import { ConfigError, sayError } from './errors.ts'

/** What flags say, as they were written. An absent one leaves the file's word. */
export interface Flags {
  /** Paths, relative to the working directory. */
  readonly manifests?: readonly string[] | undefined
  readonly kubeconfig?: string | undefined
  readonly context?: string | undefined
  readonly inCluster?: boolean | undefined
  readonly listen?: readonly string[] | undefined
  readonly admin?: string | undefined
  readonly workers?: string | undefined
  readonly transport?: string | undefined
  readonly logLevel?: string | undefined
}

/** The parts of the surroundings that defaults depend on. */
export interface Surroundings {
  readonly directory: string
  /** The pod's service account may speak to the API server. */
  readonly isInPod: boolean
  /** `''`: not known. */
  readonly nodeName: string
}

export interface ConfigFile {
  /** Absolute, or as it is to be named to people. */
  readonly path: string
  readonly text: string
}

export interface LoadOptions {
  readonly file?: ConfigFile | undefined
  readonly flags?: Flags
  readonly surroundings: Surroundings
  /** A server without anything to serve is an error. */
  readonly needsSource: boolean
}

const TOKEN_FILE = '/var/run/secrets/kubernetes.io/serviceaccount/token'
const MAX_FILE_OCTETS = 1 << 20

export function surroundingsOf(
  env: Readonly<Record<string, string | undefined>>,
  directory: string,
  exists: (path: string) => boolean,
): Surroundings {
  const isInPod = (env['KUBERNETES_SERVICE_HOST'] ?? '') !== '' && exists(TOKEN_FILE)
  return { directory, isInPod, nodeName: env['NODE_NAME'] ?? '' }
}

/** @throws ConfigError for a file that cannot be read, or is too long to be a configuration */
export function readConfigFile(path: string, directory: string): ConfigFile {
  const full = resolve(directory, path)
  try {
    const text = readAtMost(full, MAX_FILE_OCTETS)
    if (text === undefined) throw new Error('it is over 1 MiB, which no configuration is')
    return { path: full, text }
  } catch (error) {
    throw new ConfigError([`${path}: cannot be read: ${sayError(error)}`], error)
  }
}

/** @throws ConfigError with every problem found */
export function loadConfig({ file, flags = {}, surroundings, needsSource }: LoadOptions): Config {
  const parsed = file === undefined ? undefined : parse(file)
  const overrides = overridesOf(flags, surroundings.directory)
  const values = validate(overrides.reduce(withOverride, parsed?.value))
  const problems: Problem[] = []
  const isFailed = Array.isArray(values)
  const config = isFailed ? undefined : build(values, file, surroundings, problems)
  if (config !== undefined && needsSource) checkSource(config, values as FileConfig, surroundings, problems)
  const all = isFailed ? values : problems
  if (all.length > 0 || config === undefined) throw new ConfigError(all.map(say))
  return deepFreeze(config)

  function say({ path, reason }: Problem): string {
    const override = overrides.find(({ path: at }) => path.length > 0 && at.every((step, i) => path[i] === step))
    if (override !== undefined) return `${override.flag}: ${reason}`
    const where = file === undefined || path[0] === undefined ? '' : `${file.path}:${parsed!.lineOf(path)}: `
    return `${where}${path.length === 0 ? '' : `${formatPath(path)}: `}${reason}`
  }
}

function parse({ path, text }: ConfigFile): { value: unknown; lineOf: (path: Path) => number } {
  const [document, ...more] = parseManifest(text)
  if (more.length > 0) throw new ConfigError([`${path}: it holds several YAML documents; a configuration is one`])
  if (document === undefined) return { value: undefined, lineOf: () => 1 }
  if ('reason' in document) throw new ConfigError([`${path}:${document.line}: ${document.reason}`])
  return document
}

interface Override {
  readonly flag: string
  readonly path: Path
  readonly value: unknown
}

function overridesOf(flags: Flags, directory: string): Override[] {
  const all: Override[] = [
    { flag: '--manifests', path: ['source', 'manifests', 'paths'], value: absolute(flags.manifests, directory) },
    { flag: '--listen', path: ['listen'], value: flags.listen },
    { flag: '--admin', path: ['admin'], value: flags.admin },
    { flag: '--workers', path: ['workers'], value: toNumber(flags.workers) },
    { flag: '--transport', path: ['transport'], value: flags.transport },
    { flag: '--log-level', path: ['log', 'level'], value: flags.logLevel },
  ]
  const { kubeconfig, inCluster } = flags
  // The three ways to an API server exclude each other: a flag takes the file's away.
  const at = ['source', 'kubernetes']
  if (kubeconfig !== undefined || inCluster !== undefined) {
    const flag = kubeconfig !== undefined ? '--kubeconfig' : '--in-cluster'
    all.push({ flag, path: [...at, 'kubeconfig'], value: absolute([kubeconfig ?? ''], directory, kubeconfig) ?? null })
    all.push({ flag, path: [...at, 'inCluster'], value: inCluster ?? null })
    all.push({ flag, path: [...at, 'endpoint'], value: null })
    all.push({ flag, path: [...at, 'context'], value: null })
  }
  all.push({ flag: '--context', path: [...at, 'context'], value: flags.context })
  return all.filter(({ value }) => value !== undefined)
}
