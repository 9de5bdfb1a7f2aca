/** Fills the caches after a start, beside the first requests: what failed is tried again, what is done is not. */

import { type Clock, type Closable, closeOnce, sleep, systemClock } from '@kerp/core'
import type { Warmer, WarmReport } from '@kerp/cache'
import { COMPANIES, WAREHOUSES } from './companies.js'

/** What is filled, and who hears how it goes. */
export interface WarmingOptions {
  readonly warmerOf: (fiscalYears: readonly number[], warehouses: readonly string[]) => Pick<Warmer, 'warm'>
  /** Gets a line for each company, and one at the end. */
  readonly say: (line: string) => void
  readonly clock?: Clock
}

/** A database that is not there yet, or a Redis that restarts, is given this much time. */
const ATTEMPTS_MAX = 60
const PAUSE_MS = 1_000

/** Warms every company once, in the background. */
export class Warming implements Closable {
  readonly #options: WarmingOptions
  readonly #clock: Clock
  readonly #stopping = new AbortController()
  #running: Promise<void> = Promise.resolve()

  /** Ends between two pages. */
  readonly close = closeOnce(async () => {
    this.#stopping.abort()
    await this.#running
  })

  constructor(options: WarmingOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  /** Begins; nobody waits for it. The years are this one and the last, which most of what is read is of. */
  start(): void {
    const thisYear = new Date(this.#clock.nowMs()).getUTCFullYear()
    const warehouses = WAREHOUSES.map(({ code }) => code)
    this.#running = this.#warm(this.#options.warmerOf([thisYear, thisYear - 1], warehouses))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #warm(warmer: Pick<Warmer, 'warm'>): Promise<void> {
    const { signal } = this.#stopping
    const companies = COMPANIES.map(({ id }) => id)
    const begunMs = this.#clock.monotonicMs()
    const told = new Set<string>()
    let report: WarmReport = { sources: [], done: false }
    for (let attempt = 0; attempt < ATTEMPTS_MAX && !signal.aborted; attempt += 1) {
      if (attempt > 0) await sleep(this.#clock, PAUSE_MS, signal).catch(() => undefined)
      report = await warmer.warm(companies, { signal, resume: report })
      this.#tell(report, told)
      if (report.done || report.sources.some(({ state }) => state === 'memory')) break
    }
    if (signal.aborted) return
    const elapsedMs = Math.round(this.#clock.monotonicMs() - begunMs)
    const left = report.sources.filter(({ state }) => state !== 'done').length
    this.#options.say(
      report.done
        ? `caches warm after ${elapsedMs} ms`
        : `${left} caches stay cold: they fill as they are read`,
    )
  }

  /** A line for each company that has come to its end since. */
  #tell({ sources }: WarmReport, told: Set<string>): void {
    for (const { id } of COMPANIES) {
      const its = sources.filter(({ companyId }) => companyId === id)
      if (told.has(id) || its.length === 0 || its.some(({ state }) => state !== 'done')) continue
      told.add(id)
      const sum = (count: 'rows' | 'loaded'): number =>
        its.reduce((total, source) => total + source[count], 0)
      this.#options.say(`warming ${id}: ${sum('rows')} values, ${sum('loaded')} of them loaded`)
    }
  }
}
