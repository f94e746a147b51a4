import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { endpointSliceFromApi } from '../../../src/cluster/from-api.ts'
import type { EndpointSlice, Pod, Service } from '../../../src/cluster/objects.ts'
import { decodeSnapshot, encodeSnapshot, type Snapshot, type SnapshotList } from '../../../src/snapshot/codec.ts'
import { SnapshotError } from '../../../src/snapshot/errors.ts'
import { digestOf, HEAD_OCTETS, headOf, MAX_FILE_OCTETS, MAX_TEXT_OCTETS } from '../../../src/snapshot/format.ts'

const IDS = { cluster: digestOf('https://10.96.0.1:443'), filters: digestOf('[]') }

const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
const text = fc.string({ unit: 'binary', maxLength: 20 })
const lower = text.map(value => value.toLowerCase())
const ports = fc.array(fc.record({ name: lower, protocol: lower, port: fc.nat(65_535) }), { maxLength: 3 })
const fingerprint = fc.integer()
const identified = { uid: fingerprint, version: fc.maxSafeNat() }
const service: fc.Arbitrary<Service> = fc.record({
  ...identified,
  selection: fingerprint,
  namespace: name,
  name,
  kind: fc.constantFrom('headless', 'clusterIP', 'externalName'),
  clusterIPs: fc.array(fc.oneof(fc.ipV4(), fc.ipV6()), { maxLength: 2 }),
  externalName: text,
  ports,
  omitted: fc.constant([]),
})
const outside = fc.oneof(
  fc.constant({}),
  fc.array(fc.oneof(fc.ipV4(), fc.ipV6()), { minLength: 1, maxLength: 2 }).map(externalIPs => ({ externalIPs })),
  text.filter(host => host !== '').map(externalHost => ({ externalHost })),
)
const serviceOutside = fc.tuple(service, outside).map(([one, more]) => ({ ...one, ...more }))
const slice: fc.Arbitrary<EndpointSlice> = fc.constantFrom('IPv4', 'IPv6').chain(addressType =>
  fc.record({
    ...identified,
    namespace: name,
    name,
    serviceName: text,
    addressType: fc.constant(addressType as 'IPv4' | 'IPv6'),
    ports,
    endpoints: fc.array(
      fc
        .record({
          address: addressType === 'IPv4' ? fc.ipV4() : fc.ipV6(),
          ready: fc.boolean(),
          hostname: text,
          podName: text,
          target: fingerprint,
          nodeName: text,
          zone: text,
        })
        .chain(one => fc.constantFrom(one, { ...one, terminating: true })),
      { maxLength: 5 },
    ),
    lastChangeTriggerTime: fc.maxSafeInteger(),
    omitted: fc.constant([]),
  }),
)
const pod: fc.Arbitrary<Pod> = fc.record({
  ...identified,
  namespace: name,
  name,
  addresses: fc.array(fc.ipV4(), { maxLength: 2 }),
})

const listOf = (kind: SnapshotList['kind'], object: fc.Arbitrary<SnapshotList['objects'][number]>) =>
  fc.record({ kind: fc.constant(kind), partition: text, objects: fc.array(object, { maxLength: 8 }) })
const snapshot: fc.Arbitrary<Snapshot> = fc
  .array(
    fc.oneof(
      listOf('Service', serviceOutside),
      listOf('EndpointSlice', slice),
      listOf('Namespace', fc.record({ ...identified, name })),
      listOf('Pod', pod),
    ),
    { maxLength: 5 },
  )
  .map(lists => ({ ...IDS, lists }))

async function fileOf(value: Snapshot): Promise<Buffer> {
  return Buffer.concat(await encodeSnapshot(value))
}

/** A file whose checksum is right, whatever it holds. */
function sealed(
  lines: string,
  { lists = 1, textOctets = Buffer.byteLength(lines), body = zstdCompressSync(lines) } = {},
) {
  return Buffer.concat([headOf({ ...IDS, lists, textOctets }, [body]), body])
}

function codeOf(file: Uint8Array): string {
  try {
    decodeSnapshot(file)
    return 'none'
  } catch (error) {
    assert.ok(error instanceof SnapshotError, String(error))
    return error.code
  }
}

const SAMPLE: Snapshot = {
  ...IDS,
  lists: [
    {
      kind: 'Service',
      partition: 'default app=web',
      objects: Array.from({ length: 50 }, (_, i) => ({
        namespace: 'default',
        name: `web-${i}`,
        uid: i,
        version: i,
        selection: 0,
        kind: 'headless' as const,
        clusterIPs: [],
        externalName: '',
        ports: [],
        omitted: [],
      })),
    },
  ],
}

