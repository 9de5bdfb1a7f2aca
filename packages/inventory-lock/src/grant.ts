/** What Redis granted to this process: an owner, a lease, and fences for callers that follow one another. */

import { type ClockReading, Lease } from './lease.js'
import type { LockNames } from './lock-names.js'

/** What a grant is made of. */
export interface GrantFacts {
  readonly names: LockNames
  readonly owner: string
  readonly fence: string
  /** How many fences from `fence` on are reserved. */
  readonly block: number
  /** Read before anything was sent that can have granted it. */
  readonly begun: ClockReading
  readonly ttlMs: number
}

/** How much of the lease callers of one process may follow one another for, and how long at most, in ms. */
const ROW_SHARE = 0.25
const ROW_MS_MAX = 500

/** A granted lock. */
export class Grant extends Lease {
  readonly names: LockNames
  readonly owner: string
  readonly ttlMs: number
  /** Whether the company's list names it. */
  isListed = false
  /** Whether others of other processes may wait for it. */
  isContended = false

  readonly #rowEndMs: number
  #fence: string
  /** Fences of the block that were used. */
  #used = 0
  #block: number

  constructor(facts: GrantFacts) {
    super(facts.begun, facts.ttlMs)
    this.names = facts.names
    this.owner = facts.owner
    this.ttlMs = facts.ttlMs
    this.#fence = facts.fence
    this.#block = facts.block
    this.#rowEndMs = facts.begun.monotonicMs + Math.min(facts.ttlMs * ROW_SHARE, ROW_MS_MAX)
  }

  /** The value of the lock's key. */
  get text(): string {
    return `${this.owner}|${this.#fence}`
  }

  /** The fence that Redis knows. */
  get fence(): string {
    return this.#fence
  }

  /** The next fence of the block. */
  takeFence(): string {
    this.#used += 1
    return this.#used === 1 ? this.#fence : String(Number(this.#fence) + this.#used - 1)
  }

  /** Whether one more caller may follow: a fence is left, and others have not waited for too long. */
  canFollowAt(now: ClockReading): boolean {
    if (this.#used >= this.#block || now.monotonicMs >= this.#rowEndMs) return false
    return this.remainingMsAt(now) >= this.ttlMs / 2
  }

  /** Redis gave a new fence in place of the block; it is taken. */
  refence(fence: string): void {
    this.#fence = fence
    this.#used = 1
    this.#block = 1
  }
}
