import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { EndpointSlice } from '../../../src/cluster/objects.ts'
import { type JoinedEndpoints, joinEndpoints } from '../../../src/records/join.ts'
import { dashedAddress } from '../../../src/records/slice-word.ts'
import { formatIPv4, formatIPv6, parseIPv4, parseIPv6 } from '../../../src/wire/address.ts'
import { headless, slice } from '../../support/answering.ts'

const HTTP = { name: 'http', protocol: 'tcp', port: 80 }

function join(slices: EndpointSlice[], podNames = false): JoinedEndpoints {
  return joinEndpoints({ service: headless('web'), slices }, podNames)
}

function addresses({ v4, v6 }: { readonly v4: readonly number[]; readonly v6: Uint8Array }): string[] {
  const six = Array.from({ length: v6.length / 16 }, (_, i) => formatIPv6(v6.subarray(16 * i, 16 * i + 16)))
  return [...v4.map(formatIPv4), ...six]
}

describe('joining slices', () => {
  it('all slices count, an address in two of them once', () => {
    const joined = join([
      slice('web', [{ address: '10.0.0.2' }, { address: '10.0.0.1' }]),
      slice('web', [{ address: '10.0.0.1' }, { address: '10.0.0.3' }]),
      slice('web', [{ address: 'fd00::1' }, { address: 'fd00:0:0::1' }]),
    ])
    assert.deepEqual(addresses(joined), ['10.0.0.1', '10.0.0.2', '10.0.0.3', 'fd00::1'])
    assert.deepEqual([...joined.byLabel.keys()], ['10-0-0-1', '10-0-0-2', '10-0-0-3', 'fd00--1'])
  })

  it('an address that is ready in one slice and not in another is ready', () => {
    for (const order of [0, 1]) {
      const slices = [slice('web', [{ address: '10.0.0.1' }]), slice('web', [{ address: '10.0.0.1', ready: false }])]
      if (order === 1) slices.reverse()
      assert.deepEqual(addresses(join(slices)), ['10.0.0.1'])
    }
  })

  it('what is not ready leaves nothing: no address, no name, no port, no zone', () => {
    const joined = join([
      slice('web', [{ address: '10.0.0.1', ready: false, hostname: 'a', zone: 'z' }], { ports: [HTTP] }),
    ])
    assert.deepEqual([joined.byLabel.size, joined.v4.length, joined.ports.length, joined.byZone.size], [0, 0, 0, 0])
  })

  it('addresses are sorted by their octets, the same whatever the order of slices and endpoints', () => {
    const address = fc.oneof(
      fc.tuple(fc.nat(255), fc.nat(255)).map(([a, b]) => `10.${a}.0.${b}`),
      fc.constantFrom('200.0.0.1', '9.0.0.1', 'fd00::1', 'fd00::2', '::1', 'ff::'),
    )
    fc.assert(
      fc.property(fc.array(address, { maxLength: 12 }), fc.nat(12), (all, cut) => {
        const one = join([
          slice(
            'web',
            all.map(text => ({ address: text })),
          ),
        ])
        const turned = [...all.slice(cut), ...all.slice(0, cut)].reverse()
        const two = join(turned.map(text => slice('web', [{ address: text }])))
        // What each slice gave is kept by slice, and these are others.
        assert.deepEqual({ ...one, bySlice: undefined }, { ...two, bySlice: undefined })
        assert.deepEqual(
          [...one.v4],
          [...one.v4].sort((a, b) => a - b),
        )
      }),
    )
  })
})

