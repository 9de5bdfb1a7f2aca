/** The calls of `Locks` to Redis, with names and arguments in order; the same calls of one turn share a script. */

import type { Keys } from '@kerp/keys'
import {
  isRetryableError,
  jitteredBackoffMs,
  type RandomSource,
  sleep,
  type Clock,
  type Observer,
} from '@kerp/core'
import type { RedisCallOptions, RedisClient, ScriptCallOptions } from '@kerp/redis'
import { acquireLocks, type AskReply } from './acquire.lua.js'
import { CallBatch, type Receiver } from './call-batch.js'
import { type DropReply, dropLocks } from './drop.lua.js'
import { extendLocks } from './extend.lua.js'
import { leaveLock } from './leave.lua.js'
import { type ListedLock, listLocks } from './list.lua.js'
import { heldName, type LockNames } from './lock-names.js'
import { raiseFence } from './raise-fence.lua.js'
import { releaseLocks, type ReleaseReply } from './release.lua.js'
import { takeLocks, type TakeReply } from './take.lua.js'

/** One question for a lock. */
export interface Question {
  /** `PROCESS:NUMBER:GRANTMS`, unique for ever. */
  readonly owner: string
  readonly ttlMs: number
  /** How many fences in a row to reserve, for callers of this process that wait behind the first. */
  readonly block: number
  /** Empty: do not line up. `@`: line up, messages reach me. `~`: line up, I look myself. */
  readonly wait: '' | '@' | '~'
}

/** Takes a lock that is probably free, or asks for one: says what it wants and hears the answer. */
export interface Asking<Reply> extends Receiver<Reply> {
  readonly names: LockNames
  /** What is on its way; read when the call is written. */
  readonly question: Question
}

/** Gives a lock back that nobody is known to wait for. */
export interface Dropping extends Receiver<DropReply> {
  readonly names: LockNames
  /** The value of the lock's key: `OWNER|FENCE`. */
  readonly grantText: string
}

/** Gives a lock back, with the question that goes with it. */
export interface Returning extends Receiver<ReleaseReply> {
  readonly names: LockNames
  readonly grantText: string
  /** Whether the company's list names it. */
  readonly isListed: boolean
  readonly next: Question | undefined
}

/** What the calls need. */
export interface LockCommandsOptions {
  readonly redis: RedisClient
  readonly keys: Keys
  readonly observer: Observer
  readonly clock: Clock
  readonly random: RandomSource
  readonly commandMs: number
}

