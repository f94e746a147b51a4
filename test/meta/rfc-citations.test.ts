/**
 * Every section of an RFC, and of the Kubernetes DNS specification, that the code says it obeys is in the title of a
 * test: searching for `RFC 6891 §7` finds the line and its test.
 */

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'

const ROOT = new URL('../../', import.meta.url)
const LAYERS = ['wire', 'answer', 'records', 'table', 'forward']

/** Cited to explain a layout or a word, not because a line obeys it. */
const PROSE: Readonly<Record<string, string>> = {}

const K8S = 'K8s DNS spec'

function filesBelow(folder: string, ending: string): string[] {
  const url = new URL(folder, ROOT)
  return readdirSync(url, { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith(ending))
    .map(path => `${folder}${path}`)
}

function read(path: string): string {
  return readFileSync(new URL(path, ROOT), 'utf8')
}

/**
 * `RFC 1035 §3.1 (wire form), §5.1` cites two sections: a section belongs to the document named last before it, in the
 * same run of comment.
 */
function citationsIn(text: string): Set<string> {
  const found = new Set<string>()
  let document = ''
  for (const [token, rfc, section] of text.matchAll(/RFC (\d+)|K8s DNS spec|§(\d+(?:\.\d+)*)/g)) {
    if (section === undefined) document = rfc === undefined ? K8S : `RFC ${rfc}`
    else if (document !== '') found.add(`${document} ${token}`)
  }
  return found
}

function titles(): string[] {
  return filesBelow('test/', '.test.ts').flatMap(path =>
    [...read(path).matchAll(/\b(?:describe|it|test|soa)\(\s*(['"`])([\s\S]*?)\1|\btitle: (['"`])(.*?)\3/g)].map(
      match => match[2] ?? match[4]!,
    ),
  )
}

describe('citations', () => {
  const tested = new Set(titles().flatMap(title => [...citationsIn(title)]))

  for (const layer of LAYERS) {
    for (const path of filesBelow(`src/${layer}/`, '.ts')) {
      const cited = [...citationsIn(read(path))].filter(citation => !(citation in PROSE))
      if (cited.length === 0) continue
      it(`${path}: each section it cites has a test`, () => {
        assert.deepEqual(
          cited.filter(citation => !tested.has(citation)),
          [],
        )
      })
    }
  }

  it('nothing is excused that no line cites, or that a test has', () => {
    const cited = new Set(
      LAYERS.flatMap(layer => filesBelow(`src/${layer}/`, '.ts').flatMap(path => [...citationsIn(read(path))])),
    )
    for (const citation of Object.keys(PROSE)) assert.ok(cited.has(citation) && !tested.has(citation), citation)
  })

  it('a section belongs to the document before it', () => {
    assert.deepEqual(
      [...citationsIn('RFC 1035 §3.1 (wire form), §5.1 and K8s DNS spec 1.1.0 §2.4.1, §2.5; RFC 8020')],
      ['RFC 1035 §3.1', 'RFC 1035 §5.1', 'K8s DNS spec §2.4.1', 'K8s DNS spec §2.5'],
    )
  })
})
