/**
 * Every key of the schema, one after the other: nothing is accepted in it that it does not mean, and a slip in its name is
 * answered with its name. The cases that need a story are in config-load.test.ts.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { describeKeys, formatPath, type Path, type Problem, validate } from '../../../src/control/config-schema.ts'

const KEYS = describeKeys()

/** What no key takes that is one value; what none takes that is a list. */
const NEVER: readonly unknown[] = [{ a: 1 }, -1, 1.5, Number.NaN, Infinity, '\0', ' ']
const LISTED: readonly unknown[] = ['text', 5, true, { 0: 'a' }, [5], [null], [[]], [{}], ['\0']]

/** Lists of mappings: their keys are those of each. */
const LISTS = new Set(KEYS.map(({ path }) => path).filter(path => KEYS.some(each => each.path.startsWith(`${path}.`))))

/** `{source: {manifests: {paths: value}}}`, `{forward: [{zone: value}]}` */
function at(path: string, value: unknown): unknown {
  const steps = path.split('.')
  return steps.reduceRight((inner, key, i) => {
    const isList = i < steps.length - 1 && LISTS.has(steps.slice(0, i + 1).join('.'))
    return { [key]: isList ? [inner] : inner }
  }, value)
}

/** As problems name it. */
function shown(path: string): string {
  const [list, ...rest] = path.split('.')
  return LISTS.has(list!) && rest.length > 0 ? `${list}[0].${rest.join('.')}` : path
}

function problemsOf(raw: unknown): Problem[] {
  const result = validate(raw)
  return Array.isArray(result) ? result : []
}

describe('every key', () => {
  it('there are some, each once', () => {
    assert.ok(KEYS.length > 25)
    assert.equal(new Set(KEYS.map(({ path }) => path)).size, KEYS.length)
  })

  for (const { path, fallback } of KEYS) {
    const isList = Array.isArray(fallback)

    it(`${path} takes its default as it is written, and nothing`, () => {
      for (const value of [fallback, null, undefined]) assert.deepEqual(problemsOf(at(path, value)), [])
    })

    it(`${path} is named by what is ill-typed in it, once`, () => {
      // Names of files and contexts may be any text.
      const isFreeText = /(kubeconfig|context|paths|files|snapshot|tlsCa)$/.test(path)
      const wrong = (isList ? LISTED : [...NEVER, []])
        .filter(value => !(isFreeText && [value].flat().some(text => text === '\0')))
        .filter(value => !LISTS.has(path) || !Array.isArray(value))
      for (const value of wrong) {
        const problems = problemsOf(at(path, value))
        const told = JSON.stringify(value)
        assert.equal(problems.length, 1, `${path}: ${told}`)
        assert.equal(formatPath(problems[0]!.path).replace(/\[0\]$/, ''), shown(path), told)
        assert.match(problems[0]!.reason, /^it must be .+, not .+$/s, told)
      }
    })

    it(`${path} is guessed from a slip in it`, () => {
      const slip = `${path}s`.replace(/ss$/, '')
      const [problem, ...more] = problemsOf(at(slip, null))
      assert.deepEqual(more, [])
      assert.equal(formatPath(problem!.path), shown(slip))
      assert.equal(problem!.reason, `there is no such key; did you mean ${shown(path)}?`)
    })

    const word = path.split('.').at(-1)!
    // `zone` is `zones` at the top, and so on.
    if (word === path || KEYS.some(({ path: top }) => [word, `${word}s`].includes(top.split('.')[0]!))) continue
    it(`${path} is found from the top, when its last word alone is written there`, () => {
      const [problem, ...more] = problemsOf({ [word]: null })
      assert.deepEqual(more, [])
      const meant = KEYS.find(({ path: one }) => one.endsWith(`.${word}`))!.path
      assert.equal(problem!.reason, `there is no such key; did you mean ${meant}?`)
    })
  }

  it('a group is found from the top', () => {
    for (const [name, path] of Object.entries({
      kubernetes: 'source.kubernetes',
      manifests: 'source.manifests',
      tcp: 'limits.tcp',
    })) {
      assert.deepEqual(problemsOf({ [name]: {} }), [
        { path: [name], reason: `there is no such key; did you mean ${path}?` },
      ])
    }
  })

  it('what is no mapping in a list of them is named with the keys it should have', () => {
    for (const path of LISTS) {
      for (const value of [null, 'text', 5, []]) {
        const [problem, ...more] = problemsOf({ [path]: [value] })
        assert.deepEqual(more, [])
        assert.equal(formatPath(problem!.path), `${path}[0]`)
        assert.match(problem!.reason, /^it must be a mapping of \w+.*, not (nothing|"text"|5|a list)$/)
      }
    }
  })

  it('a group that is none is named with the keys it has', () => {
    const parents = KEYS.flatMap(({ path }) => {
      const steps = path.split('.').slice(0, -1)
      return steps.map((_, i) => steps.slice(0, i + 1).join('.'))
    })
    for (const group of parents.filter(path => !LISTS.has(path))) {
      for (const value of ['text', 5, true, []]) {
        const [problem, ...more] = problemsOf(at(group, value))
        assert.deepEqual(more, [])
        assert.equal(formatPath(problem!.path), group)
        assert.match(problem!.reason, /^it must be a mapping of \w+.*, not /)
      }
    }
  })
})

describe('a path', () => {
  it('is written as people write it', () => {
    const cases: [Path, string][] = [
      [[], ''],
      [['zones'], 'zones'],
      [['zones', 1], 'zones[1]'],
      [['source', 'manifests', 'paths', 0], 'source.manifests.paths[0]'],
    ]
    for (const [path, text] of cases) assert.equal(formatPath(path), text)
  })
})
