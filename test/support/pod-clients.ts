/**
 * Programs that ask for names as they do in a pod: by /etc/resolv.conf, port 53 and a search path. Each sees a resolv.conf of the
 * test's own, in a mount namespace of its own, so nothing of the machine is touched. Layer: test support.
 */

import { execFile, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const SOURCES = new URL('clients/', import.meta.url).pathname
const BUILD_LIMIT_MS = 120_000
const CLIENT_LIMIT_MS = 20_000
const WITH_RESOLV_CONF = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'

/** `any`: both families at once, as most programs ask. */
export type Kind = '4' | '6' | 'any' | 'srv' | 'ptr'

export interface Client {
  readonly title: string
  /** Why it cannot be tried here; false when it can. */
  readonly skip: string | false
  readonly kinds: readonly Kind[]
  /** It makes full names of short ones by the search path. */
  readonly isSearching: boolean
  /** It can be told to use TCP for everything; others come to it when a reply is truncated. */
  readonly overTcp: 'resolv.conf' | 'argument' | false
  /** It may take a truncated reply as it is: musl before 1.2.4 knows no TCP. */
  readonly mayTakePart?: true
  /** Addresses, `PORT TARGET` or a pointer's target, without the final dot; sorted. */
  ask(kind: Kind, name: string, resolvConf: string, isTcp: boolean): Promise<readonly string[]>
}

/** Why no program can be shown another resolv.conf here; false when one can. */
export const SKIP_RESOLV_CONF: string | false = (() => {
  const tried = spawnSync('unshare', ['-rm', 'sh', '-c', WITH_RESOLV_CONF, '/dev/null', 'true'], { encoding: 'utf8' })
  return tried.status === 0 ? false : `no mount namespace: ${tried.error?.message ?? tried.stderr}`
})()

function runWith(resolvConf: string, program: string, args: readonly string[]): Promise<string> {
  const all = ['-rm', 'sh', '-c', WITH_RESOLV_CONF, resolvConf, program, ...args]
  return new Promise((resolve, reject) => {
    execFile('unshare', all, { timeout: CLIENT_LIMIT_MS, encoding: 'utf8' }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`${program} ${args.join(' ')}: ${stderr}${stdout}` || error.message, { cause: error }))
    })
  })
}

const linesOf = (text: string) =>
  text
    .split('\n')
    .map(line => line.trim().replace(/\.$/, ''))
    .filter(line => line !== '')
    .toSorted()

function isThere(program: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some(folder => existsSync(join(folder, program)))
}

const missing = (program: string) => (isThere(program) ? false : `${program} is not at hand`)

const RRTYPES: Readonly<Partial<Record<Kind, string>>> = { 4: 'A', 6: 'AAAA', srv: 'SRV', ptr: 'PTR' }
const ALL: readonly Kind[] = ['4', '6', 'srv', 'ptr']

const DIG: Client = {
  title: 'dig',
  skip: missing('dig'),
  kinds: ALL,
  isSearching: true,
  overTcp: 'argument',
  async ask(kind, name, resolvConf, isTcp) {
    const what = kind === 'ptr' ? ['-x', name] : [name, RRTYPES[kind]!]
    const how = ['+noall', '+answer', '+comments', '+search', isTcp ? '+tcp' : '+notcp']
    const out = await runWith(resolvConf, 'dig', [...how, ...what])
    const status = /status: (\w+)/.exec(out)?.[1]
    if (status !== 'NOERROR' && status !== 'NXDOMAIN') throw new Error(out)
    const records = out.split('\n').filter(line => line !== '' && !line.startsWith(';'))
    const fields = records.map(line => line.split(/\s+/)).filter(([, , , type]) => type === RRTYPES[kind])
    return linesOf(fields.map(line => (kind === 'srv' ? `${line[6]} ${line[7]}` : line[4])).join('\n'))
  },
}

const NSLOOKUP: Client = {
  title: 'nslookup',
  skip: missing('nslookup'),
  kinds: ALL,
  isSearching: true,
  overTcp: 'argument',
  async ask(kind, name, resolvConf, isTcp) {
    const args = [`-type=${RRTYPES[kind]}`, ...(isTcp ? ['-vc'] : []), name]
    // It ends with 1 when a name does not exist.
    const out = await runWith(resolvConf, 'nslookup', args).catch((error: Error) => {
      if (error.message.includes('NXDOMAIN')) return ''
      throw error
    })
    const answer = out.slice(Math.max(out.indexOf('\n\n'), 0))
    const patterns: Readonly<Partial<Record<Kind, RegExp>>> = {
      4: /^Address: (\S+)$/gm,
      6: /^Address: (\S+)$/gm,
      srv: /service = \d+ \d+ (\d+ \S+)$/gm,
      ptr: /name = (\S+)$/gm,
    }
    return linesOf([...answer.matchAll(patterns[kind]!)].map(([, found]) => found).join('\n'))
  },
}

/** One that prints a line for each record. */
function plain(
  fields: Omit<Client, 'ask'>,
  program: string,
  argumentsOf: (kind: Kind, name: string) => readonly string[],
): Client {
  const ask: Client['ask'] = async (kind, name, resolvConf) =>
    linesOf(await runWith(resolvConf, program, argumentsOf(kind, name)))
  return { ...fields, ask }
}

/** @param folder for what has to be compiled first */
export function podClients(folder: string): readonly Client[] {
  const build = (program: string, args: readonly string[]): string | false => {
    if (!isThere(program)) return `${program} is not at hand`
    const { status, stderr } = spawnSync(program, args, { timeout: BUILD_LIMIT_MS, encoding: 'utf8' })
    if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`)
    return false
  }
  const library = (title: string, compiler: string, fields: Pick<Client, 'overTcp' | 'mayTakePart'>): Client => {
    const program = join(folder, compiler)
    const skip = build(compiler, ['-O1', '-Wall', '-Werror', '-o', program, join(SOURCES, 'getaddrinfo.c')])
    const kinds: readonly Kind[] = ['4', '6', 'any', 'ptr']
    return plain({ title, skip, kinds, isSearching: true, ...fields }, program, (kind, name) => [kind, name])
  }
  const go = join(folder, 'resolve')
  const node = join(SOURCES, 'resolve.mjs')
  return [
    DIG,
    NSLOOKUP,
    library('getaddrinfo of glibc', 'gcc', { overTcp: 'resolv.conf' }),
    library('getaddrinfo of musl', 'musl-gcc', { overTcp: false, mayTakePart: true }),
    plain(
      { title: 'dns.lookup of Node', skip: false, kinds: ['4', '6', 'any'], isSearching: true, overTcp: 'resolv.conf' },
      process.execPath,
      (kind, name) => [node, `lookup${kind}`, name],
    ),
    plain(
      { title: 'dns.Resolver of Node', skip: false, kinds: ALL, isSearching: false, overTcp: false },
      process.execPath,
      (kind, name) => [node, kind, name],
    ),
    plain(
      {
        title: 'Go’s resolver',
        skip: build('go', ['build', '-o', go, join(SOURCES, 'resolve.go')]),
        kinds: [...ALL, 'any'],
        isSearching: true,
        overTcp: 'resolv.conf',
      },
      go,
      (kind, name) => [kind, name],
    ),
  ]
}
