/**
 * Tells Redis which companies have events: with the first event of a process, again now and then, and at once when a
 * company's stream began anew, for then the list may be lost, too.
 *
 * It goes its own way beside publishing: a list that cannot be written delays nobody, and is written later.
 */

import { type Clock, type Observer, tellFailure, type Timer } from '@kerp/core'
import type { Keys } from '@kerp/keys'
import type { RedisClient } from '@kerp/redis'
import { registerCompanies } from './register-companies.lua.js'
import type { TellCommand } from './sharded.js'

/** What a registry is made of. */
export interface RegistryParts {
  readonly redis: RedisClient
  readonly keys: Keys
  readonly observer: Observer
  readonly clock: Clock
  readonly tell: TellCommand
}

/** How long a registration is believed, in ms. */
const AGAIN_MS = 60_000

/** Between two attempts, in ms. */
const RETRY_MS = 1_000

/** Companies of one call. */
const COMPANIES_PER_CALL_MAX = 500

/** Companies that are remembered as registered; with one more all are registered again. */
const REMEMBERED_MAX = 100_000

/** What a process has registered. */
export class CompanyRegistry {
  readonly #parts: RegistryParts
  readonly #believedUntilMs = new Map<string, number>()
  readonly #waiting = new Set<string>()
  #isFlushing = false
  #retry: Timer | undefined

  constructor(parts: RegistryParts) {
    this.#parts = parts
  }

  /** Registers a company if that was not done lately. Costs a look-up; never throws. */
  note(companyId: string): void {
    const untilMs = this.#believedUntilMs.get(companyId)
    if (untilMs === undefined || this.#parts.clock.monotonicMs() >= untilMs) this.again(companyId)
  }

  /** Registers a company whatever was done before. */
  again(companyId: string): void {
    if (this.#believedUntilMs.size >= REMEMBERED_MAX) this.#believedUntilMs.clear()
    this.#believedUntilMs.set(companyId, this.#parts.clock.monotonicMs() + AGAIN_MS)
    if (this.#waiting.size >= REMEMBERED_MAX) return
    this.#waiting.add(companyId)
    if (this.#isFlushing || this.#retry !== undefined) return
    this.#isFlushing = true
    queueMicrotask(() => void this.#flush())
  }

  /** Tries no more. */
  close(): void {
    this.#retry?.cancel()
    this.#waiting.clear()
  }

  async #flush(): Promise<void> {
    const { redis, keys, observer, tell, clock } = this.#parts
    try {
      while (this.#waiting.size > 0) {
        const companies = [...this.#waiting].slice(0, COMPANIES_PER_CALL_MAX)
        const names = { known: keys.eventsCompanies(), list: keys.eventsCompanyList() }
        const args = { tell, channel: keys.eventsCompaniesChannel() }
        await registerCompanies.run(redis, names, args, {
          moreArgs: companies,
          observer,
          effect: 'idempotent',
        })
        for (const companyId of companies) this.#waiting.delete(companyId)
      }
    } catch (error) {
      tellFailure(observer, 'events', error)
      this.#retry = clock.setTimer(RETRY_MS, () => {
        this.#retry = undefined
        this.#isFlushing = true
        void this.#flush()
      })
    }
    this.#isFlushing = false
  }
}
