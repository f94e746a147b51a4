/**
 * The command `query`: asks a server, as dig does. Layer: cli.
 * Exit status as dig's: 0 for any reply, whatever its RCODE; 2 for what cannot be asked; 9 for no reply.
 */

import { isIP, isIPv4 } from 'node:net'
import { nearest } from '../control/nearest.ts'
import { parseIPv4, parseIPv6, reverseNameOfIPv4, reverseNameOfIPv6 } from '../wire/address.ts'
import { parseType, TYPE_NAMES } from '../wire/mnemonics.ts'
import { formatName } from '../wire/name.ts'
import { ask, DnsClientError, type Reply } from './dns-client.ts'
import type { Io } from './main.ts'
import { formatReply } from './presentation.ts'
import { DEFAULT_SERVER, parseServer } from './server-address.ts'

export interface QueryArguments {
  /** A domain name; or an address, which is asked for its PTR. */
  readonly name: string
  readonly type?: string
  /** `ADDR:PORT`, or an address alone for port 53. */
  readonly server?: string
  readonly tcp: boolean
}

const TIMEOUT_MS = 2000
const TRIES = 3
const EXIT_USAGE = 2
const EXIT_NO_REPLY = 9

export async function runQuery({ name, type, server = DEFAULT_SERVER, tcp }: QueryArguments, io: Io): Promise<number> {
  const where = parseServer(server)
  const isAddress = type === undefined && isIP(name) !== 0 && !name.includes('%')
  const typeNumber = parseType(type ?? (isAddress ? 'PTR' : 'A'))
  if (where === undefined) return refuse(`--server ${server} is no address and port such as ${DEFAULT_SERVER}`, io)
  if (typeNumber === undefined) {
    const guess = nearest(type ?? '', TYPE_NAMES)
    return refuse(`there is no type ${type}${guess === undefined ? '; try TYPEnnn' : `; did you mean ${guess}?`}`, io)
  }
  const question = {
    ...where,
    name: isAddress ? reverseName(name) : name,
    type: typeNumber,
    tcp,
    timeoutMs: TIMEOUT_MS,
  }
  try {
    io.out(formatReply(await askAgain(question), server))
    return 0
  } catch (error) {
    if (!(error instanceof DnsClientError)) throw error
    if (error.code === 'ERR_DNS_NAME') return refuse(error.message, io)
    io.err(`headless-dns: no answer: ${error.message}\n`)
    return EXIT_NO_REPLY
  }
}

/** A datagram may be lost; a connection is not tried again. */
async function askAgain(question: Parameters<typeof ask>[0]): Promise<Reply> {
  for (let left = question.tcp ? 0 : TRIES - 1; ; left--) {
    try {
      return await ask(question)
    } catch (error) {
      if (left === 0 || (error as DnsClientError).code !== 'ERR_DNS_TIMEOUT') throw error
    }
  }
}

function reverseName(address: string): string {
  return formatName(isIPv4(address) ? reverseNameOfIPv4(parseIPv4(address)) : reverseNameOfIPv6(parseIPv6(address)))
}

function refuse(problem: string, io: Io): number {
  io.err(`headless-dns: ${problem}\n`)
  return EXIT_USAGE
}
