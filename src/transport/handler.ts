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

/** A number of octets that no reply has. */
export const DEFERRED = -1

/** Octets of a ReturnPath's two parts: room for either family (linux-abi.ts draws both). */
export const PATH_SOCKADDR_OCTETS = 32
export const PATH_CONTROL_OCTETS = 40

/** Whoever sent a query: where its reply goes, also when it comes later and from another thread. */
export interface ReturnPath {
  /** Which of the listen addresses it came to. */
  readonly socket: number
  /** The client's address and port, as Linux writes them. */
  readonly sockaddr: Uint8Array
  /** The control message that makes the reply come from the address that was asked; `controlOctets` 0: none. */
  readonly control: Uint8Array
  readonly controlOctets: number
  /** Over TCP: the connection; the rest is empty. */
  readonly stream: StreamPath | undefined
}

export interface StreamPath {
  /** The client's address and port. */
  readonly client: string
  readonly clientPort: number
  /**
   * @param message is copied. Does nothing when the connection is gone.
   * @param more    of the same reply: sent after `message`, at the client's pace
   */
  reply(message: Uint8Array, more?: MoreMessages): void
}

/** The messages of a reply that is more than one, such as a zone transfer. Asked for one after the other. */
export interface MoreMessages {
  /**
   * A small part of a turn of the event loop at most. Never throws.
   * @returns of no octets: ask again in another turn; undefined: that was all; null: the rest cannot be had, the connection is
   * closed
   */
  next(): Uint8Array | undefined | null
  /** Called once, and then no more is asked for. @param isWhole whether all was sent, as far as can be known */
  end(isWhole: boolean): void
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

  /** Messages that may be told ahead; undefined: `answer` wants none of them told. */
  readonly ahead?: number

  /**
   * Reads a message that is about to be answered, and writes nothing; then `fetchAhead`, once for all that were read.
   * @param place 0..ahead−1, in the order of the calls
   */
  readAhead?(octets: Uint8Array, view: DataView, start: number, length: number, place: number): void

  /** @param count of the messages that were read ahead: the processor is told what of the memory their answers need */
  fetchAhead?(count: number): void

  /**
   * Never throws for anything that a peer can send.
   * @param octets   the buffer, and `view` a DataView over exactly the same octets
   * @param start    first octet of the query
   * @param length   octets of the query, 0..65535
   * @param capacity octets that may be written from `start`; 65535 over TCP
   * @param stream   true over TCP: the reply may fill `capacity`; false over UDP: the EDNS size rules apply
   * @param place    of this message when it was read ahead; left out: it was not
   * @returns octets of the reply; 0: send nothing; DEFERRED: call `defer`
   */
  answer(
    octets: Uint8Array,
    view: DataView,
    start: number,
    length: number,
    capacity: number,
    stream: boolean,
    place?: number,
  ): number

  /**
   * Called at once after `answer` returned DEFERRED: has the query answered later, by somebody else.
   * @param path where that reply is to go; valid during the call only
   * @returns octets of a reply after all, written over the query; 0: it was taken
   */
  defer?(octets: Uint8Array, start: number, path: ReturnPath): number

  /** Called after the replies of the batch have left. Nothing read from the table may be used after it. */
  end(): void
}

/** Most room, in octets, that a UDP transport gives each message: the largest reply ever configured (answers.maxUdpSize ≤ 4096). */
export const DATAGRAM_CAPACITY = 4096
