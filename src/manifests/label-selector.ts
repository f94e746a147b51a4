/**
 * Label selectors, in both of the API's forms: text (`app=web,tier in (a,b),!old`) and an object (`matchLabels`,
 * `matchExpressions`). Layer: manifests; pure. The API server is not there to filter, so it is done here as it does.
 */

import { ManifestsError } from './errors.ts'

export type Labels = Readonly<Record<string, unknown>>
export type LabelTest = (labels: Labels) => boolean

interface Requirement {
  readonly key: string
  readonly operator: 'in' | 'notin' | 'exists' | 'doesnotexist'
  readonly values: readonly string[]
}

const KEY = '[A-Za-z0-9][-A-Za-z0-9_./]*'
const VALUE = '[-A-Za-z0-9_.]*'
const REQUIREMENT = new RegExp(
  String.raw`\s*(?:!\s*(?<absent>${KEY})|(?<key>${KEY})(?:\s*(?<sign>==|=|!=)\s*(?<value>${VALUE})|\s+(?<word>in|notin)\s*\((?<set>[^()]*)\))?)\s*(?:,|$)`,
  'y',
)

/**
 * @param text `''` selects everything
 * @throws {ManifestsError} ERR_MANIFESTS_SELECTOR
 */
export function parseLabelSelector(text: string): LabelTest {
  const requirements: Requirement[] = []
  const trimmed = text.trim()
  for (let at = 0; at < trimmed.length; at = REQUIREMENT.lastIndex) {
    REQUIREMENT.lastIndex = at
    const match = REQUIREMENT.exec(trimmed)
    const values = match?.groups?.['set']?.split(',').map(value => value.trim()) ?? []
    if (match === null || !values.every(value => new RegExp(`^${VALUE}$`).test(value)) || trimmed.endsWith(',')) {
      const message = `the label selector "${text}" cannot be read at "${trimmed.slice(at)}"; write for example app=web,tier in (a,b),!old`
      throw new ManifestsError('ERR_MANIFESTS_SELECTOR', message)
    }
    requirements.push(toRequirement(match.groups!, values))
  }
  return labels => requirements.every(requirement => holds(requirement, labels))
}

function toRequirement(groups: Record<string, string | undefined>, set: readonly string[]): Requirement {
  const { absent, key = '', sign, value = '', word } = groups
  if (absent !== undefined) return { key: absent, operator: 'doesnotexist', values: [] }
  if (sign !== undefined) return { key, operator: sign === '!=' ? 'notin' : 'in', values: [value] }
  if (word !== undefined) return { key, operator: word as 'in' | 'notin', values: set }
  return { key, operator: 'exists', values: [] }
}

interface RawSelector {
  readonly matchLabels?: Labels | null
  readonly matchExpressions?: readonly (Expression | null)[] | null
}
interface Expression {
  readonly key?: string | null
  readonly operator?: string | null
  readonly values?: readonly string[] | null
}

/**
 * @param selector a LabelSelector of the API, its shape already checked
 * @returns the first expression that the API server would refuse, and why
 */
export function badExpressionIn(selector: unknown): { index: number; reason: string } | undefined {
  for (const [index, expression] of ((selector as RawSelector | null)?.matchExpressions ?? []).entries()) {
    const reason = shortcomingOf(expression ?? {})
    if (reason !== undefined) return { index, reason }
  }
  return undefined
}

function shortcomingOf({ key, operator, values }: Expression): string | undefined {
  if (!key) return 'key is missing'
  if (!operator) return 'operator is missing'
  const hasValues = values != null && values.length > 0
  const needsValues = operator === 'In' || operator === 'NotIn'
  if (needsValues === hasValues) return undefined
  return needsValues ? `values are missing; ${operator} needs some` : `values are given; ${operator} takes none`
}

/**
 * @param selector a LabelSelector of the API, with no bad expression in it
 * @returns undefined when it names nothing: such a selector selects everything, or nothing, as its owner says
 */
export function labelSelectorFromApi(selector: unknown): LabelTest | undefined {
  const { matchLabels, matchExpressions } = (selector ?? {}) as RawSelector
  const requirements: Requirement[] = Object.entries(matchLabels ?? {}).map(([key, value]) => ({
    key,
    operator: 'in',
    values: [textOf(value)],
  }))
  for (const expression of matchExpressions ?? []) {
    const operator = expression?.operator?.toLowerCase() as Requirement['operator']
    requirements.push({ key: expression?.key ?? '', operator, values: expression?.values ?? [] })
  }
  if (requirements.length === 0) return undefined
  return labels => requirements.every(requirement => holds(requirement, labels))
}

function holds({ key, operator, values }: Requirement, labels: Labels): boolean {
  const has = Object.hasOwn(labels, key)
  switch (operator) {
    case 'in':
      return has && values.includes(textOf(labels[key]))
    case 'notin':
      return !has || !values.includes(textOf(labels[key]))
    case 'exists':
      return has
    default:
      return !has
  }
}

/** A label without a value has the value `''`. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
