/**
 * The Corefiles of test/support/corefiles, in the shapes that clusters have, imported with our configuration's own reader.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { toolsOf } from '../../src/cli/import-corefile.ts'
import { type Imported, type ImportTools, importCorefile } from '../../src/corefile/import-corefile.ts'

const FOLDER = new URL('corefiles/', import.meta.url)
export const COREFILES: readonly string[] = readdirSync(FOLDER).map(name => name.replace('.corefile', ''))

const ENV = { CLUSTER_DOMAIN: 'cluster.local', DNS_PORT: '1053', RECORD_TTL: '9', PODS_MODE: 'verified' }

export function textOf(name: string): string {
  return readFileSync(new URL(`${name}.corefile`, FOLDER), 'utf8')
}

/** Nothing is read but the text: imports match no file. */
export function importText(text: string, tools: Partial<ImportTools> = {}): Imported {
  return importCorefile('Corefile', text, { ...toolsOf(ENV), readImport: () => [], ...tools })
}
