/**
 * The command `check`. Layer: cli.
 */

import { formatEffective } from '../control/config-format.ts'
import { loadConfig } from '../control/config-load.ts'
import type { Io } from './main.ts'

export async function runCheck(file: string, io: Io): Promise<number> {
  io.out(formatEffective(loadConfig(file, {})))
  return 0
}
