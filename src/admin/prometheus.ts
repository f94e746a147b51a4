/**
 * Metric families → Prometheus text exposition format 0.0.4. Layer: admin; pure.
 */

export interface Sample {
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number
}

export interface Histogram {
  readonly labels?: Readonly<Record<string, string>>
  /** Count of each bucket, not cumulative; the last is +Inf. */
  readonly counts: ArrayLike<number>
  readonly sum: number
}

export type Family = { readonly name: string; readonly help: string } & (
  | { readonly type: 'counter' | 'gauge'; readonly samples: readonly Sample[] }
  | { readonly type: 'histogram'; readonly bounds: readonly number[]; readonly histograms: readonly Histogram[] }
)

export function formatFamilies(families: readonly Family[]): string {
  let text = ''
  for (const family of families) {
    text += `# HELP ${family.name} ${family.help}\n# TYPE ${family.name} ${family.type}\n`
    if (family.type === 'histogram') {
      for (const histogram of family.histograms) text += formatHistogram(family.name, family.bounds, histogram)
    } else for (const { labels = {}, value } of family.samples) text += formatSample(family.name, labels, value)
  }
  return text
}

function formatHistogram(name: string, bounds: readonly number[], { labels = {}, counts, sum }: Histogram): string {
  let text = ''
  let total = 0
  for (let i = 0; i <= bounds.length; i++) {
    total += counts[i]!
    text += formatSample(`${name}_bucket`, { ...labels, le: i < bounds.length ? String(bounds[i]) : '+Inf' }, total)
  }
  return text + formatSample(`${name}_sum`, labels, sum) + formatSample(`${name}_count`, labels, total)
}

function formatSample(name: string, labels: Readonly<Record<string, string>>, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeValue(text)}"`)
  return `${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}\n`
}

function escapeValue(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