describe('a snapshot', () => {
  it('is read as it was written, whatever the objects', async () => {
    await fc.assert(
      fc.asyncProperty(snapshot, async value => {
        // Objects that are made for a property have no prototype.
        assert.deepEqual(decodeSnapshot(await fileOf(value)), structuredClone(value))
      }),
      { numRuns: 200 },
    )
  })

  it('of a list of many chunks is read as it was written', async () => {
    const objects = Array.from({ length: 5000 }, (_, i) => ({
      uid: i,
      version: i,
      name: `namespace-${i}-${'x'.repeat(50)}`,
    }))
    const value: Snapshot = { ...IDS, lists: [{ kind: 'Namespace', partition: '', objects }] }
    assert.deepEqual(decodeSnapshot(await fileOf(value)), value)
  })

  it('of an EndpointSlice as large as etcd takes it is read as it was written', async () => {
    const long = (character: string, i: number) => `${character.repeat(245)}-${i}`
    const endpoints = Array.from({ length: 1000 }, (_, i) => ({
      addresses: Array.from({ length: 100 }, (_, k) => `10.${i >> 8}.${i & 255}.${k}`),
      conditions: { ready: i % 3 > 0, terminating: i % 5 === 0 },
      hostname: `host-${i}`,
      ...(i % 2 === 0 && {
        nodeName: long('n', i),
        zone: long('z', i),
        targetRef: { kind: 'Pod', name: long('p', i) },
      }),
    }))
    const raw = {
      metadata: { name: 'big-1', namespace: 'tenant', labels: { 'kubernetes.io/service-name': 'big' } },
      addressType: 'IPv4',
      endpoints,
    }
    assert.ok(JSON.stringify(raw).length > 3 << 19)
    const big = endpointSliceFromApi(raw) as EndpointSlice
    const value: Snapshot = { ...IDS, lists: [{ kind: 'EndpointSlice', partition: '', objects: [big] }] }
    assert.deepEqual(decodeSnapshot(await fileOf(value)), value)
  })

  it('of an object that would not be read is not written', async () => {
    const service = { ...SAMPLE.lists[0]!.objects[0]!, externalName: 'x'.repeat(17 << 20) } as Service
    const value: Snapshot = { ...IDS, lists: [{ kind: 'Service', partition: '', objects: [service] }] }
    await assert.rejects(encodeSnapshot(value), { code: 'ERR_SNAPSHOT_TOO_LARGE' })
  })

  it('cut short at any octet is refused', async () => {
    const file = await fileOf(SAMPLE)
    for (let length = 0; length < file.length; length++) {
      assert.match(codeOf(file.subarray(0, length)), length < 8 ? /FORMAT/ : /TORN/, `${length} octets`)
    }
  })

  it('with any octet changed, or one more, is refused', async () => {
    const file = await fileOf(SAMPLE)
    for (let at = 0; at < file.length; at++) {
      const changed = Buffer.from(file)
      changed[at]! ^= 1 << (at & 7)
      assert.notEqual(codeOf(changed), 'none', `octet ${at}`)
    }
    assert.equal(codeOf(Buffer.concat([file, Buffer.of(0)])), 'ERR_SNAPSHOT_TORN')
  })

  it('of another format is refused by its version, whatever follows', async () => {
    const file = await fileOf(SAMPLE)
    file.writeUInt16BE(0, 8)
    assert.equal(codeOf(file), 'ERR_SNAPSHOT_VERSION')
  })
})

