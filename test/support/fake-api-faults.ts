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
  | { readonly kind: 'head'; readonly status: number }
  /** The connection is closed without a word. */
  | { readonly kind: 'hang up' }
  /** The request is taken in and never answered. */
  | { readonly kind: 'silence' }
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
      response.writeHead(fault.status)
      response.flushHeaders()
      return true
    case 'hang up':
      response.destroy()
      return true
    case 'silence':
      return true
    case 'notice':
      fault.call()
      return false
  }
}
