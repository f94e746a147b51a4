import assert from 'node:assert/strict'
import { it } from 'node:test'
import { KernelDrops } from '../../../src/control/kernel-drops.ts'

it('what the kernel dropped is added up over sockets of one address, and never goes back', () => {
  const drops = new Map([
    [3, 0],
    [4, 0],
  ])
  const all = new KernelDrops(fd => drops.get(fd)!)
  const values = (): number[] => all.samples().map(({ value }) => value)
  const addresses = [{ address: '127.0.0.1', port: 53 }]
  const [one, other] = [all.follow({ fds: [3], addresses }), all.follow({ fds: [4], addresses })]
  for (const [fd, count, sum] of [
    [3, 5, 5],
    [4, 2, 7],
    [3, -1, 7],
    [3, 4, 7],
    [3, 6, 8],
    [3, 2 ** 31, 2 ** 31 + 2],
    [3, 2 ** 32 - 1, 2 ** 32 + 1],
    [3, 3, 2 ** 32 + 5],
  ] as const) {
    drops.set(fd, count)
    one()
    other()
    assert.deepEqual(values(), [sum])
  }
  assert.deepEqual(all.samples()[0]!.labels, { address: '127.0.0.1:53' })
})
