/** The event relay: brings committed events from the database's log into the streams, for as long as it runs. */

import {
  type Closable,
  ClosedError,
  closeOnce,
  type EventAdvance,
  type EventHead,
  PollPace,
  tellFailure,
  withDeadline,
} from '@kerp/core'
import { CompanyPublishing, type CompanyState } from './company-publishing.js'
import { isBefore } from './event-position.js'
import {
  type EventRelayOptions,
  type EventRelayParts,
  resolveEventRelayOptions,
} from './event-relay-options.js'

/** What one turn did. */
export interface EventRelayReport {
  /** Whether every stream was brought to the head of its log. */
  readonly ok: boolean
  readonly events: number
  /** Streams that were begun again. */
  readonly resets: number
  /** The first failure; undefined when there was none. */
  readonly error: unknown
}

/** Heads of one call to the log. */
const SINK_HEADS_MAX = 1_000

/** Failures without one success after which a turn leaves the remaining companies to the next one. */
const FAILURES_MAX = 8

/**
 * Publishes committed events, each once and in its company's order, and never one that was not committed.
 *
 * Any number of relays may run at once, and any may stop anywhere: the position lies beside the stream, moves in
 * the script that publishes, and every call compares it. A Redis that went back is brought up from the log; one that
 * lost everything, and a database that went back, begin anew, which every subscriber hears as a reset.
 */