describe('one pod in two slices: the newer slice’s word', () => {
  const pod = { address: '10.0.0.1', target: 7, hostname: 'a' }
  const both = (older: object, newer: object, ports: [object, object] = [{}, {}]) => {
    const slices = [
      slice('web', [{ ...pod, ...older }], { name: 'x', version: 5, ...ports[0] }),
      slice('web', [{ ...pod, ...newer }], { name: 'y', version: 12, ...ports[1] }),
    ]
    const [one, two] = [join(slices), join(slices.toReversed())]
    assert.deepEqual(one.byLabel, two.byLabel)
    assert.deepEqual(one.v4, two.v4)
    return one
  }

  it('not ready in the newer one: it is not ready', () => {
    assert.deepEqual(addresses(both({}, { ready: false })), [])
  })

  it('ready in the newer one: it is ready', () => {
    assert.deepEqual(addresses(both({ ready: false }, {})), ['10.0.0.1'])
  })

  it('ready in both: hostname and zone of the newer one', () => {
    const joined = both({ hostname: 'old', zone: 'z1' }, { zone: 'z2' })
    assert.deepEqual([...joined.byLabel.keys()], ['a'])
    assert.deepEqual([...joined.byZone.keys()], ['z2'])
  })

  it('ready in both, with other ports: each has its own, the address is there once', () => {
    const joined = both({}, {}, [{ ports: [HTTP] }, { ports: [{ ...HTTP, name: 'x', port: 81 }] }])
    assert.deepEqual(addresses(joined), ['10.0.0.1'])
    assert.deepEqual(joined.byLabel.get('a')!.ports, [80, 81])
  })

  it('versions that are not known decide nothing: the ready one counts', () => {
    const slices = [
      slice('web', [pod], { name: 'x' }),
      slice('web', [{ ...pod, ready: false }], { name: 'y', version: 9 }),
    ]
    assert.deepEqual(addresses(join(slices)), ['10.0.0.1'])
  })

  it('one among many, of both families', () => {
    const many = Array.from({ length: 200 }, (_, i) => ({ address: `10.0.1.${i}`, target: 1000 + i }))
    const six = Array.from({ length: 200 }, (_, i) => ({ address: `fd00::${i}`, target: 1000 + i }))
    const gone = [3, 77, 199]
    const unready = (all: typeof many) => gone.map(i => ({ ...all[i]!, ready: false }))
    const joined = join([
      slice('web', many, { version: 5 }),
      slice('web', six, { version: 5 }),
      slice('web', unready(many), { version: 6 }),
      slice('web', unready(six), { version: 4 }),
    ])
    const expected = [...many.filter((_, i) => !gone.includes(i)), ...six].map(({ address }) => address)
    assert.deepEqual(new Set(addresses(joined)), new Set(expected.map(text => text.replace('fd00::0', 'fd00::'))))
  })
})

describe('one address under two pods (F4, k8s#135334)', () => {
  const ghost = { address: '10.0.0.1', target: 1, hostname: 'ghost', ready: false, terminating: true }
  const real = { address: '10.0.0.1', target: 2, hostname: 'real' }

  for (const [ghostVersion, realVersion] of [
    [5, 9],
    [9, 5],
    [0, 0],
  ]) {
    it(`the ready one counts, its hostname and no other: versions ${ghostVersion} and ${realVersion}`, () => {
      const slices = [
        slice('web', [ghost], { version: ghostVersion! }),
        slice('web', [real], { version: realVersion! }),
      ]
      for (const order of [slices, slices.toReversed(), [slice('web', [real, ghost])]]) {
        const joined = join(order)
        assert.deepEqual(addresses(joined), ['10.0.0.1'])
        assert.deepEqual([...joined.byLabel.keys()], ['real'])
      }
    })
  }

  it('when the ghost goes the address stays', () => {
    const withGhost = [slice('web', [ghost], { name: 'g' }), slice('web', [real], { name: 'r' })]
    const before = join(withGhost)
    const after = joinEndpoints({ service: headless('web'), slices: withGhost.slice(1) }, false, before)
    assert.deepEqual(addresses(after), ['10.0.0.1'])
  })

  it('two ready pods on one address (host network) have it once, and a name each', () => {
    const joined = join([slice('web', [real, { ...ghost, ready: true }])])
    assert.deepEqual(addresses(joined), ['10.0.0.1'])
    assert.deepEqual([...joined.byLabel.keys()], ['ghost', 'real'])
  })
})

