import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { configOf } from '../../../src/control/config-load.ts'
import { isPublic, refuseOpenResolver } from '../../../src/control/open-resolver.ts'

const OWN = ['127.0.0.1', '10.0.0.7', '8.8.4.4', '::1', 'fe80::1%eth0', '2a00::7']
const FORWARD = [{ upstreams: ['10.0.0.2'] }]

function start(more: object, own: readonly string[] = OWN): void {
  const all = { source: { manifests: '/none' }, forward: FORWARD, ...more }
  const surroundings = { directory: '/', isInPod: false, nodeName: '' }
  refuseOpenResolver(configOf({ path: '/c.yaml', text: JSON.stringify(all) }, {}, surroundings), own)
}

describe('RFC 5358 §4: an open resolver', () => {
  for (const listen of ['8.8.4.4:53', '[2a00::7]:53', '0.0.0.0:53', '[::]:53']) {
    it(`is refused on ${listen}, with a word that says what to set`, () => {
      assert.throws(() => start({ listen: ['127.0.0.1:53', listen] }), {
        code: 'ERR_OPEN_RESOLVER',
        message: /acl.*openResolver: true/,
      })
    })
  }

  it('is none on addresses that strangers do not reach, or that this machine has not', () => {
    start({ listen: ['127.0.0.1:53', '10.0.0.7:53', '[fe80::1%eth0]:53', '[fd00::1]:53', '169.254.20.10:53'] })
    start({ listen: ['0.0.0.0:53', '[::]:53'] }, ['10.0.0.7', 'fd00::7', 'fe80::7%eth0'])
    start({ listen: ['0.0.0.0:53'] }, ['10.0.0.7', '2a00::7'])
  })

  it('is none without forwarding, or when it is meant', () => {
    start({ listen: ['8.8.4.4:53'], forward: [] })
    start({ listen: ['8.8.4.4:53'], openResolver: true })
  })

  it('is none where acl sends away whom it does not allow', () => {
    const listen = ['0.0.0.0:53']
    const allow = { action: 'allow', networks: ['10.0.0.0/8'] }
    for (const action of ['block', 'filter', 'drop']) start({ listen, acl: [allow, { action }] })
    start({ listen, acl: [allow, { action: 'block', networks: ['0.0.0.0/0', '::/0'] }] })
    const open = [
      [allow],
      [{ action: 'block', networks: ['10.0.0.0/8'] }],
      [allow, { action: 'block', types: ['ANY'] }],
      [allow, { action: 'block', zones: ['example.com'] }],
      [{ action: 'allow' }, { action: 'block' }],
      [allow, { action: 'block', networks: ['0.0.0.0/0'] }],
    ]
    for (const acl of open) assert.throws(() => start({ listen, acl }), { code: 'ERR_OPEN_RESOLVER' })
  })
})

describe('a public address', () => {
  it('is none of RFC 1918, 4193, 6598, 3927, 4291 and 5737', () => {
    const others = [
      '10.1.2.3',
      '172.31.0.1',
      '192.168.1.1',
      '100.127.0.1',
      '169.254.1.1',
      '127.9.9.9',
      'fd12::1',
      'fe80::1',
      '::1',
    ]
    assert.deepEqual(others.filter(isPublic), [])
    assert.deepEqual(
      ['172.32.0.1', '100.128.0.1', '1.1.1.1', '2606:4700::1', 'fec0::1'].filter(one => !isPublic(one)),
      [],
    )
  })
})
