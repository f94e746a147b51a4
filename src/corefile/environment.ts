/**
 * `{$NAME}` and `{%NAME%}` in a word → what the environment says. Layer: corefile; pure.
 * What comes in is not looked at again. CoreDNS puts nothing where a variable is not set, and knows no defaults; `{$NAME:DEFAULT}`
 * is read as it was meant.
 */

export interface Substitution {
  readonly text: string
  /** Names that are not set. */
  readonly unset: readonly string[]
  /** Names whose default was taken. */
  readonly defaulted: readonly string[]
}

const REFERENCE = /\{%([^%{}]+)%\}|\{\$([^{}]+)\}/g

export function substitute(text: string, env: (name: string) => string | undefined): Substitution {
  const unset: string[] = []
  const defaulted: string[] = []
  const result = text.replace(REFERENCE, (_, windows?: string, unix?: string) => {
    const [name = '', ...rest] = (windows ?? unix ?? '').split(':')
    const value = env(name)
    if (value !== undefined) return value
    if (rest.length > 0) defaulted.push(name)
    else unset.push(name)
    return rest.join(':')
  })
  return { text: result, unset, defaulted }
}
