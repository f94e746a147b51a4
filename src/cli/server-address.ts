/**
 * Addresses of servers on the command line. Layer: cli; pure.
 */

import { isIP } from 'node:net'

/** Where `serve` listens when nothing else is said. */
export const DEFAULT_SERVER = '127.0.0.1:1053'
const DNS_PORT = 53

/** @param text `ADDR:PORT`, `[ADDR]:PORT`, or an address alone for port 53. @returns undefined for anything else */
export function parseServer(text: string): { server: string; port: number } | undefined {
  if (isIP(text) !== 0) return { server: text, port: DNS_PORT }
  const match = /^(?:\[(.+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text)
  const server = match?.[1] ?? match?.[2] ?? ''
  const port = Number(match?.[3] ?? DNS_PORT)
  return isIP(server) !== 0 && port > 0 && port <= 65_535 ? { server, port } : undefined
}
