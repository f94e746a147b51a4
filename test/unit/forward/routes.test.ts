import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { NameBuffer } from '../../../src/forward/names.ts'
import { type RouteOptions, Routes } from '../../../src/forward/routes.ts'
import { Policy, Upstream } from '../../../src/forward/upstream.ts'
import { parseName } from '../../../src/wire/name.ts'

function route(zone: string, more: Partial<RouteOptions> = {}): RouteOptions {
  return {
    zone: parseName(zone)!,
    upstreams: [new Upstream({ address: '192.0.2.1', port: 53, tls: false })],
    policy: new Policy('sequential', () => 0),
    except: [],
    forceTcp: false,
    mixCase: false,
    maxConcurrent: 1,
    failover: [],
    ...more,
  }
}

/** @returns the zone that each name is sent by; '' for none */
function sent(options: readonly RouteOptions[], names: readonly string[], zones: readonly string[]): string[] {
  const routes = new Routes(options)
  const name = new NameBuffer()
  return names.map(text => {
    const octets = Buffer.from(parseName(text)!)
    assert.notEqual(name.read(octets, 0, 0, octets.length), 0)
    const found = routes.find(name)
    return found === undefined ? '' : zones[routes.all.indexOf(found)]!
  })
}

describe('a name is sent by', () => {
  it('the longest zone it lies in, whatever their order, and by none outside all', () => {
    const zones = ['example.com', 'a.example.com', 'org']
    assert.deepEqual(
      sent(
        zones.map(zone => route(zone)),
        ['example.com', 'b.example.com', 'x.A.Example.Com', 'ba.example.com', 'xexample.com', 'org', 'net', '.'],
        zones,
      ),
      ['example.com', 'example.com', 'a.example.com', 'example.com', '', 'org', '', ''],
    )
  })

  it('the next longer zone, when the longest excepts it or what it lies below', () => {
    const except = ['public.example.com', 'com'].map(name => parseName(name)!)
    const zones = ['.', 'example.com', 'com']
    const options = [
      route('.'),
      route('example.com', { except: except.slice(0, 1) }),
      route('com', { except: except.slice(1) }),
    ]
    assert.deepEqual(
      sent(
        options,
        ['www.example.com', 'public.example.com', 'a.PUBLIC.example.com', 'xpublic.example.com', 'com'],
        zones,
      ),
      ['example.com', '.', '.', 'example.com', '.'],
    )
    const alone = [route('example.com', { except: except.slice(0, 1) })]
    assert.deepEqual(sent(alone, ['public.example.com'], ['example.com']), [''])
  })

  it('no shorter zone, when nobody knows the upstreams of the longest (a file that names nobody)', () => {
    assert.deepEqual(sent([route('.'), route('com', { upstreams: [] })], ['a.com'], ['.', 'com']), ['com'])
  })
})
