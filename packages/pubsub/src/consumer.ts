/**
 * A durable group: every event of its companies reaches its handler, in order per company, until it was dealt with,
 * whichever of its processes live.
 */

import {
  type Closable,
  closeOnce,
  InvalidInputError,
  tellFailure,
  type Timer,
  withDeadline,
} from '@kerp/core'
import { validateCompanyId } from '@kerp/keys'
import { redisCommand } from '@kerp/redis'
import { ChannelLine } from './channel-line.js'
import { CompanyConsumer } from './company-consumer.js'
import { type ConsumerOptions, type ConsumerParts, resolveConsumerOptions } from './consumer-options.js'
import { type DeadLetter, DeadLetters, type RedriveReport } from './dead-letters.js'
import { EntryHandler } from './entry-handler.js'
import type { EventSchemas } from './event-map.js'
import { Gate } from './gate.js'

interface Followed<S extends EventSchemas> {
  readonly worker: CompanyConsumer<S>
  readonly leave: () => void
}

/** Companies that are looked at in one go. */
const LOOKS_AT_ONCE = 200

/** Dead letters of one call. */
const LETTERS_MAX = 10_000

/**
 * A member of a durable group. Run it in as many processes as you like: one at a time handles a company's events.
 *
 * @example
 * const consumer = new Consumer({
 *   redis,
 *   keys,
 *   events: erpEvents,
 *   group: 'mailer',
 *   companies: ['c1'],
 *   handler: async (event) => console.log(event.type),
 * })
 * consumer.start()
 */
