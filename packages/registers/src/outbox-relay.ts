/** The outbox relay: brings committed changes into the registers, for as long as it runs. */

import {
  type Closable,
  ClosedError,
  closeOnce,
  DeadlineExceededError,
  PollPace,
  sleep,
  tellFailure,
  withDeadline,
} from '@kerp/core'
import { type ForeignDatabaseError, RelayBehindError } from './errors.js'
import { type OutboxRelayOptions, type RelayParts, resolveRelayOptions } from './relay-options.js'
import { RelayPasses, type RelayReport } from './relay-passes.js'

const CAUGHT_UP_DEADLINE_MS = 10_000

/**
 * Moves outbox rows into Redis, in order, and keeps the watermark of every company moving.
 *
 * Any number of relays may run at once, and any may stop anywhere: the watermark lies beside the data that it
 * describes and every write compares it. More than one only costs round trips.
 */
export class OutboxRelay implements Closable {
  readonly #parts: RelayParts
  readonly #passes: RelayPasses
  readonly #pace: PollPace
  #running: Promise<void> | undefined
  #current: Promise<unknown> = Promise.resolve()
  #next: Promise<RelayReport> | undefined
  #everyone = false
  #touchedMs = Number.NEGATIVE_INFINITY
  #freshMs: number
  #failures = 0
  readonly #closing = new AbortController()
  readonly #close = closeOnce(async () => {
    this.#closing.abort(new ClosedError('OutboxRelay'))
    this.#pace.stop()
    await this.#running
    // A pass that was asked for before begins when the one before it has ended.
    await (this.#next ?? this.#current)
    await this.#pace.close()
  })

  /**
   * No I/O happens here.
   *
   * @throws {InvalidOptionError} `INVALID_OPTION`
   */
  constructor(options: OutboxRelayOptions) {
    this.#parts = resolveRelayOptions(options)
    this.#passes = new RelayPasses(this.#parts, this.#closing.signal)
    const { outbox } = this.#parts
    this.#pace = new PollPace({
      ...this.#parts,
      source: 'OutboxRelay',
      onWake: (wake) => outbox.onWake(wake),
    })
    this.#freshMs = this.#parts.clock.monotonicMs()
  }

  /**
   * Relays until `close`. Failures are reported to the observer and tried again, with growing, jittered pauses.
   *
   * @throws {ClosedError} `CLOSED`
   */
  start(): void {
    this.#closing.signal.throwIfAborted()
    this.#running ??= this.#loop()
  }

  /** Age of the database moment that the registers have certainly reached, in ms. */
  get lagMs(): number {
    return this.#parts.clock.monotonicMs() - this.#freshMs
  }

  /** The other, living database whose rows stand in Redis in the place of a company's; undefined when there is none. */
  get foreign(): ForeignDatabaseError | undefined {
    return this.#passes.foreign
  }

  /**
   * Runs one pass that begins after this call and touches every company; for tests and tools.
   *
   * Never throws because of Redis or the outbox; the report says what failed.
   *
   * @throws {ClosedError} `CLOSED`
   */
  async tick(): Promise<RelayReport> {
    this.#closing.signal.throwIfAborted()
    this.#everyone = true
    return this.#pass()
  }

  /**
   * Resolves when everything that was committed before the call is in Redis, or void there; waits for 10 s unless
   * `deadlineMs` says otherwise.
   *
   * @throws {RelayBehindError} `RELAY_BEHIND`, retryable, when `deadlineMs` passes before.
   * @throws {ClosedError} `CLOSED`
   */
  async caughtUp(options: { readonly deadlineMs?: number | undefined } = {}): Promise<void> {
    const deadlineMs = options.deadlineMs ?? CAUGHT_UP_DEADLINE_MS
    const { clock } = this.#parts
    const endMs = clock.monotonicMs() + deadlineMs
    const behind = (error: unknown): RelayBehindError =>
      new RelayBehindError(deadlineMs, this.#passes.behind, error)
    const timed = { operation: 'OutboxRelay.tick', outcome: 'unknown', clock } as const
    for (let attempt = 1; ; attempt += 1) {
      const leftMs = Math.max(1, endMs - clock.monotonicMs())
      const report = await withDeadline(this.tick(), { ...timed, deadlineMs: leftMs }).catch(
        (error: unknown) => {
          throw error instanceof DeadlineExceededError ? behind(error) : error
        },
      )
      if (report.ok) return
      const waitMs = this.#pace.backoffMs(attempt)
      if (clock.monotonicMs() + waitMs >= endMs) throw behind(report.error)
      await sleep(clock, waitMs, this.#closing.signal)
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Stops after the pass that runs now. What was not relayed is relayed by the next relay. */
  close(): Promise<void> {
    return this.#close()
  }

  async #loop(): Promise<void> {
    const { clock, heartbeatMs, pollMs, wakeGapMs } = this.#parts
    for (;;) {
      if (this.#isClosing()) return
      await this.#pace.listen()
      if (clock.monotonicMs() - this.#touchedMs >= heartbeatMs) this.#everyone = true
      const { wakes } = this.#pace
      const { beat } = await this.#pass()
      if (this.#failures > 0) {
        const backoffMs = this.#pace.backoffMs(this.#failures)
        // One company that fails must not make the others wait for their heartbeat.
        await this.#pace.rest(beat ? Math.min(backoffMs, heartbeatMs) : backoffMs)
        continue
      }
      const beatMs = this.#touchedMs + heartbeatMs - clock.monotonicMs()
      const pollNextMs = Math.max(wakeGapMs, Math.min(pollMs, beatMs))
      await this.#pace.pause(this.#pace.wakes > wakes ? wakeGapMs : pollNextMs)
    }
  }

  /** The pass that begins after this call; all who call before it begins share it. */
  #pass(): Promise<RelayReport> {
    this.#next ??= this.#current.then(() => {
      this.#next = undefined
      const pass = this.#run()
      this.#current = pass
      return pass
    })
    return this.#next
  }

  async #run(): Promise<RelayReport> {
    const { clock, observer } = this.#parts
    const begunMs = clock.monotonicMs()
    const everyone = this.#everyone
    this.#everyone = false
    const report = await this.#passes.run(everyone).catch((error: unknown): RelayReport => {
      tellFailure(observer, 'OutboxRelay', error)
      return { ok: false, rows: 0, companies: 0, behind: this.#passes.behind, error, beat: false }
    })
    if (everyone) this.#touchedMs = begunMs
    if (report.ok) this.#freshMs = begunMs
    this.#failures = report.ok ? 0 : this.#failures + 1
    const { ok, rows, companies } = report
    observer.relayTick?.({ ok, rows, companies, elapsedMs: clock.monotonicMs() - begunMs })
    observer.relayLag?.({ lagMs: this.lagMs })
    return report
  }

  // A method, for the flag may change while a pass is awaited.
  #isClosing(): boolean {
    return this.#closing.signal.aborted
  }
}
