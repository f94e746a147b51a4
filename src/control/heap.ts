/**
 * How V8 weighs memory against time. Layer: control.
 * While a list of a whole cluster comes in, nearly all that is allocated is garbage at once; V8, left alone, lets the heap
 * grow to several times of what lives in it before it looks (measured: decision log of src/README.md). While nothing but
 * single changes come, time matters more.
 */

import { setFlagsFromString } from 'node:v8'

export function favourMemory(isOn: boolean): void {
  setFlagsFromString(isOn ? '--optimize-for-size' : '--no-optimize-for-size')
}