/** Talks to Redis for `Locks`. Every call settles by its deadline. */
export class LockCommands {
  readonly #options: LockCommandsOptions
  readonly #call: RedisCallOptions
  readonly #takes = new CallBatch<Asking<TakeReply>, TakeReply>((callers, receiver) =>
    this.#sendTakes(callers, receiver),
  )
  readonly #drops = new CallBatch<Dropping, DropReply>((callers, receiver) =>
    this.#sendDrops(callers, receiver),
  )
  readonly #asks = new CallBatch<Asking<AskReply>, AskReply>((callers, receiver) =>
    this.#sendAsks(callers, receiver),
  )
  readonly #returns = new CallBatch<Returning, ReleaseReply>((callers, receiver) =>
    this.#sendReturns(callers, receiver),
  )

  constructor(options: LockCommandsOptions) {
    this.#options = options
    this.#call = { deadlineMs: options.commandMs, observer: options.observer }
  }

  /** Takes the lock if it is free, at once or at the end of this turn. */
  take(asking: Asking<TakeReply>): void {
    this.#takes.add(asking.names.fence, asking)
  }

  /** Gives a lock back if nobody waits for it, at once or at the end of this turn. */
  drop(dropping: Dropping): void {
    this.#drops.add(dropping.names.fence, dropping)
  }

  /** Sends a question, at once or at the end of this turn. */
  ask(asking: Asking<AskReply>): void {
    this.#asks.add(asking.names.fence, asking)
  }

  /** Gives a lock back, at once or at the end of this turn. */
  release(returning: Returning): void {
    this.#returns.add(returning.names.fence, returning)
  }

  /** `grants` are leases of one company; without a TTL they are listed and not renewed. */
  extend(
    grants: readonly {
      readonly names: LockNames
      readonly grant: string
      readonly ttlMs: number | undefined
    }[],
    deadlineMs: number,
  ): Promise<readonly boolean[]> {
    const held = grants[0]?.names.held ?? ''
    const moreKeys = grants.map(({ names }) => names.lock)
    const moreArgs = grants.flatMap(({ grant, ttlMs }) => [grant, String(ttlMs ?? '')])
    const { redis, observer } = this.#options
    return extendLocks.run(
      redis,
      { held },
      {},
      { deadlineMs, observer, effect: 'idempotent', moreKeys, moreArgs },
    )
  }

  /** The new fence; `''` without a grant; undefined when the grant is not the lock's any more. */
  raiseFence(names: LockNames, grant: string, floor: string): Promise<string | undefined> {
    const { fence, lock, held } = names
    return raiseFence.run(this.#options.redis, { fence, lock, held }, { grant, floor }, this.#call)
  }

  list(companyId: string, limit: number): Promise<readonly ListedLock[]> {
    const held = heldName(this.#options.keys, companyId)
    const call = { ...this.#call, effect: 'none' as const }
    return listLocks.run(this.#options.redis, { held }, { limit: String(limit) }, call)
  }

  /** Gives up what `owner` may have got, in the background, until Redis says so or the lease has ended by itself. */
  async leave(names: LockNames, owner: string, ttlMs: number): Promise<void> {
    const { redis, clock, random } = this.#options
    const { fence, held, lock, queue } = names
    const endMs = clock.monotonicMs() + ttlMs
    for (let attempt = 1; ; attempt += 1) {
      try {
        await leaveLock.run(
          redis,
          { fence, held, lock, queue },
          { owner },
          { ...this.#call, effect: 'idempotent' },
        )
        return
      } catch (error) {
        const waitMs = 10 + jitteredBackoffMs(attempt, { backoffMs: 20, backoffMsMax: 500, random })
        if (!isRetryableError(error) || clock.monotonicMs() + waitMs > endMs) return
        await sleep(clock, waitMs)
      }
    }
  }

  #sendTakes(askings: readonly Asking<TakeReply>[], receiver: Receiver<readonly TakeReply[]>): void {
    const moreKeys: string[] = []
    const moreArgs: string[] = []
    for (const { names, question } of askings) {
      moreKeys.push(names.lock)
      moreArgs.push(question.owner, String(question.ttlMs))
    }
    takeLocks.tell(
      this.#options.redis,
      companyOf(askings),
      NO_ARGS,
      this.#callOf(moreKeys, moreArgs),
      receiver,
    )
  }

  #sendDrops(droppings: readonly Dropping[], receiver: Receiver<readonly DropReply[]>): void {
    const moreKeys: string[] = []
    const moreArgs: string[] = []
    for (const { names, grantText } of droppings) {
      moreKeys.push(names.lock)
      moreArgs.push(grantText)
    }
    dropLocks.tell(this.#options.redis, NO_KEYS, NO_ARGS, this.#callOf(moreKeys, moreArgs), receiver)
  }

  #sendAsks(askings: readonly Asking<AskReply>[], receiver: Receiver<readonly AskReply[]>): void {
    const moreKeys: string[] = []
    const moreArgs: string[] = []
    for (const { names, question } of askings) {
      moreKeys.push(names.lock, names.queue)
      moreArgs.push(question.owner, String(question.ttlMs), String(question.block), question.wait)
    }
    acquireLocks.tell(
      this.#options.redis,
      companyOf(askings),
      NO_ARGS,
      this.#callOf(moreKeys, moreArgs),
      receiver,
    )
  }

  #sendReturns(returnings: readonly Returning[], receiver: Receiver<readonly ReleaseReply[]>): void {
    const moreKeys: string[] = []
    const moreArgs: string[] = []
    for (const { names, grantText, isListed, next } of returnings) {
      moreKeys.push(names.lock, names.queue)
      moreArgs.push(grantText, isListed ? '1' : '')
      if (next === undefined) moreArgs.push('', '', '', '')
      else moreArgs.push(next.owner, String(next.ttlMs), String(next.block), next.wait)
    }
    releaseLocks.tell(
      this.#options.redis,
      companyOf(returnings),
      NO_ARGS,
      this.#callOf(moreKeys, moreArgs),
      receiver,
    )
  }

  // Written out: a spread of options costs half a microsecond per call.
  #callOf(moreKeys: readonly string[], moreArgs: readonly string[]): ScriptCallOptions {
    return { deadlineMs: this.#call.deadlineMs, observer: this.#call.observer, moreKeys, moreArgs }
  }
}

const NO_KEYS = {}
const NO_ARGS = {}
const NO_COMPANY = { fence: '', held: '' }

/** The keys of the company that calls of one batch share. */
function companyOf(calls: readonly { readonly names: LockNames }[]): Pick<LockNames, 'fence' | 'held'> {
  return calls[0]?.names ?? NO_COMPANY
}
