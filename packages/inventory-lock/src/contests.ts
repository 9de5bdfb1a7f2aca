/** All locks that this process deals with, and what their contests share: one channel, one keeper, one wheel. */

import { type Clock, ClosedError, OverloadedError, type RandomSource, sleep, TimerWheel } from '@kerp/core'
import { Contest } from './contest.js'
import type { ContestHost } from './contest-host.js'
import type { Grant } from './grant.js'
import type { Holding } from './holding.js'
import { LeaseKeeper, type Renewal } from './lease-keeper.js'
import type { LockCommands } from './lock-commands.js'
import { type LockNames, namesOfLock, wakeChannelName } from './lock-names.js'
import type { LockObservations } from './lock-observations.js'
import type { ResolvedLocksOptions } from './lock-options.js'
import { WakeChannel } from './wake-channel.js'

/** A lock held longer than this is listed for other processes, with its first renewal if it is renewed, in ms. */
const LISTED_AFTER_MS = 100

/** Resolution of waits, in ms. */
const WAIT_TICK_MS = 5

/** The most leases of one renewal call. */
const RENEWALS_MAX = 100

/** Work in the background that `close` waits for; more is not waited for. */
const BACKGROUND_MAX = 10_000

/** How long a lock counts as contended, in ms, and the most that are remembered. */
const CONTENDED_MS = 1_000
const CONTENDED_MAX = 1_000

/** How long `close` waits for calls that are on their way, in ms. */
const LAST_CALLS_MS = 1_000

/** The contests of one `Locks`. */
export class Contests implements ContestHost<Contest> {
  readonly owner = 'Locks'
  readonly clock: Clock
  readonly random: RandomSource
  readonly commands: LockCommands
  readonly keeper: LeaseKeeper<Grant>
  readonly wheel: TimerWheel
  readonly observations: LockObservations
  readonly waitersMax: number
  readonly commandMs: number
  readonly #options: ResolvedLocksOptions
  readonly #contests = new Map<string, Contest>()
  readonly #background = new Set<Promise<unknown>>()
  /** Locks that another process held, until when they count as such. */
  readonly #contended = new Map<string, number>()
  readonly #channel: WakeChannel
  readonly #processId: string
  #owners = 0
  #isClosed = false
  #onEmpty: () => void = () => undefined

