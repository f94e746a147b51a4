import assert from 'node:assert/strict'
import { it } from 'node:test'
import { ACL_ALLOW, ACL_BLOCK, ACL_DROP, Acl, type AclRule } from '../../../src/rules/acl.ts'
import { parseNetwork } from '../../../src/rules/networks.ts'
import { parseName } from '../../../src/wire/name.ts'

const CLIENT = Uint8Array.of(10, 0, 0, 1)
const STRANGER = Uint8Array.of(192, 0, 2, 1)
const networks = [parseNetwork('10.0.0.0/8')!]
const zones = [parseName('example.com')!]
const rule = (action: number, rest: Partial<AclRule> = {}): AclRule => ({
  action,
  networks: [],
  types: [],
  zones: [],
  ...rest,
})

it('a client whose question cannot be read is judged by the first rule of its address that asks for no type and no name', () => {
  const cases: [readonly AclRule[], Uint8Array, number][] = [
    [[rule(ACL_DROP)], STRANGER, ACL_DROP],
    [[rule(ACL_ALLOW, { networks }), rule(ACL_DROP)], CLIENT, ACL_ALLOW],
    [[rule(ACL_ALLOW, { networks }), rule(ACL_DROP)], STRANGER, ACL_DROP],
    [[rule(ACL_ALLOW, { zones }), rule(ACL_DROP)], CLIENT, ACL_DROP],
    [[rule(ACL_DROP, { zones }), rule(ACL_DROP, { types: [1] })], CLIENT, ACL_ALLOW],
    [[rule(ACL_DROP, { types: [1] }), rule(ACL_BLOCK)], CLIENT, ACL_BLOCK],
  ]
  for (const [rules, address, action] of cases) assert.equal(new Acl(rules).judgeClient(address, false), action)
})
