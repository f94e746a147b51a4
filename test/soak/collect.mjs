/**
 * At SIGUSR2 garbage is collected, and goes back to the kernel what V8 keeps of pages for young objects and malloc of free memory, as
 * either does by itself: V8 when little happens for some time, which is once in some minutes, the server, for malloc, once a
 * minute. What is left is written to SOAK_MEMORY_FILE: what is held is measured, and not what waits to be given back. Compiled code,
 * which V8 makes more and more of for a day, and never more than the program has, is told apart from what the program holds.
 */

import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc')
setFlagsFromString('--no-expose-gc')

const collectAll = () => collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })

/** Buffers that were found dead are freed by another thread meanwhile. */
const FREED_MS = 500

/** Nothing where there is no koffi, or no glibc. */
function trimOf() {
  try {
    return createRequire(import.meta.url)('koffi')
      .load(null)
      .func('int malloc_trim(size_t)')
  } catch {
    return () => 0
  }
}

const trim = trimOf()

/** Bytecode, machine code and what belongs to them. */
function codeOctets() {
  const spaces = getHeapSpaceStatistics().filter(({ space_name }) => /^(code|trusted)_/.test(space_name))
  return spaces.reduce((sum, { space_used_size }) => sum + space_used_size, 0)
}

process.on('SIGUSR2', () => {
  collectAll()
  setTimeout(() => {
    // Without what has been allocated meanwhile.
    collectAll()
    trim(0)
    writeFileSync(process.env.SOAK_MEMORY_FILE, JSON.stringify({ ...process.memoryUsage(), code: codeOctets() }))
  }, FREED_MS)
})
