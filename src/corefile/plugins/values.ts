/**
 * Values as a Corefile writes them → as our configuration does. Layer: corefile; pure. What has another form is handed on as it is
 * written, for the configuration's own reader to refuse with its own words.
 */

import type { Mapping } from '../mapping.ts'

export function numberOf(text = ''): number | string {
  return /^-?\d{1,9}$/.test(text) ? Number(text) : text
}

const UNITS_MS: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 0.001,
  µs: 0.001,
  ns: 0.000_001,
}

/** Go's durations: `1h30m`, `1.5s`; a bare number, which is seconds for some plugins. */
export function durationOf(text = ''): string {
  const parts = [...text.matchAll(/(\d{1,9}(?:\.\d{1,9})?)(h|ms|m|s|us|µs|ns)/g)]
  if (/^\d{1,9}$/.test(text)) return `${Number(text)}s`
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text) return text
  const ms = Math.ceil(parts.reduce((sum, [, count, unit]) => sum + Number(count) * UNITS_MS[unit!]!, 0))
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`
}

/** `:9153`, `localhost:9153`, `10.0.0.1:9153`; without a host: of all IPv4 addresses. */
export function socketOf(text: string, port: number): string {
  const [, host = text, given] = /^(.*?)(?::(\d{1,5}))?$/.exec(text.replace(/^https?:\/\//, '')) ?? []
  const address = host === '' ? '0.0.0.0' : host === 'localhost' ? '127.0.0.1' : host
  return `${address.includes(':') && !address.startsWith('[') ? `[${address}]` : address}:${given ?? port}`
}

/** Those of the block that the plugin kubernetes serves. */
export function clusterZones(mapping: Mapping): string[] {
  const { plugins } = mapping.block
  return plugins.filter(({ name }) => name === 'kubernetes').flatMap(({ args }) => mapping.zones(args))
}
