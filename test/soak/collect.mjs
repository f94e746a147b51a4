/**
 * At SIGUSR2 garbage is collected and what is left is written to SOAK_MEMORY_FILE, so that what is held is measured and not
 * what waits to be collected.
 */

import { writeFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc')
setFlagsFromString('--no-expose-gc')

process.on('SIGUSR2', () => {
  // What the first finds dead may hold memory that only the second gives back.
  collect()
  collect()
  writeFileSync(process.env.SOAK_MEMORY_FILE, JSON.stringify(process.memoryUsage()))
})
