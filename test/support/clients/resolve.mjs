/**
 * Node's resolvers: `lookup4`, `lookup6`, `lookupany` (the C library's), `4`, `6`, `srv`, `ptr` (c-ares; names as they are, no search path).
 * A line for each record; no line when there is none; status 1 with the error's words when nobody could say.
 */

import { lookup, Resolver } from 'node:dns/promises'

const [, , kind, name] = process.argv
const resolver = new Resolver()
const ways = {
  lookup4: () => lookUp(4),
  lookup6: () => lookUp(6),
  lookupany: () => lookUp(0),
  4: () => resolver.resolve4(name),
  6: () => resolver.resolve6(name),
  srv: async () => (await resolver.resolveSrv(name)).map(({ port, name }) => `${port} ${name}`),
  ptr: () => resolver.reverse(name),
}
try {
  for (const line of await ways[kind]()) console.log(line)
} catch (error) {
  if (error.code !== 'ENOTFOUND' && error.code !== 'ENODATA') throw error
}

async function lookUp(family) {
  return (await lookup(name, { family, all: true })).map(({ address }) => address)
}
