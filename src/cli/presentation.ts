/**
 * Decoded replies → text for people, nearly as dig prints it. Layer: cli; pure.
 * Nothing that a server sent reaches the terminal unescaped: what is not printable ASCII becomes `\DDD` (RFC 1035 §5.1).
 */

import { className, extendedErrorName, opcodeName, rcodeName, typeName } from '../wire/mnemonics.ts'
import type { DecodedRecord, Reply } from './dns-client.ts'

const OPT = 41

/** RFC 8914 §2. */
type ExtendedError = NonNullable<DecodedRecord['rdata']>[number] & { infoCode: number; extraText: string }

export function formatReply({ message, octets, protocol, durationMs }: Reply, server: string): string {
  const { header, questions, answers, authorities, errors } = message
  // RFC 6891 §6.1.3: the upper bits of OPT's TTL are those of the RCODE; dns2 has put them together
  const opt = message.additionals.find(({ type }) => type === OPT)
  const additionals = message.additionals.filter(record => record !== opt)
  const flags = ['qr', 'aa', 'tc', 'rd', 'ra'] as const
  const z = [(header.z & 2) === 0 ? '' : ' ad', (header.z & 1) === 0 ? '' : ' cd'].join('')
  const lines = [
    `;; ${opcodeName(header.opcode)}, status: ${rcodeName(header.rcode)}, id: ${header.id}`,
    `;; flags: ${flags.filter(flag => header[flag] === 1).join(' ')}${z}; QUERY: ${questions.length}, ANSWER: ${answers.length}, AUTHORITY: ${authorities.length}, ADDITIONAL: ${message.additionals.length}`,
    ...(opt === undefined ? [] : edns(opt)),
    ...errors.map(error => `;; WARNING: ${printable(error.message)}`),
  ]
  if (questions.length > 0) lines.push('', ';; QUESTION')
  for (const { name, type, class: number } of questions) {
    lines.push(`;${formatName(name)}\t\t${className(number)}\t${typeName(type)}`)
  }
  for (const [title, records] of Object.entries({ ANSWER: answers, AUTHORITY: authorities, ADDITIONAL: additionals })) {
    if (records.length > 0) lines.push('', `;; ${title}`, ...records.map(formatRecord))
  }
  lines.push('', `;; ${durationMs.toFixed(1)} ms, ${server} (${protocol}), ${octets.length} octets`)
  return lines.map(line => `${line}\n`).join('')
}

/** Owner, TTL, class, type, data, with tabs between them. */
export function formatRecord(record: DecodedRecord): string {
  const head = `${formatName(record.name)}\t${record.ttl}\t${className(record.class)}\t${typeName(record.type)}`
  return `${head}\t${formatData(record)}`
}

/** Presentation format of RDATA. */
export function formatData(record: DecodedRecord): string {
  const name = (text: string | undefined) => formatName(text ?? '')
  switch (typeName(record.type)) {
    case 'A':
    case 'AAAA':
      return printable(record.address ?? '')
    case 'NS':
      return name(record.ns)
    case 'CNAME':
    case 'PTR':
      return name(record.domain)
    case 'MX':
      return `${record.priority} ${name(record.exchange)}`
    case 'SRV':
      return `${record.priority} ${record.weight} ${record.port} ${name(record.target)}`
    case 'TXT':
      return [record.data ?? []]
        .flat()
        .map(text => quoted(String(text)))
        .join(' ')
    case 'SOA': {
      const { primary, admin, serial, refresh, retry, expiration, minimum } = record
      return [name(primary), name(admin), serial, refresh, retry, expiration, minimum].join(' ')
    }
    // RFC 8659 §4.1.1
    case 'CAA':
      return `${record.flags} ${printable(record.tag ?? '')} ${quoted(String(record.value))}`
    // RFC 4034 §2.2
    case 'DNSKEY':
      return `${record.flags} ${record.protocol} ${record.algorithm} ${record.key}`
    // RFC 1035 §3.3.2
    case 'HINFO': {
      const texts = characterStrings(record.data)
      if (texts?.length === 2) return texts.map(text => quoted(text, 'latin1')).join(' ')
    }
  }
  // RFC 3597 §5: what has no presentation format of its own
  if (Buffer.isBuffer(record.data))
    return `\\# ${record.data.length} ${record.data.toString('hex').toUpperCase()}`.trimEnd()
  return printable(JSON.stringify(record))
}

/** RFC 1035 §3.3: each is an octet of length and that many octets. @returns undefined when they do not fill `data` */
function characterStrings(data: unknown): string[] | undefined {
  if (!Buffer.isBuffer(data)) return undefined
  const texts: string[] = []
  let at = 0
  while (at < data.length) {
    const end = at + 1 + data[at]!
    texts.push(data.toString('latin1', at + 1, end))
    at = end
  }
  return at === data.length ? texts : undefined
}

function edns(opt: DecodedRecord): string[] {
  const errors = (opt.rdata ?? []).filter((option): option is ExtendedError => 'infoCode' in option)
  return [
    `;; EDNS: version ${opt.version}${opt.doFlag === true ? ', do' : ''}; UDP size ${opt.class}`,
    ...errors.map(({ infoCode, extraText }) => {
      const text = extraText === '' ? '' : `: ${printable(extraText)}`
      return `;; EDE: ${infoCode} (${extendedErrorName(infoCode)})${text}`
    }),
  ]
}

/** dns2 gives a name's octets as characters 0..255, without the final dot. */
export function formatName(name: string): string {
  const escaped = name.replace(/[^\x21-\x7e]|["();@$\\]/gu, character => escapeCharacter(character, 'latin1'))
  return name === '' ? '.' : `${escaped}.`
}

/** dns2 decodes texts as UTF-8. */
function quoted(text: string, encoding: BufferEncoding = 'utf8'): string {
  return `"${text.replace(/[^\x20-\x7e]|["\\]/gu, character => escapeCharacter(character, encoding))}"`
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/gu, character => escapeCharacter(character, 'utf8'))
}

/** @param encoding of the octets that the character came from */
function escapeCharacter(character: string, encoding: BufferEncoding): string {
  if (character > ' ' && character <= '~') return `\\${character}`
  return [...Buffer.from(character, encoding)].map(octet => `\\${String(octet).padStart(3, '0')}`).join('')
}
