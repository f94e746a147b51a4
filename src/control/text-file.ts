/**
 * Files that a configuration names, as text. Layer: control.
 * What never ends, or not until somebody writes (a device, a pipe), is not read: everything else would wait for it.
 */

import { readFileSync, type Stats, statSync } from 'node:fs'

/** @throws the error of the file system, or what `checkFile` throws */
export function readText(path: string, most: number): string {
  checkFile(path, statSync(path), most)
  return readFileSync(path, 'utf8')
}

/** @throws when it is no file, or has more than `most` octets */
export function checkFile(path: string, stats: Stats, most: number): void {
  if (!stats.isFile()) throw new Error(`${path} is no file`)
  if (stats.size > most) throw new Error(`${path} has more than ${most} octets`)
}