export class EventRelay implements Closable {
  readonly #parts: EventRelayParts
  readonly #publishing: CompanyPublishing
  readonly #pace: PollPace
  /** One small entry for each company that ever had an event. */
  readonly #states = new Map<string, CompanyState>()
  readonly #recorded = new Map<string, string>()
  readonly #closing = new AbortController()
  #epoch: string | undefined
  #checkedMs = Number.NEGATIVE_INFINITY
  #recordedMs = Number.NEGATIVE_INFINITY
  #freshMs: number
  #failures = 0
  #running: Promise<void> | undefined
  #current: Promise<unknown> = Promise.resolve()
  readonly #close = closeOnce(async () => {
    this.#closing.abort(new ClosedError('EventRelay'))
    this.#pace.stop()
    await this.#running
    await this.#current
    this.#publishing.close()
    await this.#record().catch(() => undefined)
    await this.#pace.close()
  })

  /**
   * No I/O happens here.
   *
   * @throws {InvalidOptionError} `INVALID_OPTION`
   */
  constructor(options: EventRelayOptions) {
    this.#parts = resolveEventRelayOptions(options)
    this.#publishing = new CompanyPublishing(this.#parts)
    const { source } = this.#parts
    this.#pace = new PollPace({ ...this.#parts, source: 'EventRelay', onWake: (wake) => source.onWake(wake) })
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

  /**
   * Runs one turn that begins after this call and looks at every company; for tests and tools. Never throws because
   * of Redis or the log; the report says what failed.
   *
   * @throws {ClosedError} `CLOSED`
   */
  async tick(): Promise<EventRelayReport> {
    this.#closing.signal.throwIfAborted()
    return this.#turn(true)
  }

  /** Stops after the turn that runs now. What was not published is published by the next relay. */
  close(): Promise<void> {
    return this.#close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #loop(): Promise<void> {
    const { clock, pollMs, checkMs, wakeGapMs } = this.#parts
    while (!this.#closing.signal.aborted) {
      await this.#pace.listen()
      const { wakes } = this.#pace
      const report = await this.#turn(clock.monotonicMs() - this.#checkedMs >= checkMs)
      if (report.error !== undefined) await this.#pace.rest(this.#pace.backoffMs(this.#failures))
      else if (report.ok) {
        await this.#pace.pause(this.#pace.wakes > wakes ? wakeGapMs : Math.max(wakeGapMs, pollMs))
      }
    }
  }

  /** One at a time. */
  #turn(everyone: boolean): Promise<EventRelayReport> {
    const turn = this.#current.then(() => this.#run(everyone))
    this.#current = turn
    return turn
  }

  async #run(everyone: boolean): Promise<EventRelayReport> {
    const { clock, observer } = this.#parts
    const begunMs = clock.monotonicMs()
    const report = await this.#publishAll(everyone || this.#failures > 0).catch((error: unknown) => {
      this.#tell(error)
      return { ok: false, events: 0, resets: 0, error }
    })
    this.#failures = report.error === undefined ? 0 : this.#failures + 1
    if (report.ok) this.#freshMs = begunMs
    const { ok, events, resets } = report
    observer.eventRelayTick?.({ ok, events, resets, elapsedMs: clock.monotonicMs() - begunMs })
    observer.eventRelayLag?.({ lagMs: clock.monotonicMs() - this.#freshMs })
    return report
  }

  async #publishAll(everyone: boolean): Promise<EventRelayReport> {
    const { clock } = this.#parts
    const begunMs = clock.monotonicMs()
    const all = everyone || this.#epoch === undefined
    const advance = await this.#advance(all)
    this.#learn(advance)
    const due = [...this.#states.values()].filter((state) => all || state.position !== state.head)
    const done = await this.#visitAll(due, advance.epoch, all)
    if (all && done.error === undefined) this.#checkedMs = begunMs
    if (clock.monotonicMs() - this.#recordedMs >= this.#parts.checkMs) await this.#record()
    return { ...done, ok: done.ok && !advance.isMore }
  }

  /** What is known of streams belongs to the epoch in which it was learnt. */
  #learn({ epoch, heads }: EventAdvance): void {
    if (this.#epoch !== epoch) {
      for (const state of this.#states.values()) state.position = undefined
      this.#recorded.clear()
    }
    this.#epoch = epoch
    for (const { companyId, position } of heads) {
      const state = this.#states.get(companyId)
      if (state === undefined) this.#states.set(companyId, { companyId, head: position, position: undefined })
      else state.head = position
    }
  }

  /** Visits companies, a bounded number at once, and gives up when it finds only failures. */
  async #visitAll(due: readonly CompanyState[], epoch: string, check: boolean): Promise<EventRelayReport> {
    let [events, resets, successes, failures, waiting] = [0, 0, 0, 0, 0]
    let error: unknown
    const queue = due[Symbol.iterator]()
    const work = async (): Promise<void> => {
      for (const state of queue) {
        if (this.#closing.signal.aborted || (successes === 0 && failures >= FAILURES_MAX)) {
          waiting += 1
          continue
        }
        try {
          if (check) resets += await this.#publishing.check(state, epoch)
          const visit = await this.#publishing.visit(state, epoch)
          successes += 1
          events += visit.events
          resets += visit.resets
          if (!visit.isDone) waiting += 1
        } catch (caught) {
          failures += 1
          state.position = undefined
          error ??= caught
          this.#tell(caught)
        }
      }
    }
    await Promise.all(Array.from({ length: Math.min(this.#parts.concurrency, due.length) }, work))
    return { ok: failures === 0 && waiting === 0, events, resets, error }
  }

  #advance(all: boolean): Promise<EventAdvance> {
    const { source, advanceMax, sourceDeadlineMs: deadlineMs, clock } = this.#parts
    const operation = 'EventSource.advance'
    return withDeadline(source.advance({ limit: advanceMax, all }), {
      operation,
      deadlineMs,
      outcome: 'unknown',
      clock,
    })
  }

  /** Tells the log how far the streams are, for retention, and for the day on which Redis forgets. */
  async #record(): Promise<void> {
    const { source, sink, clock, sourceDeadlineMs: deadlineMs } = this.#parts
    const moved: EventHead[] = []
    for (const { companyId, position } of this.#states.values()) {
      if (position === undefined || !isBefore(this.#recorded.get(companyId) ?? '', position)) continue
      moved.push({ companyId, position })
    }
    for (let at = 0; at < moved.length; at += SINK_HEADS_MAX) {
      const heads = moved.slice(at, at + SINK_HEADS_MAX)
      const timed = { operation: 'EventSinks.reached', deadlineMs, outcome: 'unknown', clock } as const
      await withDeadline(source.reached(sink, heads), timed)
      for (const { companyId, position } of heads) this.#recorded.set(companyId, position)
    }
    this.#recordedMs = clock.monotonicMs()
  }

  #tell(error: unknown): void {
    tellFailure(this.#parts.observer, 'EventRelay', error)
  }
}
