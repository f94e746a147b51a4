/**
 * How fast a figure grows that goes up and down on its way. Layer: test support; pure.
 */

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

/**
 * The least value of every minute, since a heap is smallest right after its garbage was collected; of those the median of
 * the slopes of all pairs (Theil and Sen), which single minutes do not sway.
 * @returns growth an hour; 0 for less than two minutes
 */
export function slopePerHour(samples: readonly { readonly atMs: number; readonly value: number }[]): number {
  const byMinute = new Map<number, { atMs: number; value: number }>()
  for (const sample of samples) {
    const minute = Math.floor(sample.atMs / MINUTE_MS)
    const least = byMinute.get(minute)
    if (least === undefined || sample.value < least.value) byMinute.set(minute, sample)
  }
  const least = [...byMinute.values()]
  const slopes = least.flatMap((a, i) =>
    least.slice(i + 1).map(b => ((b.value - a.value) / (b.atMs - a.atMs)) * HOUR_MS),
  )
  return slopes.sort((a, b) => a - b)[slopes.length >>> 1] ?? 0
}
