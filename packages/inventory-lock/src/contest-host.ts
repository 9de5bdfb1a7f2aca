/** What the contests of one `Locks` share. */

import type { Clock, RandomSource, TimerWheel } from '@kerp/core'
import type { Grant } from './grant.js'
import type { LeaseKeeper } from './lease-keeper.js'
import type { LockCommands } from './lock-commands.js'
import type { LockNames } from './lock-names.js'
import type { LockObservations } from './lock-observations.js'

/** The shared parts; `C` is what a contest is. */
export interface ContestHost<C = unknown> {
  /** Names the provider in errors. */
  readonly owner: string
  readonly clock: Clock
  readonly random: RandomSource
  readonly commands: LockCommands
  readonly keeper: LeaseKeeper<Grant>
  /** Deadlines of waiters and their next looks. */
  readonly wheel: TimerWheel
  readonly observations: LockObservations
  readonly waitersMax: number
  /** Deadline of one call to Redis, and of a try, in ms. */
  readonly commandMs: number
  /** A new owner's text: unique for ever. */
  nextOwner(grantMs: number): string
  /** This process, as others see it. */
  holder(): string
  /** Whether hand-overs reach this process, so that it need not look often. */
  canHear(): boolean
  /** How this process lines up now: `@` when messages reach it and PUBLISH can count it. */
  waitMode(): '@' | '~'
  /** Another process holds the lock: for a while questions line up at once. */
  noteContended(names: LockNames): void
  /** Whether the lock was held by another process a moment ago. */
  isContended(names: LockNames): boolean
  /** The first caller has to wait: opens the channel. */
  listen(): void
  /** Nobody of this process deals with the lock any more. */
  forget(contest: C): void
  /** Work that nobody waits for; `close` does. */
  background(work: Promise<unknown>): void
}
