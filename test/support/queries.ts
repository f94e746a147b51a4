/** Queries as they come to the main thread. Layer: test support. */

import type { DeferredQuery } from '../../src/dataplane/deferred.ts'
import type { ClientQuery } from '../../src/forward/client-query.ts'

const PLAIN = { aliases: 0, targetAt: 0, payloadSize: 0, dnssecOk: false }

/** Over UDP, left by a data-plane thread. @param message a header and a question */
export function deferredQueryOf(message: Uint8Array): DeferredQuery {
  const nowhere = { socket: 0, sockaddr: new Uint8Array(32), control: new Uint8Array(40), controlOctets: 0 }
  return {
    ...PLAIN,
    message,
    questionEnd: message.length,
    zone: -1,
    octets: message.length,
    path: { ...nowhere, stream: undefined },
  }
}

/** Over UDP, for who resolves it. @param message a header and a question */
export function clientQueryOf(message: Uint8Array, more: Partial<ClientQuery> = {}): ClientQuery {
  return {
    ...PLAIN,
    message,
    questionEnd: message.length,
    stream: false,
    client: 'a',
    clientPort: 0,
    path: { send() {} },
    ...more,
  }
}
