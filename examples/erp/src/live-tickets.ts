/** Tickets of the live page: signed, good for 30 s, and good once, whichever process they are shown to. */

import { type Clock, systemClock, withDeadline } from '@kerp/core'
import type { Keys } from '@kerp/keys'
import type { LivePrincipal } from '@kerp/live'
import type { RedisClient } from '@kerp/redis'
import type { Sessions } from './session.js'

/** What tickets are checked with. */
export interface LiveTicketsOptions {
  readonly sessions: Sessions
  /** Remembers for all processes which tickets were used. */
  readonly redis: RedisClient
  readonly keys: Keys
  readonly clock?: Clock
}

const USED_MAX = 100_000
const REDIS_DEADLINE_MS = 100

/** Takes tickets. While Redis cannot be reached each process knows only what it took itself. */
export class LiveTickets {
  readonly #options: LiveTicketsOptions
  readonly #clock: Clock
  readonly #used = new Map<string, number>()

  constructor(options: LiveTicketsOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  /** Whose ticket it is, for the one who shows it first. */
  async take(ticket: string): Promise<LivePrincipal | undefined> {
    const found = this.#options.sessions.verifyTicket(ticket)
    if (found === undefined) return undefined
    const { companyId, user, nonce, endMs } = found
    const nowMs = this.#clock.nowMs()
    this.#forget(nowMs)
    if (this.#used.has(nonce) || this.#used.size >= USED_MAX) return undefined
    this.#used.set(nonce, endMs)
    const { redis, keys } = this.#options
    const key = keys.rateLimit({ companyId, user, endpoint: `live-${nonce}` })
    const bounds = { operation: 'using a ticket', deadlineMs: REDIS_DEADLINE_MS, outcome: 'unknown' } as const
    const ttlMs = Math.max(1, Math.ceil(endMs - nowMs))
    const first = await withDeadline(redis.set(key, '1', 'PX', ttlMs, 'NX'), bounds).catch(() => 'OK')
    return first === null ? undefined : { companyId, user }
  }

  /** Tickets were used in about the order in which they end. */
  #forget(nowMs: number): void {
    for (const [nonce, endMs] of this.#used) {
      if (endMs > nowMs) return
      this.#used.delete(nonce)
    }
  }
}
