/**
 * Notices a peer that is there no more, or whose process stands still while its kernel goes on acknowledging: asks it
 * something every 10 s, and gives it 7 s to answer. Layer: kubernetes. TCP keep-alive sees the first alone.
 *
 * Time is counted in ticks of our own: while this process itself stands still, nobody is accused of silence.
 */

const TICK_MS = 1000
const ASK_TICKS = 10
const ANSWER_TICKS = 7

export class Heartbeat {
  private readonly ask: () => Promise<unknown>
  private readonly onDead: (error: Error) => void
  private timer: NodeJS.Timeout | undefined
  private isAsked = false
  private ticks = 0

  /**
   * @param ask    resolves when the peer has answered, whatever it said; must not throw
   * @param onDead told once per silence
   */
  constructor(ask: () => Promise<unknown>, onDead: (error: Error) => void) {
    this.ask = ask
    this.onDead = onDead
  }

  start(): void {
    if (this.timer !== undefined) return
    this.rest()
    this.timer = setInterval(() => this.tick(), TICK_MS)
  }

  stop(): void {
    clearInterval(this.timer)
    this.timer = undefined
    this.rest()
  }

  private tick(): void {
    this.ticks++
    // What has come in while we were busy is read before anybody is judged.
    if (this.isAsked && this.ticks === ANSWER_TICKS) setImmediate(() => this.judge())
    if (this.isAsked || this.ticks < ASK_TICKS) return
    this.isAsked = true
    this.ticks = 0
    this.ask().then(
      () => this.rest(),
      () => {},
    )
  }

  private judge(): void {
    if (!this.isAsked) return
    this.rest()
    this.onDead(new Error(`the API server has not answered for ${ANSWER_TICKS} s`))
  }

  private rest(): void {
    this.isAsked = false
    this.ticks = 0
  }
}
