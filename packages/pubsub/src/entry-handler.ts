/** Handles one entry for a durable group: to its effect, or to a dead letter; nothing else ends it but closing. */

import { jitteredBackoffMs, KerpError, sleep, thrownWords } from '@kerp/core'
import { redisCommand } from '@kerp/redis'
import { buryEvent } from './bury-event.lua.js'
import type { ConsumerParts } from './consumer-options.js'
import { type AnyEvent, decodeEvent, encodedIdOf, eventIdOf, typeOfEncoded } from './envelope.js'
import type { EventSchemas } from './event-map.js'
import { handleTraced } from './event-traces.js'
import type { Gate } from './gate.js'
import type { TakenEntry } from './take-events.lua.js'

/** How an entry ended; `left` is handled again, by this process or another. */
export type EntryEnd = 'handled' | 'passed' | 'dead' | 'left'

/** The most characters of an error that a dead letter keeps. */
const ERROR_LENGTH_MAX = 1_000

/** Handles entries for all companies of a consumer. */
export class EntryHandler<S extends EventSchemas> {
  readonly #parts: ConsumerParts<S>
  readonly #gate: Gate
  readonly #closing: AbortSignal
  readonly #giveUp: AbortSignal

  /** `closing` stops between attempts; `giveUp` tells a handler that runs that nobody waits for it any more. */
  constructor(parts: ConsumerParts<S>, gate: Gate, closing: AbortSignal, giveUp: AbortSignal) {
    this.#parts = parts
    this.#gate = gate
    this.#closing = closing
    this.#giveUp = giveUp
  }

  /** Throws only what Redis throws when a letter cannot be put aside. `mayGoOn` is asked before each attempt. */
  async handle(companyId: string, entry: TakenEntry, mayGoOn: () => boolean): Promise<EntryEnd> {
    const { events, types, attemptsMax, observer } = this.#parts
    let event: AnyEvent<S>
    try {
      event = decodeEvent(events, companyId, entry.text)
    } catch (error) {
      observer.eventDeliver?.({ reader: 'consumer', result: 'invalid', count: 1 })
      const type = typeOfEncoded(entry.text)
      // A type that this service does not know is another's business.
      if (type !== undefined && !events.has(type)) return 'passed'
      return this.#bury(companyId, entry, 'invalid', error, 0)
    }
    if (types?.has(event.type) === false) return 'passed'
    for (let attempt = entry.deliveries; ; attempt += 1) {
      if (attempt > attemptsMax)
        return this.#bury(companyId, entry, 'attempts', 'its process died each time', attemptsMax)
      if (this.#closing.aborted || !mayGoOn()) return 'left'
      const failure = await this.#try(event, attempt)
      if (failure === undefined) return 'handled'
      if (failure.isFinal) return this.#bury(companyId, entry, 'refused', failure.error, attempt)
      if (attempt >= attemptsMax) return this.#bury(companyId, entry, 'attempts', failure.error, attempt)
      await this.#pause(attempt)
    }
  }

  /** One call of the handler, for what is handled again by hand. */
  tryOnce(event: AnyEvent<S>): Promise<{ readonly error: unknown; readonly isFinal: boolean } | undefined> {
    return this.#try(event, 1)
  }

  async ack(companyId: string, streamId: string): Promise<void> {
    const { redis, keys, group, observer } = this.#parts
    const args = [keys.eventsStream(companyId), group, streamId]
    await redisCommand(redis, 'xack', args, { observer, effect: 'idempotent' })
  }

  #try(
    event: AnyEvent<S>,
    attempt: number,
  ): Promise<{ readonly error: unknown; readonly isFinal: boolean } | undefined> {
    const { handler, group, observer, clock, tracing } = this.#parts
    return this.#gate.run(async () => {
      const lagMs = Math.max(0, clock.nowMs() - Date.parse(event.timestamp))
      observer.eventLag?.({ reader: 'consumer', lagMs })
      try {
        const context = { group, effectId: encodedIdOf(event), attempt, signal: this.#giveUp }
        await handleTraced(tracing, [event], () => handler(event, context))
        observer.eventDeliver?.({ reader: 'consumer', result: 'handled', count: 1 })
        return undefined
      } catch (error) {
        observer.eventDeliver?.({ reader: 'consumer', result: 'failed', count: 1 })
        return { error, isFinal: error instanceof KerpError && !error.retryable }
      }
    })
  }

  async #bury(
    companyId: string,
    entry: TakenEntry,
    reason: 'attempts' | 'refused' | 'invalid',
    error: unknown,
    attempts: number,
  ): Promise<EntryEnd> {
    const { redis, keys, group, deadMax, observer } = this.#parts
    await buryEvent.run(
      redis,
      { stream: keys.eventsStream(companyId), dead: keys.deadEvents({ companyId, group }) },
      {
        group,
        id: entry.streamId,
        event: eventIdOf(entry.eventId),
        text: entry.text,
        reason,
        error: wordsOf(error),
        attempts: String(attempts),
        max: String(deadMax),
      },
      { observer },
    )
    observer.eventDead?.({ group, reason })
    return 'dead'
  }

  async #pause(attempt: number): Promise<void> {
    const { clock, backoffMs, backoffMsMax, random } = this.#parts
    const waitMs = jitteredBackoffMs(attempt, { backoffMs, backoffMsMax, random })
    await sleep(clock, waitMs, this.#closing).catch(() => undefined)
  }
}

function wordsOf(error: unknown): string {
  return thrownWords(error).slice(0, ERROR_LENGTH_MAX)
}