  constructor(options: ResolvedLocksOptions, commands: LockCommands, observations: LockObservations) {
    const { clock, random, holder, keys, redis, observer, waitersMax, commandMs } = options
    this.#options = options
    this.clock = clock
    this.random = random
    this.commands = commands
    this.observations = observations
    this.waitersMax = waitersMax
    this.commandMs = commandMs
    this.wheel = new TimerWheel(clock, WAIT_TICK_MS)
    this.keeper = new LeaseKeeper({
      clock,
      renewer: (holdings, deadlineMs) => this.#extend(holdings, deadlineMs, ({ ttlMs }) => ttlMs),
      lister: (holdings, deadlineMs) => this.#extend(holdings, deadlineMs, () => undefined),
      firstRenewalMs: LISTED_AFTER_MS,
    })
    this.#processId = `${holder === '' ? '' : `${holder}.`}${random.hex(8)}`
    const channel = wakeChannelName(keys, this.#processId)
    this.#channel = new WakeChannel(redis, channel, this, observer)
  }

  /**
   * The contest for a lock, a new one when there is none.
   *
   * @throws {OverloadedError} `OVERLOADED`, retryable, beyond `locksMax`.
   */
  of(names: LockNames): Contest {
    const known = this.#contests.get(names.lock)
    if (known !== undefined) return known
    const { locksMax } = this.#options
    if (this.#isClosed) throw new ClosedError(this.owner)
    if (this.#contests.size >= locksMax) throw new OverloadedError(this.owner, 'locksMax', locksMax)
    const contest = new Contest(this, names)
    this.#contests.set(names.lock, contest)
    return contest
  }

  /** Whether this process holds the lock or asks for it. */
  has(names: LockNames): boolean {
    return this.#contests.has(names.lock)
  }

  /** The holds of this process. */
  holdings(): readonly Holding[] {
    return [...this.#contests.values()].flatMap(({ holding }) => holding ?? [])
  }

  nextOwner(grantMs: number): string {
    this.#owners += 1
    return `${this.#processId}:${this.#owners}:${grantMs}`
  }

  holder(): string {
    return this.#processId
  }

  canHear(): boolean {
    return this.#channel.isListening
  }

  // In a cluster PUBLISH counts only the listeners of one node.
  waitMode(): '@' | '~' {
    return this.#channel.isListening && !this.#options.redis.isCluster ? '@' : '~'
  }

  noteContended({ lock }: LockNames): void {
    if (this.#contended.size >= CONTENDED_MAX) this.#contended.clear()
    this.#contended.set(lock, this.clock.monotonicMs() + CONTENDED_MS)
  }

  isContended({ lock }: LockNames): boolean {
    if (this.#contended.size === 0) return false
    const untilMs = this.#contended.get(lock)
    if (untilMs === undefined) return false
    if (this.clock.monotonicMs() < untilMs) return true
    this.#contended.delete(lock)
    return false
  }

  listen(): void {
    this.#channel.open()
  }

  /** From the channel: a lock was handed to an owner of this process. */
  handed(lock: string, owner: string, fence: string): void {
    if (this.#contests.get(lock)?.handed(owner, fence) === true) return
    // That owner waits no more, and the next one should not wait for a lease that nobody uses.
    const names = namesOfLock(lock)
    if (names !== undefined) this.background(this.commands.leave(names, owner, LAST_CALLS_MS))
  }

  /** From the channel: messages may have been missed. */
  listening(): void {
    for (const contest of this.#contests.values()) contest.askAgain()
  }

  forget(contest: Contest): void {
    if (this.#contests.get(contest.names.lock) === contest) this.#contests.delete(contest.names.lock)
    if (this.#contests.size === 0) this.#onEmpty()
  }

  background(work: Promise<unknown>): void {
    if (this.#background.size >= BACKGROUND_MAX) return
    this.#background.add(work)
    void work.finally(() => this.#background.delete(work))
  }

  /** Ends waits at once, gives sections that run `closeMs`, then aborts their signals. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const contest of this.#contests.values()) contest.close()
    if (this.#contests.size > 0 && this.#options.closeMs > 0) {
      const empty = new Promise<void>((resolve) => (this.#onEmpty = resolve))
      await Promise.race([empty, sleep(this.clock, this.#options.closeMs)])
    }
    for (const holding of this.holdings()) holding.lose('closed')
    if (this.#background.size > 0) {
      await Promise.race([Promise.allSettled([...this.#background]), sleep(this.clock, LAST_CALLS_MS)])
    }
    await this.#channel.close()
  }

  /** Without a TTL the leases are listed and not renewed. */
  async #extend(
    holdings: readonly Holding<Grant>[],
    deadlineMs: number,
    ttlMsOf: (holding: Holding<Grant>) => number | undefined,
  ): Promise<readonly Renewal[]> {
    const renewals = new Map<Holding<Grant>, Renewal>()
    const companies = groupsOf(holdings, ({ lease }) => lease.names.held)
    await Promise.all(
      companies.flatMap((company) =>
        slicesOf(company, RENEWALS_MAX).map(async (slice) => {
          const grants = slice.map((holding) => {
            const { names, text } = holding.lease
            return { names, grant: text, ttlMs: ttlMsOf(holding) }
          })
          const answers = await this.commands.extend(grants, deadlineMs).catch(() => [])
          slice.forEach((holding, index) => renewals.set(holding, renewalOf(answers[index])))
        }),
      ),
    )
    return holdings.map((holding) => renewals.get(holding) ?? 'unknown')
  }
}

function renewalOf(isOurs: boolean | undefined): Renewal {
  if (isOurs === undefined) return 'unknown'
  return isOurs ? 'renewed' : 'taken'
}

function groupsOf<T>(list: readonly T[], nameOf: (entry: T) => string): readonly (readonly T[])[] {
  const groups = new Map<string, T[]>()
  for (const entry of list) {
    const group = groups.get(nameOf(entry))
    if (group === undefined) groups.set(nameOf(entry), [entry])
    else group.push(entry)
  }
  return [...groups.values()]
}

function slicesOf<T>(list: readonly T[], size: number): readonly (readonly T[])[] {
  const slices: (readonly T[])[] = []
  for (let at = 0; at < list.length; at += size) slices.push(list.slice(at, at + size))
  return slices
}
