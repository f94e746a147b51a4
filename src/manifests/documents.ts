/**
 * One file's text → the API objects in it that are read here, each with its line. Layer: manifests; pure.
 *
 * Lists are opened (`kind: List`, `ServiceList`, ...), a namespace that is not named is `default`, kinds that no answer
 * depends on are left out without a word, and what the API server would refuse is a problem.
 */

import type { Problem } from './errors.ts'
import { badExpressionIn } from './label-selector.ts'
import { findMisfit, type KnownKind, knownKindOf } from './shape.ts'
import { type ParsedDocument, parseManifest } from './yaml.ts'

export type Json = Record<string, unknown>

/** An API object of a known kind whose fields, as far as they are read, have the right types. */
export interface ManifestObject {
  readonly kind: KnownKind
  /** `''` for a kind without namespace. */
  readonly namespace: string
  readonly name: string
  /** With `metadata.namespace` filled in, and without a version. */
  readonly raw: Json
  readonly file: string
  readonly line: number
}

export interface FileContent {
  readonly objects: readonly ManifestObject[]
  readonly problems: readonly Problem[]
}

/** Lists in lists, as kubectl opens them; more is an alias that names itself. */
const MAX_LIST_DEPTH = 4
/** That are told of one file; the rest would say the same, and is counted. */
const MAX_PROBLEMS = 20
/** Documents of one file that are no YAML: it is no manifest. Each takes 10 µs, and 8 MiB hold a million. */
const MAX_UNREADABLE = 100
const CLUSTER_SCOPED: ReadonlySet<KnownKind> = new Set(['/Namespace', '/Node'])
// RFC 1123 §2.1: labels of letters, digits and hyphens, and names made of them.
const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/
const SUBDOMAIN = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/

type Path = readonly (string | number)[]

/** @param file as it is to be named to people */
export function readDocuments(file: string, text: string): FileContent {
  const objects: ManifestObject[] = []
  const problems: Problem[] = []
  let untold = 0
  let unreadable = 0
  for (const document of parseManifest(text)) {
    if ('reason' in document) {
      tell(() => document.line, document.reason)
      if (++unreadable >= MAX_UNREADABLE) {
        const reason = `here ends the reading: ${MAX_UNREADABLE} documents could not be read`
        return { objects, problems: [...problems, { file, line: document.line, reason }] }
      }
    } else if (document.value !== null && document.value !== undefined) {
      readObject(document, document.value, [], undefined)
    }
  }
  if (untold > 0) problems.push({ file, line: problems.at(-1)!.line, reason: `more problems below: ${untold}` })
  return { objects, problems }

  function tell(lineOf: () => number, reason: string): void {
    if (problems.length < MAX_PROBLEMS) problems.push({ file, line: lineOf(), reason })
    else untold++
  }

  function readObject(document: ParsedDocument, value: unknown, path: Path, listed: ListedType | undefined): void {
    const report = (at: Path, reason: string) => tell(() => document.lineOf([...path, ...at]), reason)
    if (!isMapping(value)) return void report([], 'a Kubernetes object is a mapping; this is not one')
    const apiVersion = value['apiVersion'] ?? listed?.apiVersion
    const kind = value['kind'] ?? listed?.kind
    if (typeof kind !== 'string') return void report([], 'not a Kubernetes object: it has no kind')
    if (kind.endsWith('List') && Array.isArray(value['items'])) {
      const type = { apiVersion, kind: kind.slice(0, -'List'.length) || undefined }
      if (path.length / 2 >= MAX_LIST_DEPTH) return void report([], 'lists within lists are nested too deeply')
      for (const [index, item] of value['items'].entries()) readObject(document, item, [...path, 'items', index], type)
      return
    }
    if (typeof apiVersion !== 'string') return void report([], `${kind} has no apiVersion`)
    const known = knownKindOf(apiVersion, kind)
    if (known === undefined) return
    const misfit = findMisfit(known, value) ?? shortcoming(known, value)
    if (misfit !== undefined) {
      const { name } = identity(value)
      return void report(misfit.path, `${kind}${name === '' ? '' : ` ${name}`}: ${misfit.reason}`)
    }
    objects.push(toObject(known, value, file, document.lineOf(path)))
  }
}

interface ListedType {
  readonly apiVersion: unknown
  readonly kind: string | undefined
}

function toObject(kind: KnownKind, value: Json, file: string, line: number): ManifestObject {
  const { name, namespace: given } = identity(value)
  const namespace = CLUSTER_SCOPED.has(kind) ? '' : given || 'default'
  // A version says something beside the others of its API server alone; a file from `kubectl get` has those of some day.
  const { resourceVersion: _, ...metadata } = value['metadata'] as Json
  return { kind, namespace, name, raw: { ...value, metadata: { ...metadata, namespace } }, file, line }
}

function shortcoming(kind: KnownKind, value: Json): { path: Path; reason: string } | undefined {
  const { name, namespace } = identity(value)
  if (name === '') return { path: ['metadata'], reason: 'metadata.name is missing' }
  const isLabel = kind === '/Service' || kind === '/Namespace'
  if (!(isLabel ? LABEL : SUBDOMAIN).test(name)) {
    return {
      path: ['metadata', 'name'],
      reason: `its name must be made of a-z, 0-9 and "-"${isLabel ? ', at most 63' : ''}`,
    }
  }
  if (namespace !== '' && !LABEL.test(namespace)) {
    return { path: ['metadata', 'namespace'], reason: 'its namespace must be made of a-z, 0-9 and "-", at most 63' }
  }
  const { spec } = value as { spec?: Json }
  if (kind === '/Service' && spec?.['type'] === 'ExternalName' && !spec['externalName']) {
    return { path: ['spec'], reason: 'spec.externalName is missing' }
  }
  if (kind === 'discovery.k8s.io/EndpointSlice' && !value['addressType']) {
    return { path: [], reason: 'addressType is missing' }
  }
  const bad = kind.startsWith('apps/') ? badExpressionIn(spec?.['selector']) : undefined
  if (bad === undefined) return undefined
  const path = ['spec', 'selector', 'matchExpressions', bad.index]
  return { path, reason: `spec.selector.matchExpressions[${bad.index}]: ${bad.reason}` }
}

/** Of a value whose shape was found right. */
function identity(value: Json): { name: string; namespace: string } {
  const metadata = isMapping(value['metadata']) ? value['metadata'] : {}
  const { name, namespace } = metadata
  return { name: typeof name === 'string' ? name : '', namespace: typeof namespace === 'string' ? namespace : '' }
}

function isMapping(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
