/**
 * The command line: which command, which flags. Layer: cli. Usage errors exit with 2, failures with 1 and one line.
 */

import { ConfigError } from '../control/config-error.ts'
import { nearest } from '../control/nearest.ts'
import { Signals } from '../control/signals.ts'
import { HELP } from './help.ts'
import { VERSION } from './version.ts'

// An `import` of it reads all that it exports, and one of those loads what compares texts: 5 ms of every start.
const { parseArgs } = process.getBuiltinModule('node:util')

export interface Io {
  out(text: string): void
  err(text: string): void
}

type Options = NonNullable<NonNullable<Parameters<typeof parseArgs>[0]>['options']>
type Values = Record<string, string | boolean | (string | boolean)[] | undefined>

interface Command {
  readonly options: Options
  /** Names of the positional arguments, those that may be left out in brackets. */
  readonly positionals: readonly string[]
  run(values: Values, positionals: string[], io: Io): Promise<number>
}

const text = { type: 'string' } as const
const texts = { type: 'string', multiple: true } as const
const flag = { type: 'boolean' } as const

const COMMANDS: Readonly<Record<string, Command>> = {
  serve: {
    options: {
      config: text,
      demo: flag,
      manifests: texts,
      kubeconfig: text,
      context: text,
      'in-cluster': flag,
      listen: texts,
      admin: text,
      workers: text,
      transport: text,
      'log-level': text,
    },
    positionals: [],
    async run(values, _, io) {
      const signals = new Signals()
      try {
        return await (await import('./serve.ts')).runServe(values, io, signals)
      } catch (error) {
        signals.close()
        throw error
      }
    },
  },
  query: {
    options: { server: text, tcp: flag },
    positionals: ['NAME', '[TYPE]'],
    async run({ server, tcp }, [name = '', type], io) {
      const { runQuery } = await import('./query.ts')
      const more = {
        ...(type === undefined ? {} : { type }),
        ...(server === undefined ? {} : { server: String(server) }),
      }
      return runQuery({ name, tcp: tcp === true, ...more }, io)
    },
  },
  compare: {
    options: {
      against: text,
      server: text,
      admin: text,
      questions: texts,
      rate: text,
      concurrency: text,
      timeout: text,
      settle: text,
      examples: text,
      json: flag,
    },
    positionals: [],
    async run({ questions, json, ...values }, _, io) {
      const { runCompare } = await import('./compare.ts')
      const lists = Array.isArray(questions) ? questions.map(String) : []
      return runCompare({ ...(values as Record<string, string>), questions: lists, json: json === true }, io)
    },
  },
  check: {
    options: {},
    positionals: ['FILE'],
    run: async (_, [file = ''], io) => (await import('./check.ts')).runCheck(file, io),
  },
  'import-corefile': {
    options: { strict: flag },
    positionals: ['FILE'],
    async run({ strict }, [file = ''], io) {
      const { runImportCorefile } = await import('./import-corefile.ts')
      return runImportCorefile(file, strict === true, io)
    },
  },
}

/** @returns the exit code */
export async function runCommand(argv: readonly string[], io: Io): Promise<number> {
  const [name = '', ...rest] = argv
  if (name === '' || name === '--help' || name === '-h' || name === 'help') {
    const topic = HELP[Object.hasOwn(COMMANDS, rest[0] ?? '') ? rest[0]! : '']!
    if (name === '') io.err(topic)
    else io.out(topic)
    return name === '' ? 2 : 0
  }
  if (name === '--version' || name === '-v') {
    io.out(`${VERSION}\n`)
    return 0
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (command === undefined) return usage(`there is no command ${name}`, nearest(name, Object.keys(COMMANDS)), '', io)
  const known = Object.keys(command.options)
  let parsed: { values: Values; positionals: string[] }
  try {
    parsed = parseArgs({
      args: rest,
      options: { ...command.options, help: { type: 'boolean', short: 'h' } },
      allowPositionals: true,
    }) as never
  } catch (error) {
    const asked = /'--?([^' =]+)/.exec((error as Error).message)?.[1] ?? ''
    const guess = known.includes(asked) ? undefined : nearest(asked, known)
    const sentence = (error as Error).message.split('. ', 1)[0]!
    return usage(sentence, guess === undefined ? undefined : `--${guess}`, name, io)
  }
  if (parsed.values['help'] === true) {
    io.out(HELP[name]!)
    return 0
  }
  const least = command.positionals.filter(word => !word.startsWith('[')).length
  const given = parsed.positionals.length
  if (given < least) return usage(`${command.positionals[given]} is missing`, undefined, name, io)
  if (given > command.positionals.length) {
    return usage(`${parsed.positionals[command.positionals.length]} is one argument too many`, undefined, name, io)
  }
  try {
    return await command.run(parsed.values, parsed.positionals, io)
  } catch (error) {
    io.err(explain(error, parsed.values['log-level'] === 'debug'))
    return 1
  }
}

function usage(problem: string, guess: string | undefined, command: string, io: Io): number {
  const hint = guess === undefined ? '' : `; did you mean ${guess}?`
  io.err(
    `headless-dns: ${problem}${hint}\nheadless-dns ${command === '' ? '' : `${command} `}--help tells what there is\n`,
  )
  return 2
}

/** One line for each problem of a configuration, one for any other error; the stack is for those who debug. */
function explain(error: unknown, isDebugging: boolean): string {
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined }
  const problems = error instanceof ConfigError ? error.problems : [message.split('\n', 1)[0]!]
  const lines = isDebugging && stack !== undefined ? [stack] : problems
  return lines.map(line => `headless-dns: ${line}\n`).join('')
}
