/**
 * One operation that may change rows: from before its transaction until its outcome is known, no reader caches them.
 *
 * A process that dies, or does not learn how its COMMIT ended, leaves its mark behind. It counts as dead after
 * `operationMs`, so the database must have ended the transaction by then.
 */

import { type Clock, type Observer, tellFailure, type Timer } from '@kerp/core'
import type { RedisClient } from '@kerp/redis'
import { endOperation } from './end-operation.lua.js'
import { OperationLostError } from './errors.js'
import { holdOperation } from './hold-operation.lua.js'

/** What an operation needs. */
export interface OperationParts {
  readonly redis: RedisClient
  readonly observer: Observer
  readonly clock: Clock
  /** How long a mark outlives its process, in ms. */
  readonly operationMs: number
  /** The longest that each of its calls waits for Redis, in ms. */
  readonly guardDeadlineMs: number
}

/** Renewals per `operationMs`: two may be lost. */
const RENEWALS = 3

/** A guarded piece of work, as the work sees it. */
export interface GuardedWork {
  /** Names the operation; never used before. */
  readonly id: string
  /**
   * Says that the rows are still marked, for `operationMs` from now on. Call it as the last thing before COMMIT, and roll
   * back when it throws.
   *
   * @throws {OperationLostError} `OPERATION_LOST`, retryable.
   * @throws {RedisNotDoneError} `REDIS_NOT_DONE`, {RedisUnknownError} `REDIS_UNKNOWN` or {RedisRefusedError}
   * `REDIS_REFUSED`: Redis cannot say so.
   */
  confirm(): Promise<void>
}

/** Marks rows, keeps them marked, and lets them go. */
export class CommitOperation implements GuardedWork {
  readonly id: string
  readonly #parts: OperationParts
  readonly #keys: readonly string[]
  readonly #rows: number
  #timer: Timer | undefined
  #isConfirmed = false

  /** `keys` are the value and the operations of each row. */
  constructor(parts: OperationParts, id: string, keys: readonly string[]) {
    this.#parts = parts
    this.id = id
    this.#keys = keys
    this.#rows = keys.length / 2
  }

  get isConfirmed(): boolean {
    return this.#isConfirmed
  }

  /** Throws what Redis throws; then nothing is marked for longer than `operationMs`. */
  async begin(): Promise<void> {
    await this.#hold('begins')
    this.#arm()
  }

  async confirm(): Promise<void> {
    const held = await this.#hold('')
    if (held !== this.#rows) throw new OperationLostError(held, this.#rows)
    this.#isConfirmed = true
  }

  /** The outcome is known: rows may be cached again. Never throws: a mark that stays ends by itself. */
  async end(): Promise<void> {
    this.#timer?.cancel()
    await this.#quietly(async () => {
      const { redis, observer, guardDeadlineMs: deadlineMs } = this.#parts
      const call = { moreKeys: this.#keys, deadlineMs, observer, effect: 'idempotent' } as const
      const marked = await endOperation.run(redis, {}, { operation: this.id }, call)
      if (marked !== this.#rows) throw new OperationLostError(marked, this.#rows)
    })
  }

  /** The outcome is not known: rows are not cached for `operationMs` from now on. Never throws. */
  async abandon(): Promise<void> {
    this.#timer?.cancel()
    await this.#quietly(() => this.#hold(''))
  }

  #hold(begins: 'begins' | ''): Promise<number> {
    const { redis, observer, guardDeadlineMs: deadlineMs, operationMs } = this.#parts
    const args = { operation: this.id, forMs: String(operationMs), begins }
    return holdOperation.run(redis, {}, args, {
      moreKeys: this.#keys,
      deadlineMs,
      observer,
      effect: 'idempotent',
    })
  }

  #arm(): void {
    const { clock, operationMs } = this.#parts
    this.#timer = clock.setTimer(operationMs / RENEWALS, () => {
      this.#arm()
      void this.#quietly(() => this.#hold(''))
    })
  }

  async #quietly(effect: () => Promise<unknown>): Promise<void> {
    try {
      await effect()
    } catch (error) {
      tellFailure(this.#parts.observer, 'GuardedBalances', error)
    }
  }
}