describe('endpoint names', () => {
  it('endpoints with one hostname share the name and its addresses, of both families', () => {
    const joined = join([
      slice('web', [
        { address: '10.0.0.1', hostname: 'a' },
        { address: '10.0.0.2', hostname: 'A' },
      ]),
      slice('web', [{ address: 'fd00::1', hostname: 'a' }]),
    ])
    assert.deepEqual([...joined.byLabel.keys()], ['a'])
    assert.deepEqual(addresses(joined.byLabel.get('a')!), ['10.0.0.1', '10.0.0.2', 'fd00::1'])
  })

  // RFC 1123 §2.1: letters, digits and hyphens, no hyphen first or last; 63 octets
  describe('RFC 1123 §2.1: a hostname or pod name that is no label gives way to the address', () => {
    for (const name of ['a.b', '-a', 'a-', 'a_b', 'ä', 'x'.repeat(64), ' ', '*', '_tcp']) {
      it(JSON.stringify(name), () => {
        const endpoint = { address: '10.0.0.1', hostname: name, podName: name }
        assert.deepEqual([...join([slice('web', [endpoint])], true).byLabel.keys()], ['10-0-0-1'])
      })
    }

    it('63 octets, a digit first, one letter: these are labels', () => {
      for (const name of ['x'.repeat(63), '0a', 'a', '7', 'a--b']) {
        assert.deepEqual([...join([slice('web', [{ address: '10.0.0.1', hostname: name }])]).byLabel.keys()], [name])
      }
    })
  })

  it('pod names name endpoints only when asked for, and after hostnames', () => {
    const endpoints = [
      { address: '10.0.0.1', hostname: 'h', podName: 'p' },
      { address: '10.0.0.2', podName: 'Q' },
    ]
    assert.deepEqual([...join([slice('web', endpoints)]).byLabel.keys()], ['h', '10-0-0-2'])
    assert.deepEqual([...join([slice('web', endpoints)], true).byLabel.keys()], ['h', 'q'])
  })

  it('dashed addresses are labels: no dash first or last', () => {
    for (const [text, label] of [
      ['2001:db8::', '2001-db8--0'],
      ['::1', '0--1'],
      ['::', '0--0'],
      ['2001:0db8:0:0:0:0:0:1', '2001-db8--1'],
      ['::ffff:1.2.3.4', '0--ffff-102-304'],
    ] as const) {
      assert.equal(dashedAddress(parseIPv6(text), text), label)
    }
    assert.equal(dashedAddress(parseIPv4('10.0.0.1'), '10.0.0.1'), '10-0-0-1')
  })
})

describe('ports', () => {
  it('a named port lists the endpoints of the slices that have it, each once', () => {
    const joined = join([
      slice('web', [{ address: '10.0.0.1' }, { address: '10.0.0.1' }], { ports: [HTTP, HTTP] }),
      slice('web', [{ address: '10.0.0.2' }], { ports: [{ ...HTTP, port: 8080 }] }),
      slice('web', [{ address: '10.0.0.3' }], { ports: [{ ...HTTP, protocol: 'udp' }] }),
    ])
    const listed = joined.ports.map(({ name, protocol, targets }) => [
      `${name}/${protocol}`,
      ...targets.map(({ endpoint, port }) => `${endpoint.label}:${port}`),
    ])
    assert.deepEqual(listed, [
      ['http/tcp', '10-0-0-1:80', '10-0-0-2:8080'],
      ['http/udp', '10-0-0-3:80'],
    ])
  })

  it('an unnamed port is a port of its endpoints, and has no list', () => {
    const joined = join([slice('web', [{ address: '10.0.0.1' }], { ports: [{ ...HTTP, name: '' }] })])
    assert.deepEqual(joined.ports, [])
    assert.deepEqual(joined.byLabel.get('10-0-0-1')!.ports, [80])
  })
})

describe('topology zones', () => {
  it('letter case does not tell zones apart', () => {
    const joined = join([
      slice('web', [
        { address: '10.0.0.1', zone: 'Z1' },
        { address: '10.0.0.2', zone: 'z1' },
      ]),
    ])
    assert.deepEqual([...joined.byZone.keys()], ['z1'])
    assert.deepEqual(addresses(joined.byZone.get('z1')!), ['10.0.0.1', '10.0.0.2'])
  })
})
