/**
 * The C library's socket calls. Layer: transport. The only importer of koffi, which is a native module and may be
 * missing (another platform, an install without optional packages, a bundle taken away from it): that is an ordinary result.
 *
 * Addresses are numbers, not pointers with an owner: whoever passes one keeps its buffer referenced until the kernel is
 * done with it. The octets of an ArrayBuffer never move while it is referenced.
 */

import { createRequire } from 'node:module'
import { endianness } from 'node:os'

type Koffi = typeof import('koffi')
type Library = ReturnType<Koffi['load']>

/** Results as in C: −1 is an error, whose number `errno` gives until the next call. */
export interface Libc {
  socket(family: number, type: number, protocol: number): number
  bind(fd: number, sockaddr: number, octets: number): number
  connect(fd: number, sockaddr: number, octets: number): number
  setsockopt(fd: number, level: number, option: number, value: number, octets: number): number
  getsockopt(fd: number, level: number, option: number, value: number, octetsAt: number): number
  getsockname(fd: number, sockaddr: number, octetsAt: number): number
  /** Fills `count` mmsghdr; the time-out is the address of a timespec, or 0. */
  recvmmsg(fd: number, mmsghdrs: number, count: number, flags: number, timeout: number): number
  sendmmsg(fd: number, mmsghdrs: number, count: number, flags: number): number
  sendto(fd: number, octets: number, length: number, flags: number, sockaddr: number, sockaddrOctets: number): number
  recvfrom(fd: number, octets: number, length: number, flags: number, sockaddr: number, octetsAt: number): number
  poll(pollfds: number, count: number, timeoutMs: number): number
  eventfd(initial: number, flags: number): number
  read(fd: number, octets: number, length: number): number
  close(fd: number): number
  /** `to` becomes another name of what `from` is, in one step. */
  dup2(from: number, to: number): number
  madvise(octets: number, length: number, advice: number): number
  /** malloc's free pages go back to the kernel, by another thread; undefined: this C library cannot. */
  readonly trim: (() => void) | undefined
  /** Threads that have not asked malloc for anything yet do so from the arenas that there are; undefined: this C library cannot. */
  readonly shareArenas: (() => void) | undefined
  errno(): number
  /** Where the octets of `buffer` are. */
  addressOf(buffer: ArrayBuffer | SharedArrayBuffer): number
}

const M_ARENA_MAX = -8
const MACHINES = ['x64', 'arm64']

let loaded: Libc | string | undefined

/** @returns the calls, or a sentence that says why there are none */
export function loadLibc(): Libc | string {
  loaded ??= load()
  return loaded
}

function load(): Libc | string {
  if (process.platform !== 'linux') return `it needs Linux, and this is ${process.platform}`
  if (!MACHINES.includes(process.arch) || endianness() !== 'LE') return `it knows no structures of ${process.arch}`
  try {
    return declare(createRequire(import.meta.url)('koffi') as Koffi)
  } catch (error) {
    return `koffi could not be loaded: ${(error as Error).message.split('\n', 1)[0]}`
  }
}

function declare(koffi: Koffi): Libc {
  const process = koffi.load(null)
  // malloc.h
  const trim = ofGlibc(process, 'int malloc_trim(size_t)')
  const mallopt = ofGlibc(process, 'int mallopt(int, int)')
  return {
    socket: process.func('int socket(int, int, int)'),
    bind: process.func('int bind(int, uintptr_t, uint32_t)'),
    connect: process.func('int connect(int, uintptr_t, uint32_t)'),
    setsockopt: process.func('int setsockopt(int, int, int, uintptr_t, uint32_t)'),
    getsockopt: process.func('int getsockopt(int, int, int, uintptr_t, uintptr_t)'),
    getsockname: process.func('int getsockname(int, uintptr_t, uintptr_t)'),
    recvmmsg: process.func('int recvmmsg(int, uintptr_t, uint32_t, int, uintptr_t)'),
    sendmmsg: process.func('int sendmmsg(int, uintptr_t, uint32_t, int)'),
    sendto: process.func('intptr_t sendto(int, uintptr_t, size_t, int, uintptr_t, uint32_t)'),
    recvfrom: process.func('intptr_t recvfrom(int, uintptr_t, size_t, int, uintptr_t, uintptr_t)'),
    poll: process.func('int poll(uintptr_t, unsigned long, int)'),
    eventfd: process.func('int eventfd(uint32_t, int)'),
    read: process.func('intptr_t read(int, uintptr_t, size_t)'),
    close: process.func('int close(int)'),
    dup2: process.func('int dup2(int, int)'),
    madvise: process.func('int madvise(uintptr_t, size_t, int)'),
    trim: trim && (() => trim.async(0, () => {})),
    shareArenas: mallopt && (() => void mallopt(M_ARENA_MAX, 1)),
    errno: () => koffi.errno(),
    addressOf: buffer => Number(koffi.address(buffer)),
  }
}

/** @param declaration of what glibc alone has. @returns undefined: it is another C library */
function ofGlibc(process: Library, declaration: string): ReturnType<Library['func']> | undefined {
  try {
    return process.func(declaration)
  } catch {
    return undefined
  }
}
