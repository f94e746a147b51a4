/**
 * The manifest files and what was last read from each. Layer: manifests.
 *
 * What stands in a file counts as a whole: an edit with anything wrong in it changes nothing of what the file gave
 * before. A file that has given nothing yet gives what is right in it. A path that cannot be read any more keeps
 * what it gave; a file that is gone from a folder is gone. A file that cannot be read at the moment is tried again each time.
 */

import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type FileContent, type ManifestObject, readDocuments } from './documents.ts'
import { ManifestsError, type Problem } from './errors.ts'
import { type FoundFile, type Scan, scanPath } from './scan.ts'
import { MAX_JSON_OCTETS } from './yaml.ts'

interface KnownFile {
  /** Of what was read; undefined: the last attempt failed. */
  readonly signature: string | undefined
  /** undefined: so far there was none. A file just made is empty at first. */
  readonly objects: readonly ManifestObject[] | undefined
  /** Why the last attempt failed. */
  readonly failure?: string
}

export interface FileProblem extends Problem {
  /** What the file gave before stays; else what is wrong is left out. */
  readonly isKept: boolean
}

export interface Refresh {
  /** Objects came, went or changed. */
  readonly changed: boolean
  /** New since the last refresh. */
  readonly problems: readonly FileProblem[]
  /** Paths that could be read at the last refresh and cannot be now, with the reason. */
  readonly lost: readonly string[]
  readonly folders: ReadonlyMap<string, string>
}

export class ManifestFiles {
  private readonly roots: readonly string[]
  private readonly read: (path: string) => Promise<string>
  private readonly scans = new Map<string, Scan>()
  private readonly lost = new Set<string>()
  private known = new Map<string, KnownFile>()

  /** @param roots files and folders */
  constructor(roots: readonly string[], read = (path: string) => readFile(path, 'utf8')) {
    this.roots = roots
    this.read = read
  }

  get count(): number {
    return this.known.size
  }

  objects(): ManifestObject[] {
    return [...this.known.values()].flatMap(file => file.objects ?? [])
  }

  /**
   * Reads what changed.
   * @throws {ManifestsError} ERR_MANIFESTS_PATH for a path that has never been read
   */
  async refresh(): Promise<Refresh> {
    const lost = await this.scan()
    const problems: FileProblem[] = []
    const next = new Map<string, KnownFile>()
    const folders = new Map<string, string>()
    let changed = false
    for (const scan of this.scans.values()) {
      for (const [identity, path] of scan.folders) folders.set(identity, path)
      for (const found of scan.files) {
        const key = resolve(found.path)
        if (next.has(key)) continue
        const before = this.known.get(key)
        if (before?.signature === found.signature) {
          next.set(key, before)
          continue
        }
        const content = await this.readContent(found)
        const hasGiven = before?.objects !== undefined
        if (typeof content === 'string') {
          const problem = { file: found.path, line: 1, reason: content, isKept: hasGiven }
          if (before?.failure !== content) problems.push(problem)
          next.set(key, { signature: undefined, objects: before?.objects, failure: content })
          continue
        }
        const isKept = hasGiven && content.problems.length > 0
        problems.push(...content.problems.map(problem => ({ ...problem, isKept })))
        const given = hasGiven || content.objects.length > 0 ? content.objects : undefined
        next.set(key, { signature: found.signature, objects: isKept ? before.objects : given })
        changed ||= !isKept
      }
    }
    changed ||= [...this.known.keys()].some(key => !next.has(key))
    this.known = next
    return { changed, problems, lost, folders }
  }

  /** @returns why it cannot be read, which may be over in a moment */
  private async readContent({ path, octets }: FoundFile): Promise<FileContent | string> {
    if (octets > MAX_JSON_OCTETS) return `it has ${octets} octets; up to ${MAX_JSON_OCTETS} are read; divide it`
    let text: string
    try {
      text = await this.read(path)
    } catch (error) {
      return reasonOf(error)
    }
    return readDocuments(path, text)
  }

  private async scan(): Promise<string[]> {
    const newlyLost: string[] = []
    for (const root of this.roots) {
      try {
        this.scans.set(root, await scanPath(root))
        this.lost.delete(root)
      } catch (error) {
        if (!this.scans.has(root)) throw pathError(root, error)
        if (!this.lost.has(root)) newlyLost.push(`${root}: ${reasonOf(error)}`)
        this.lost.add(root)
      }
    }
    return newlyLost
  }
}

function pathError(root: string, cause: unknown): ManifestsError {
  const message = `the manifests ${root} cannot be read (${reasonOf(cause)}); name a file or a folder with *.yaml, *.yml or *.json files that this user may read`
  return new ManifestsError('ERR_MANIFESTS_PATH', message, cause)
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOENT') return 'it is not there'
  return code === 'EACCES' ? 'permission denied' : message
}
