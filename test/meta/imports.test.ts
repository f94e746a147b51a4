/**
 * The rules of src/README.md about imports, held by a test: arrows point one way, each package has one door.
 */

import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, sep } from 'node:path'
import { describe, it } from 'node:test'

const SRC = new URL('../../src/', import.meta.url).pathname

/** Folder → the folders it may import besides itself. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  wire: [],
  cluster: [],
  table: ['wire'],
  cache: ['wire', 'table'],
  records: ['wire', 'cluster'],
  rules: ['wire'],
  local: ['wire', 'table', 'answer', 'forward', 'rules'],
  answer: ['wire', 'table', 'cache'],
  transport: ['wire'],
  dataplane: ['answer', 'cache', 'table', 'transport', 'wire', 'rules'],
  kubernetes: ['cluster'],
  manifests: ['cluster'],
  snapshot: ['cluster'],
  forward: ['wire', 'table', 'cache'],
  transfer: ['wire', 'table'],
  admin: ['cluster', 'table'],
  corefile: [],
  control: [
    'wire',
    'cluster',
    'table',
    'records',
    'cache',
    'answer',
    'transport',
    'dataplane',
    'kubernetes',
    'manifests',
    'snapshot',
    'forward',
    'transfer',
    'rules',
    'local',
    'admin',
  ],
  compare: ['wire'],
  cli: ['compare', 'control', 'corefile', 'wire'],
  '.': ['cli', 'control'],
}

/** Package → the one file that imports it. */
const DOORS: Record<string, string> = {
  '@kubernetes/client-node': 'kubernetes/kube-config.ts',
  dns2: 'cli/dns-client.ts',
  koffi: 'transport/libc.ts',
  'js-yaml': 'manifests/yaml.ts',
  'lru-cache': 'cache/bounded-map.ts',
  pino: 'control/log.ts',
  valibot: 'control/config-schema.ts',
}

const files = globSync('**/*.ts', { cwd: SRC })

/** Everything that a file imports, statically, dynamically or by require. */
function importsOf(file: string): string[] {
  const source = readFileSync(join(SRC, file), 'utf8')
  const pattern = /(?<!['"])(?:\bfrom\s*|\bimport\s*\(?\s*|\bcreateRequire\([^)]*\)\(\s*)['"]([^'"\n]+)['"]/g
  return [...source.matchAll(pattern)].map(match => match[1]!)
}

function folderOf(file: string): string {
  return file.includes(sep) ? file.split(sep, 1)[0]! : '.'
}

describe('imports', () => {
  it('point one way only', () => {
    const wrong: string[] = []
    for (const file of files) {
      const from = folderOf(file)
      assert.ok(MAY_IMPORT[from] !== undefined, `${file} lies in a folder that is not in the table of layers`)
      for (const target of importsOf(file)) {
        // The package's own description belongs to no layer.
        if (!target.startsWith('.') || target.endsWith('/package.json')) continue
        const to = folderOf(normalize(join(dirname(file), target)))
        if (to !== from && !MAY_IMPORT[from].includes(to)) wrong.push(`${file} imports ${target}`)
      }
    }
    assert.deepEqual(wrong, [])
  })

  it('of a package stand in its one door', () => {
    const wrong: string[] = []
    for (const file of files) {
      for (const target of importsOf(file)) {
        if (target.startsWith('.') || target.startsWith('node:')) continue
        const name = target.startsWith('@') ? target.split('/', 2).join('/') : target.split('/', 1)[0]!
        if (DOORS[name] !== file) wrong.push(`${file} imports ${target}; its door is ${DOORS[name] ?? 'nowhere'}`)
      }
    }
    assert.deepEqual(wrong, [])
  })

  it('never use Math.random: random numbers that matter come from node:crypto', () => {
    assert.deepEqual(
      files.filter(file => readFileSync(join(SRC, file), 'utf8').includes('Math.random')),
      [],
    )
  })
})

describe('files', () => {
  it('open with what they are and their layer', () => {
    const bare = files.filter(file => !/^(#!.*\n)?\/\*\*[\s\S]*?\*\//.test(readFileSync(join(SRC, file), 'utf8')))
    assert.deepEqual(bare, [])
  })
})
