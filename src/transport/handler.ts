/**
 * What every transport asks of the layers above it: octets in, octets out.
 * Layer: transport. Knows no names, no records, no table.
 */

/** Who sent the datagrams of a batch: read only where somebody asks, since hardly any message needs it. */
export interface Peers {
  /**
   * While `answer` runs with the message that begins at `start`.
   * @param address gets the sender's address in network order: 4 octets of an IPv4 socket, 16 of an IPv6 socket
   */
  copyAddress(start: number, address: Uint8Array): void
}

/**
 * Answers DNS messages in place: the reply is written over the query.
 *
 *   octets  ┌──────────────┬───────────────────────────────┐
 *           │ query        │ room                          │   before: [start, start + length)
 *           ├──────────────┴──────────────┬────────────────┤
 *           │ reply                       │                │   after:  [start, start + returned)
 *           └─────────────────────────────┴────────────────┘
 *           start                              start + capacity
 */
export interface MessageHandler {
  /**
   * Called before the first message of a batch. Between `begin` and `end` table blocks may be read.
   * @param socket which of the listen addresses the batch came to, in the order of the options
   * @param peers who sends, over UDP: a forged address costs nothing there; over TCP the client has proved its own
   */
  begin(socket: number, peers?: Peers): void

  /**
   * Never throws for anything that a peer can send.
   * @param octets   the buffer, and `view` a DataView over exactly the same octets
   * @param start    first octet of the query
   * @param length   octets of the query, 0..65535
   * @param capacity octets that may be written from `start`; 65535 over TCP
   * @param stream   true over TCP: the reply may fill `capacity`; false over UDP: the EDNS size rules apply
   * @returns octets of the reply; 0: send nothing
   */
  answer(octets: Uint8Array, view: DataView, start: number, length: number, capacity: number, stream: boolean): number

  /** Called after the replies of the batch have left. Nothing read from the table may be used after it. */
  end(): void
}

/** Most room, in octets, that a UDP transport gives each message: the largest reply ever configured (answers.maxUdpSize ≤ 4096). */
export const DATAGRAM_CAPACITY = 4096