export class Consumer<S extends EventSchemas> implements Closable {
  readonly close = closeOnce(() => this.#end())
  readonly #parts: ConsumerParts<S>
  readonly #line: ChannelLine
  readonly #companies = new Map<string, Followed<S>>()
  /** Workers of companies that are followed no more, while they end. */
  readonly #ending = new Set<CompanyConsumer<S>>()
  readonly #closing = new AbortController()
  readonly #giveUp = new AbortController()
  readonly #handler: EntryHandler<S>
  readonly #dead: DeadLetters<S>
  #tick: Timer | undefined
  #askedMs = Number.NEGATIVE_INFINITY
  #isStarted = false

  /** @throws {InvalidOptionError} `INVALID_OPTION` */
  constructor(options: ConsumerOptions<S>) {
    this.#parts = resolveConsumerOptions(options)
    this.#line = ChannelLine.of(this.#parts)
    const gate = new Gate(this.#parts.concurrency)
    this.#handler = new EntryHandler(this.#parts, gate, this.#closing.signal, this.#giveUp.signal)
    this.#dead = new DeadLetters(this.#parts, this.#handler)
  }

  /** Begins, in the background; a second call does nothing. */
  start(): void {
    if (this.#isStarted || this.#closing.signal.aborted) return
    this.#isStarted = true
    void this.#look()
  }

  /**
   * The oldest events of a company that the group put aside, at most `limit`, from 1 to 10,000, behind the one with the id
   * `after`: pass the last id of a page to read the next.
   *
   * @throws {InvalidInputError} `INVALID_INPUT` for the limit or `after`, {InvalidKeyError} `INVALID_KEY`, and what Redis throws.
   */
  async deadLetters(companyId: string, limit = 100, after?: string): Promise<readonly DeadLetter[]> {
    return this.#dead.list(companyId, checkedLimit(limit), checkedAfter(after))
  }

  /**
   * Calls the handler once more for the oldest dead letters of a company, in order; those that succeed are gone. They
   * come after events that were handled meanwhile. At most `limit`, from 1 to 10,000, behind the one with the id `after`;
   * without it the call goes on where the last one ended, and with the oldest again when all were tried.
   *
   * @throws like `deadLetters`; those that were handled before stay handled.
   */
  async redrive(companyId: string, limit = 100, after?: string): Promise<RedriveReport> {
    return this.#dead.redrive(companyId, checkedLimit(limit), checkedAfter(after))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Looks at every company; each works on as long as there is something to do. */
  async #look(): Promise<void> {
    try {
      await this.#askCompanies()
      const workers = [...this.#companies.values()].map(({ worker }) => worker)
      let waiting = 0
      for (let at = 0; at < workers.length && !this.#closing.signal.aborted; at += LOOKS_AT_ONCE) {
        const some = workers.slice(at, at + LOOKS_AT_ONCE)
        for (const worker of some) void worker.work()
        waiting += await this.#backlogOf(some)
      }
      const { observer, group, places } = this.#parts
      void places.record()
      if (!this.#closing.signal.aborted) observer.eventBacklog?.({ group, waiting })
    } catch (error) {
      tellFailure(this.#parts.observer, 'consumer', error)
    }
    if (!this.#closing.signal.aborted) {
      this.#tick = this.#parts.clock.setTimer(this.#parts.pollMs, () => void this.#look())
    }
  }

  async #askCompanies(): Promise<void> {
    const { clock, companies, companiesMs, keys } = this.#parts
    if (clock.monotonicMs() - this.#askedMs < companiesMs) return
    const wanted = new Set((await companies()).map(validateCompanyId))
    this.#askedMs = clock.monotonicMs()
    if (this.#closing.signal.aborted) return
    for (const [companyId, followed] of this.#companies) {
      if (wanted.has(companyId)) continue
      this.#companies.delete(companyId)
      this.#unfollow(followed)
    }
    for (const companyId of wanted) {
      if (this.#companies.has(companyId)) continue
      const { signal } = this.#closing
      const worker = new CompanyConsumer(this.#parts, companyId, this.#handler, signal)
      const look = (): void => void worker.work()
      const leave = this.#line.listen(keys.eventsChannel(companyId), { heard: look, listening: look })
      this.#companies.set(companyId, { worker, leave })
    }
  }

  #unfollow({ worker, leave }: Followed<S>): void {
    leave()
    worker.stop()
    this.#ending.add(worker)
    void worker.settled().then(() => this.#ending.delete(worker))
  }

  /** Events of companies that wait for the group; 0, and nothing is asked, where nobody observes it. */
  async #backlogOf(workers: readonly CompanyConsumer<S>[]): Promise<number> {
    const { observer, redis, keys, group } = this.#parts
    if (observer.eventBacklog === undefined) return 0
    const counts = workers.map(async ({ companyId }) => {
      const args = ['GROUPS', keys.eventsStream(companyId)]
      return waitingOf(await redisCommand(redis, 'xinfo', args, { effect: 'none' }).catch(() => []), group)
    })
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0)
  }

  /** Handlers that run may end, each with its event acknowledged; nothing new is begun. */
  async #end(): Promise<void> {
    this.#closing.abort()
    this.#tick?.cancel()
    const { clock, closeMs, places } = this.#parts
    for (const followed of this.#companies.values()) this.#unfollow(followed)
    this.#companies.clear()
    const ended = Promise.all([...this.#ending].map((worker) => worker.settled()))
    await new Promise<void>((resolve) => {
      const timer = clock.setTimer(closeMs, () => {
        this.#giveUp.abort()
        resolve()
      })
      void ended.then(() => {
        timer.cancel()
        resolve()
      })
    })
    // One that runs now may have begun before the last event.
    const recorded = places.record().then(() => places.record())
    const bounds = {
      operation: 'noting places',
      deadlineMs: Math.max(1, closeMs),
      outcome: 'unknown',
      clock,
    } as const
    await withDeadline(recorded, bounds).catch(() => undefined)
  }
}

function checkedLimit(limit: number): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= LETTERS_MAX) return limit
  throw new InvalidInputError('limit', `a whole number from 1 to ${LETTERS_MAX}`, limit)
}

const LETTER_ID = /^\d{1,20}-\d{1,20}$/

function checkedAfter(after: string | undefined): string | undefined {
  if (after === undefined || LETTER_ID.test(after)) return after
  throw new InvalidInputError('after', 'the id of a dead letter', after)
}

/** What a reply of XINFO GROUPS says of one group: entries that it did not take, and those that it did not finish. */
function waitingOf(reply: unknown, group: string): number {
  const groups: readonly unknown[] = Array.isArray(reply) ? reply : []
  for (const fields of groups) {
    if (!Array.isArray(fields) || fields[1] !== group) continue
    // An integer is text to some clients; the server leaves `lag` out (null) where it does not know it.
    const countOf = (name: string): number => Number(fields[fields.indexOf(name) + 1]) || 0
    return countOf('lag') + countOf('pending')
  }
  return 0
}
