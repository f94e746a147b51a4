/**
 * What the forwarder asks of the sockets below it. Layer: forward; types only.
 */

import type { Upstream } from './upstream.ts'

/** One query to one upstream: what the forwarder knows of it, and where the sockets note theirs. */
export interface Attempt {
  readonly upstream: Upstream
  /** The query as it was sent. */
  message: Uint8Array
  readonly questionEnd: number
  readonly startedMs: number
  /** The port it was sent from; 0: not known yet. */
  localPort: number
}

export interface ExchangeEvents {
  /** Something came, from the upstream's address and port. */
  received(attempt: Attempt, octets: Uint8Array, stream: boolean): void
  /** The upstream cannot be reached this way. Told once per `send`, never from inside it. */
  failed(attempt: Attempt, reason: string): void
}

/** Over UDP (datagrams.ts) and over TCP and TLS (streams.ts). */
export interface Exchange {
  /** Sends the attempt's message; again, when it was sent before, from the same port with the same ID. */
  send(attempt: Attempt): void
  /** Nothing more is wanted of it. */
  cancel(attempt: Attempt): void
  close(): void
}