describe('a hostile snapshot with the right checksum', () => {
  const service = '["default","web",0,0,0,"headless",[],"",[],[],""]'

  it('is read when it says nothing wrong', () => {
    assert.equal(codeOf(sealed(`["Service","",1]\n${service}\n`)), 'none')
    assert.equal(codeOf(sealed('', { lists: 0 })), 'none')
  })

  for (const [what, file] of [
    ['fewer objects than it says', sealed(`["Service","",2]\n${service}\n`)],
    ['more objects than it says', sealed(`["Service","",0]\n${service}\n`)],
    ['fewer lists than it says', sealed(`["Service","",1]\n${service}\n`, { lists: 0xffff_ffff })],
    ['a count beyond all bounds', sealed('["Service","",9007199254740991]\n')],
    ['a count that is none', sealed('["Service","",-1]\n')],
    ['an unknown kind', sealed('["Secret","",0]\n')],
    ['a kind of the prototype', sealed('["constructor","",0]\n')],
    ['an object instead of an array', sealed('["Service","",1]\n{"__proto__":{}}\n')],
    ['no JSON', sealed('["Service","",1]\nweb\n')],
    ['an empty name', sealed('["Service","",1]\n["default","",0,0,0,"headless",[],"",[],[],""]\n')],
    ['half a port', sealed('["Service","",1]\n["default","web",0,0,0,"headless",[],"",["http","tcp"],[],""]\n')],
    [
      'a port too high',
      sealed('["Service","",1]\n["default","web",0,0,0,"headless",[],"",["http","tcp",65536],[],""]\n'),
    ],
    ['no address', sealed('["Service","",1]\n["default","web",0,0,0,"clusterIP",["fe80::1%eth0"],"",[],[],""]\n')],
    [
      'an address of the other family',
      sealed('["EndpointSlice","",1]\n["d","w-1",0,0,"w","IPv4",0,[],["::1",1,"","",0,"",""]]\n'),
    ],
    [
      'an address in a slice of names',
      sealed('["EndpointSlice","",1]\n["d","w-1",0,0,"w","FQDN",0,[],["1.2.3.4",1,"","",0,"",""]]\n'),
    ],
    [
      'readiness that is neither',
      sealed('["EndpointSlice","",1]\n["d","w-1",0,0,"w","IPv4",0,[],["1.2.3.4",8,"","",0,"",""]]\n'),
    ],
    [
      'an endpoint like the one before the first',
      sealed('["EndpointSlice","",1]\n["d","w-1",0,0,"w","IPv4",0,[],["1.2.3.4",5]]\n'),
    ],
    ['half an endpoint', sealed('["EndpointSlice","",1]\n["d","w-1",0,0,"w","IPv4",0,[],["1.2.3.4",1,"","",0]]\n')],
    ['a time that is none', sealed('["EndpointSlice","",1]\n["d","w-1",0,0,"w","IPv4",1e999,[],[]]\n')],
    ['no zstd', sealed('', { body: Buffer.from('text'), textOctets: 4 })],
    ['less text than it says', sealed('["Service","",0]\n', { textOctets: 1000 })],
    ['more text than it says', sealed('["Service","",0]\n', { textOctets: 3 })],
  ] as const) {
    it(`${what}: refused`, () => {
      assert.equal(codeOf(file), 'ERR_SNAPSHOT_FORMAT')
    })
  }

  it('is not decompressed beyond what it says: 1 GiB of zeros in 100 KB costs nothing', () => {
    const frame = zstdCompressSync(Buffer.alloc(16 << 20))
    // A zstd file may hold any number of frames (RFC 8878 §3).
    const body = Buffer.concat(Array.from({ length: 64 }, () => frame))
    const before = process.memoryUsage().rss
    assert.equal(codeOf(sealed('', { body, textOctets: 1000 })), 'ERR_SNAPSHOT_FORMAT')
    assert.equal(codeOf(sealed('', { body, textOctets: MAX_TEXT_OCTETS + 1 })), 'ERR_SNAPSHOT_TOO_LARGE')
    assert.ok(process.memoryUsage().rss - before < 64 << 20)
  })

  it('of one endless or deeply nested line is refused without a stack', () => {
    assert.equal(codeOf(sealed(`${'['.repeat(1_500_000)}\n`)), 'ERR_SNAPSHOT_FORMAT')
    assert.equal(codeOf(sealed(`${'['.repeat(700_000)}${']'.repeat(700_000)}\n`)), 'ERR_SNAPSHOT_FORMAT')
    assert.equal(codeOf(sealed(`"${'x'.repeat(17 << 20)}"\n`)), 'ERR_SNAPSHOT_TOO_LARGE')
  })

  it('that is larger than a snapshot can be is not looked at', () => {
    assert.equal(codeOf(Buffer.alloc(MAX_FILE_OCTETS + 1)), 'ERR_SNAPSHOT_TOO_LARGE')
  })

  it('of any lines throws SnapshotError and nothing else', () => {
    const line = fc.oneof(
      fc.json(),
      fc.constantFrom(service, '["Service","",1]', '["EndpointSlice","",2]', '["Pod","",1]'),
    )
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), fc.nat(4), (lines, lists) => {
        codeOf(sealed(lines.map(one => `${one}\n`).join(''), { lists }))
      }),
      { numRuns: 2000 },
    )
  })

  it('of any octets throws SnapshotError and nothing else', () => {
    const anyFile = fc.uint8Array({ maxLength: 300 })
    fc.assert(fc.property(anyFile, octets => void codeOf(octets)))
    fc.assert(
      fc.property(anyFile, octets => {
        const body = Buffer.from(octets)
        assert.notEqual(codeOf(sealed('', { body, textOctets: 100 })), 'none')
      }),
    )
  })

  it('the head is as long as it is drawn', () => {
    assert.equal(sealed('', { lists: 0, body: Buffer.alloc(0), textOctets: 0 }).length, HEAD_OCTETS)
  })
})
