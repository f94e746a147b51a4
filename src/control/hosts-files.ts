/**
 * Files in the form of hosts(5), read at the start and whenever one changes. Layer: control.
 * A file that cannot be read, is too long, or has lines that say nothing where it had none keeps what it gave; at the start
 * such lines are left out. What cannot be read is tried again at each look. Everything is told with file and line.
 */

import { readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { FolderWatch, type WatchTimes } from '../manifests/folder-watch.ts'
import { type HostEntry, parseHosts } from '../rules/hosts-file.ts'
import type { Log } from './log.ts'
import { checkFile } from './text-file.ts'
import { inTurns } from './turns.ts'

const WATCH_TIMES: WatchTimes = { delayMs: 20, tickMs: 2000 }
const MAX_OCTETS = 16 << 20
/** What cannot be read again and again, for reasons that change, is spoken of once in so long. */
const SILENCE_MS = 60_000

interface HostsFile {
  readonly path: string
  /** Of the file read last: when it is the same, so is the file. */
  identity: string
  entries: readonly HostEntry[]
  /** Why it could not be read when that was tried last; undefined: it could. */
  failure: string | undefined
  /** What was wrong with the file read last, without line numbers; undefined: it was never read. */
  wrong: ReadonlySet<string> | undefined
  /** Unix time of its last change, seconds; 0: not known. */
  changedAt: number
}

export class HostsFiles {
  private readonly files: readonly HostsFile[]
  private readonly log: Log
  private readonly onChange: (entries: readonly HostEntry[]) => void | Promise<void>
  private watching: FolderWatch | undefined
  private running = false
  private isStopped = false
  private isDue = false

  /**
   * @param onChange given the entries of all files, at the start and after each change
   * @param before whose place it takes: what files gave stays when they cannot be read now
   */
  constructor(
    paths: readonly string[],
    log: Log,
    onChange: (entries: readonly HostEntry[]) => void | Promise<void>,
    before?: HostsFiles,
  ) {
    this.files = paths.map(path => {
      const known = before?.files.find(file => file.path === path)
      return { path, entries: [], wrong: undefined, changedAt: 0, ...known, identity: '', failure: undefined }
    })
    this.log = log
    this.onChange = onChange
  }

  /** Reads them all, and follows them from then on. */
  async start(watchTimes: WatchTimes = WATCH_TIMES): Promise<void> {
    await this.refresh(true)
    if (this.files.length === 0 || this.isStopped) return
    this.watching = new FolderWatch(() => void this.run(), watchTimes)
    const folders = new Set(this.files.map(({ path }) => dirname(path)))
    this.watching.follow(new Map([...folders].map(folder => [folder, folder])))
  }

  /** Also while `start` reads: then nothing is followed. */
  stop(): void {
    this.isStopped = true
    this.watching?.stop()
  }

  /** Unix time at which the youngest of them changed, seconds; 0: none was read. */
  get changedAt(): number {
    return Math.max(0, ...this.files.map(file => file.changedAt))
  }

  /** One reading at a time; notices that come meanwhile make one more. */
  private async run(): Promise<void> {
    this.isDue = true
    if (this.running) return
    this.running = true
    while (this.isDue) {
      this.isDue = false
      await this.refresh()
    }
    this.running = false
  }

  private async refresh(isFirst = false): Promise<void> {
    const changes: boolean[] = []
    for (const file of this.files) changes.push(await this.read(file))
    if (this.isStopped) return
    if (!changes.includes(true) && !(isFirst && this.files.some(({ entries }) => entries.length > 0))) return
    const entries = this.files.flatMap(file => file.entries)
    await this.onChange(entries)
    this.log.info('hosts are read', { files: this.files.length, lines: entries.length })
  }

  /** @returns whether it says something else than before */
  private async read(file: HostsFile): Promise<boolean> {
    const { path } = file
    try {
      const stats = await stat(path)
      const { size, mtimeMs, ino, dev } = stats
      const identity = `${dev} ${ino} ${size} ${mtimeMs}`
      if (identity === file.identity) {
        file.failure = undefined
        return false
      }
      checkFile(path, stats, MAX_OCTETS)
      const text = await readFile(path, 'utf8')
      // Not before: a change of permissions, or a descriptor that is free again, leaves it the same.
      file.identity = identity
      file.failure = undefined
      const { entries, problems } = await inTurns(parseHosts(text))
      const isNew = problems.filter(({ reason }) => file.wrong?.has(reason) === false)
      for (const { line, reason } of problems) this.log.warn(`${path}:${line}: ${reason}`)
      if (isNew.length > 0) {
        this.log.warn('this file was broken: what it gave stays', { file: path })
        return false
      }
      file.entries = entries
      file.wrong = new Set(problems.map(({ reason }) => reason))
      file.changedAt = mtimeMs / 1000
      return true
    } catch (error) {
      const because = (error as Error).message
      if (because === file.failure) return false
      file.failure = because
      const log = this.log.oncePer(`hosts ${path} ${because}`, SILENCE_MS)
      log.warn('this file of hosts cannot be read: what it gave stays', { file: path, because })
      return false
    }
  }
}
