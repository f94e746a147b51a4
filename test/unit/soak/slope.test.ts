import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { slopePerHour } from '../../soak/slope.ts'

const sampled = (minutes: number, value: (atMs: number) => number) =>
  Array.from({ length: minutes * 12 }, (_, i) => ({ atMs: i * 5000, value: value(i * 5000) }))

describe('the slope of a soak', () => {
  it('is that of the line, under any saw of garbage', () => {
    const leak = (atMs: number) => 100 + atMs / 3_600_000 + ((atMs / 5000) % 5) * 3
    assert.ok(Math.abs(slopePerHour(sampled(20, leak)) - 1) < 0.2)
    assert.ok(Math.abs(slopePerHour(sampled(20, atMs => 100 + ((atMs / 5000) % 5) * 3))) < 0.05)
  })

  it('is not swayed by one minute that stands out', () => {
    assert.equal(slopePerHour(sampled(20, atMs => (atMs > 600_000 && atMs < 660_000 ? 200 : 100))), 0)
  })

  it('is none where there is nothing to compare', () => assert.equal(slopePerHour([{ atMs: 0, value: 1 }]), 0))
})
