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

/** A lock that is probably free. */
export type Taking = Pick<Question, 'owner' | 'ttlMs'>

/** A lock to give back, and the question that goes with it. */
export interface Return {
  readonly grant: string
  readonly isListed: boolean
  readonly next: Question | undefined
}

interface NamedCall<T> {
  readonly names: LockNames
  readonly call: T
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
  readonly #takes: CallBatch<NamedCall<Taking>, TakeReply>
  readonly #drops: CallBatch<NamedCall<string>, DropReply>
  readonly #asks: CallBatch<NamedCall<Question>, AskReply>
  readonly #returns: CallBatch<NamedCall<Return>, ReleaseReply>

  constructor(options: LockCommandsOptions) {
    this.#options = options
    this.#call = { deadlineMs: options.commandMs, observer: options.observer }
    this.#takes = new CallBatch((calls) => this.#sendTakes(calls))
    this.#drops = new CallBatch((calls) => this.#sendDrops(calls))
    this.#asks = new CallBatch((calls) => this.#sendAsks(calls))
    this.#returns = new CallBatch((calls) => this.#sendReturns(calls))
  }

  /** Takes the lock if it is free, at once or at the end of this turn. */
  take(names: LockNames, taking: Taking, receiver: Receiver<TakeReply>): void {
    this.#takes.add(names.fence, { names, call: taking }, receiver)
  }

  /** Gives a lock back if nobody waits for it, at once or at the end of this turn. */
  drop(names: LockNames, grant: string, receiver: Receiver<DropReply>): void {
    this.#drops.add(names.fence, { names, call: grant }, receiver)
  }

  /** Sends a question, at once or at the end of this turn. */
  ask(names: LockNames, question: Question, receiver: Receiver<AskReply>): void {
    this.#asks.add(names.fence, { names, call: question }, receiver)
  }

  /** Gives a lock back, at once or at the end of this turn. */
  release(names: LockNames, given: Return, receiver: Receiver<ReleaseReply>): void {
    this.#returns.add(names.fence, { names, call: given }, receiver)
  }

  /** `grants` are leases of one company. */
  extend(
    grants: readonly { readonly names: LockNames; readonly grant: string; readonly ttlMs: number }[],
    deadlineMs: number,
  ): Promise<readonly boolean[]> {
    const held = grants[0]?.names.held ?? ''
    const moreKeys = grants.map(({ names }) => names.lock)
    const moreArgs = grants.flatMap(({ grant, ttlMs }) => [grant, String(ttlMs)])
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

  #sendTakes(calls: readonly NamedCall<Taking>[]): Promise<readonly TakeReply[]> {
    const moreKeys: string[] = []
    const moreArgs: string[] = []
    for (const { names, call } of calls) {
      moreKeys.push(names.lock)
      moreArgs.push(call.owner, String(call.ttlMs))
    }
    const fence = calls[0]?.names.fence ?? ''
    return takeLocks.run(this.#options.redis, { fence }, NO_ARGS, this.#callOf(moreKeys, moreArgs))
  }

  #sendDrops(calls: readonly NamedCall<string>[]): Promise<readonly DropReply[]> {
    const moreKeys: string[] = []
    const moreArgs: string[] = []
    for (const { names, call } of calls) {
      moreKeys.push(names.lock, names.queue)
      moreArgs.push(call)
    }
    return dropLocks.run(this.#options.redis, NO_KEYS, NO_ARGS, this.#callOf(moreKeys, moreArgs))
  }

  #sendAsks(calls: readonly NamedCall<Question>[]): Promise<readonly AskReply[]> {
    const moreKeys: string[] = []
    const moreArgs: string[] = []
    for (const { names, call } of calls) {
      moreKeys.push(names.lock, names.queue)
      moreArgs.push(call.owner, String(call.ttlMs), String(call.block), call.wait)
    }
    return acquireLocks.run(this.#options.redis, fixedKeys(calls), NO_ARGS, this.#callOf(moreKeys, moreArgs))
  }

  #sendReturns(calls: readonly NamedCall<Return>[]): Promise<readonly ReleaseReply[]> {
    const moreKeys: string[] = []
    const moreArgs: string[] = []
    for (const { names, call } of calls) {
      const { grant, isListed, next } = call
      moreKeys.push(names.lock, names.queue)
      if (next === undefined) moreArgs.push(grant, isListed ? '1' : '', '', '', '', '')
      else
        moreArgs.push(
          grant,
          isListed ? '1' : '',
          next.owner,
          String(next.ttlMs),
          String(next.block),
          next.wait,
        )
    }
    return releaseLocks.run(this.#options.redis, fixedKeys(calls), NO_ARGS, this.#callOf(moreKeys, moreArgs))
  }

  // Written out: a spread of options costs half a microsecond per call.
  #callOf(moreKeys: readonly string[], moreArgs: readonly string[]): ScriptCallOptions {
    return { deadlineMs: this.#call.deadlineMs, observer: this.#call.observer, moreKeys, moreArgs }
  }
}

const NO_KEYS = {}
const NO_ARGS = {}

function fixedKeys(calls: readonly NamedCall<unknown>[]): { readonly fence: string; readonly held: string } {
  const names = calls[0]?.names
  return { fence: names?.fence ?? '', held: names?.held ?? '' }
}
