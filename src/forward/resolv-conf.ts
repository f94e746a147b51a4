/**
 * Upstreams named by a file in the form of resolv.conf(5), looked at again and again. Layer: forward.
 * Where it cannot be read, or names nobody, what it said before stays.
 */

import { readFileSync, statSync, unwatchFile, watchFile } from 'node:fs'
import { isIP } from 'node:net'

/** A file that is replaced by a link, as Kubernetes does with a ConfigMap, is noticed by its name alone: it is polled. */
const LOOK_MS = 5000
const MAX_OCTETS = 64 << 10
const MAX_SERVERS = 15
const DNS_PORT = 53
/** Kubernetes gives a pod no more. */
const MAX_SEARCH = 32

/** @throws when it cannot be read, is no file (a pipe would be waited for), or is too long */
export function readResolvConf(file: string): string {
  const stats = statSync(file)
  if (!stats.isFile()) throw new Error(`${file} is no file`)
  if (stats.size > MAX_OCTETS) throw new Error(`${file} has more than ${MAX_OCTETS} octets`)
  return readFileSync(file, 'utf8')
}

/** @returns addresses without duplicates, in their order */
export function nameserversIn(text: string): { address: string; port: number }[] {
  const addresses = text.split('\n').flatMap(line => {
    const [word, address = ''] = line.trim().split(/\s+/)
    return word === 'nameserver' && isIP(address) !== 0 ? [address] : []
  })
  return [...new Set(addresses)].slice(0, MAX_SERVERS).map(address => ({ address, port: DNS_PORT }))
}

/** @returns names without duplicates and final dots, in their order; of several lists the last one, as resolv.conf(5) has it */
export function searchIn(text: string): string[] {
  const lists = text.split('\n').flatMap(line => {
    const [word, ...names] = line.trim().split(/\s+/)
    return word === 'search' ? [names] : []
  })
  const names = (lists.at(-1) ?? []).map(name => name.toLowerCase().replace(/\.$/, '')).filter(name => name !== '')
  return [...new Set(names)].slice(0, MAX_SEARCH)
}

/**
 * @param onChange told when the file changes, and at the next look when it could not be read
 * @returns what is read now, and what stops the looking
 */
export function watchNameservers(
  file: string,
  onChange: () => void,
  lookMs = LOOK_MS,
): { read(): ReturnType<typeof nameserversIn>; stop(): void } {
  watchFile(file, { interval: lookMs, persistent: false }, onChange)
  let again: NodeJS.Timeout | undefined
  return {
    read() {
      clearTimeout(again)
      try {
        return nameserversIn(readResolvConf(file))
      } catch {
        // When it can be read (a descriptor is free again), nothing says that it changed.
        again = setTimeout(onChange, lookMs).unref()
        return []
      }
    },
    stop() {
      clearTimeout(again)
      unwatchFile(file, onChange)
    },
  }
}
