/**
 * A path that a person named → the manifest files below it. Layer: manifests.
 *
 * Symbolic links are followed: a mounted ConfigMap is a folder of links (`web.yaml → ..data/web.yaml`) beside a link to
 * a folder (`..data → ..2026_11_23`). Names that begin with a dot are left out, so its files are found once.
 */

import type { BigIntStats } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'

export interface FoundFile {
  /** As the person named it, or below that. */
  readonly path: string
  /** Another one: the content may have changed. */
  readonly signature: string
  readonly octets: number
}

export interface Scan {
  /** In the order of their names. */
  readonly files: readonly FoundFile[]
  /** Path by identity, for every folder whose changes may matter: a folder made anew is another one. */
  readonly folders: ReadonlyMap<string, string>
}

const MANIFEST = /^[^.].*\.(ya?ml|json)$/i
/** A slip such as `--manifests /` ends here. */
const MAX_FILES = 10_000
const MAX_FOLDERS = 1000

/**
 * @param root a file, of any name, or a folder, of which the files *.yaml, *.yml and *.json are taken, at any depth
 * @throws the error of the file system, or one that says that `root` is neither or too large
 */
export async function scanPath(root: string): Promise<Scan> {
  const stats = await stat(root, { bigint: true })
  const files: FoundFile[] = []
  const folders = new Map<string, string>()
  if (stats.isDirectory()) {
    await scanFolder(root, stats)
  } else if (stats.isFile()) {
    files.push(toFile(root, stats))
    const folder = dirname(resolve(root))
    folders.set(identityOf(await stat(folder, { bigint: true })), folder)
  } else {
    throw new Error('it is neither a file nor a folder')
  }
  return { files, folders }

  async function scanFolder(path: string, { dev, ino }: BigIntStats): Promise<void> {
    const identity = identityOf({ dev, ino })
    if (folders.has(identity)) return
    folders.set(identity, path)
    if (folders.size > MAX_FOLDERS) throw new Error(`it has more than ${MAX_FOLDERS} folders`)
    const names = (await readdir(path)).filter(name => !name.startsWith('.')).sort()
    const children = await Promise.all(
      names.map(name => stat(join(path, name), { bigint: true }).catch(() => undefined)),
    )
    for (const [index, name] of names.entries()) {
      const child = join(path, name)
      const found = children[index]
      if (found?.isDirectory()) await scanFolder(child, found)
      else if (found?.isFile() && MANIFEST.test(name)) files.push(toFile(child, found))
      if (files.length > MAX_FILES) throw new Error(`it has more than ${MAX_FILES} manifest files`)
    }
  }
}

function toFile(path: string, { dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): FoundFile {
  return { path, signature: [dev, ino, size, mtimeNs, ctimeNs].join(), octets: Number(size) }
}

function identityOf({ dev, ino }: Pick<BigIntStats, 'dev' | 'ino'>): string {
  return `${dev}:${ino}`
}
