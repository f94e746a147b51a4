/**
 * Says when something in a set of folders may have changed. Layer: manifests.
 *
 * Folders are watched, not files: an editor that renames a new file over the old one, and a ConfigMap mount that
 * exchanges a link, are seen that way. Notices of the kernel do not reach every kind of mount and their number is
 * limited, so there is a slow tick beside them.
 */

import { type FSWatcher, watch } from 'node:fs'

export interface WatchTimes {
  /** From the first notice to the call, so that one save is one call. */
  readonly delayMs: number
  /** From tick to tick. */
  readonly tickMs: number
}

export class FolderWatch {
  private readonly onChange: () => void
  private readonly delayMs: number
  private readonly tick: NodeJS.Timeout
  private delay: NodeJS.Timeout | undefined
  private readonly watchers = new Map<string, FSWatcher>()

  constructor(onChange: () => void, { delayMs, tickMs }: WatchTimes) {
    this.onChange = onChange
    this.delayMs = delayMs
    this.tick = setInterval(onChange, tickMs).unref()
  }

  /** @param folders path by identity; these are watched from now on, and no others */
  follow(folders: ReadonlyMap<string, string>): void {
    for (const [identity, watcher] of this.watchers) {
      if (folders.has(identity)) continue
      watcher.close()
      this.watchers.delete(identity)
    }
    for (const [identity, path] of folders) {
      if (this.watchers.has(identity)) continue
      const watcher = this.open(path)
      if (watcher !== undefined) this.watchers.set(identity, watcher)
    }
  }

  stop(): void {
    clearInterval(this.tick)
    clearTimeout(this.delay)
    this.follow(new Map())
  }

  /** What changed before the watching began is seen by asking once more. */
  private open(path: string): FSWatcher | undefined {
    try {
      const watcher = watch(path, { persistent: false }, () => this.notice())
      watcher.on('error', () => watcher.close())
      this.notice()
      return watcher
    } catch {
      return undefined // The tick is enough.
    }
  }

  private notice(): void {
    this.delay ??= setTimeout(() => {
      this.delay = undefined
      this.onChange()
    }, this.delayMs).unref()
  }
}
