/**
 * What the fake API server does instead of answering. Layer: test support.
 */

import type { ServerResponse } from 'node:http'

export type Fault =
  /** A response with that status; `body` is sent as JSON, or as it is when a string. */
  | {
      readonly kind: 'status'
      readonly status: number
      readonly body: unknown
      readonly headers?: Record<string, string>
    }
  /** 200, these octets, and then what `ending` says. */
  | { readonly kind: 'octets'; readonly octets: string; readonly ending: 'end' | 'reset' | 'silence' }
  /** A status, a head, and never a body. */
  | { readonly kind: 'head'; readonly status: number; readonly headers?: Record<string, string> }
  /** The connection is closed without a word. */
  | { readonly kind: 'hang up' }
  /** The request is taken in and never answered. */
  | { readonly kind: 'silence' }
  /** The request is answered, in pieces of so many octets, so many ms apart. */
  | { readonly kind: 'trickle'; readonly octets: number; readonly everyMs: number }
  /** The request is answered, after this was called. */
  | { readonly kind: 'notice'; readonly call: () => void }

/** @returns false when the request is to be answered all the same */
export function failInstead(fault: Fault, response: ServerResponse): boolean {
  switch (fault.kind) {
    case 'status':
      response.writeHead(fault.status, fault.headers)
      response.end(typeof fault.body === 'string' ? fault.body : JSON.stringify(fault.body))
      return true
    case 'octets':
      response.write(fault.octets, () => {
        if (fault.ending === 'end') response.end()
        else if (fault.ending === 'reset') response.destroy()
      })
      return true
    case 'head':
      response.writeHead(fault.status, fault.headers)
      response.flushHeaders()
      return true
    case 'hang up':
      response.destroy()
      return true
    case 'silence':
      return true
    case 'trickle':
      trickle(response, fault.octets, fault.everyMs)
      return false
    case 'notice':
      fault.call()
      return false
  }
}

/** What is written to the response goes out slowly from now on, in its order. */
function trickle(response: ServerResponse, octets: number, everyMs: number): void {
  const write = response.write.bind(response)
  const end = response.end.bind(response)
  let waiting = Buffer.alloc(0)
  let isEnding = false
  const timer = setInterval(() => {
    if (waiting.length > 0) write(waiting.subarray(0, octets))
    waiting = waiting.subarray(octets)
    if (waiting.length > 0 || !isEnding) return
    clearInterval(timer)
    end()
  }, everyMs)
  response.once('close', () => clearInterval(timer))
  const take = (chunk: unknown) => {
    if (chunk !== undefined) waiting = Buffer.concat([waiting, Buffer.from(chunk as string)])
  }
  Object.assign(response, {
    write: (chunk: unknown) => {
      take(chunk)
      return true
    },
    end: (chunk?: unknown) => {
      take(chunk)
      isEnding = true
      return response
    },
  })
}
