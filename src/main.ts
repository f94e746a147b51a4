/**
 * Where the process begins: hands the arguments to the command line and exits with its code.
 */

import { runCommand } from './cli/main.ts'

process.exitCode = await runCommand(process.argv.slice(2), {
  out: text => process.stdout.write(text),
  err: text => process.stderr.write(text),
})
// What is left open by now (a keep-alive connection, a watcher) must not keep a finished process.
process.exit()
