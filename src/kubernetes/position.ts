/**
 * Where in the API server's history a watch is: the version that it goes on from, and what no list may be older than.
 * Layer: kubernetes; pure. Kubernetes API concepts, "Resource versions".
 */

import { ApiError } from './errors.ts'
import type { Query } from './requests.ts'
import { MAX_QUOTED } from './status.ts'
import { isLess } from './versions.ts'

const PAGE = 500

export class Position {
  /** Where to go on; '' before a list. */
  private at = ''
  /** The newest version of this history; '' when none is known. */
  private newest = ''
  /** Nobody's cache is believed: the server that was asked has another history, or is behind. */
  private isDoubted = false

  /** '': what comes next is a list. */
  get version(): string {
    return this.at
  }

  /** @param version '' says nothing */
  moveTo(version: string): void {
    if (version === '') return
    this.at = version
    this.newest = version
  }

  /** @throws ApiError ERR_API_HISTORY when versions go back: they never do within one history of etcd */
  refuseOlder(version: string): void {
    if (version === '' || !isLess(version, this.at)) return
    throw new ApiError(
      'ERR_API_HISTORY',
      `the API server seems to have another history: version ${quoted(version)} after ${quoted(this.at)}`,
    )
  }

  /** It is not known what was said since. */
  lose(): void {
    this.at = ''
  }

  /** The history that was seen may be none any more. */
  doubt(): void {
    this.newest = ''
    this.isDoubted = true
  }

  /** A whole list is in. */
  listed(): void {
    this.isDoubted = false
  }

  /** Any replica's cache may be behind: what was seen is not to be taken back. In pages a version would be etcd's to give. */
  listQuery(): Query {
    if (this.newest !== '') return { resourceVersion: this.newest, resourceVersionMatch: 'NotOlderThan' }
    // Without a version it is what etcd holds now.
    return this.isDoubted ? { limit: String(PAGE) } : { limit: String(PAGE), resourceVersion: '0' }
  }
}

/** A version may be of any length. */
function quoted(version: string): string {
  return version.slice(0, MAX_QUOTED)
}
