/** One item of a map while it is worked on. */

import { isRetryableError, jitteredBackoffMs } from '@kerp/core'
import type { JobCancelledError } from './errors.js'
import type { ItemContext, ResolvedMapOptions } from './map-options.js'
import type { Unit, Verdict } from './unit.js'

/** What an item needs of its map. */
export interface ItemOwner<I> {
  readonly id: string
  readonly options: ResolvedMapOptions
  callItem(item: MapItem<I>): unknown
  itemEnded(item: MapItem<I>, verdict: Verdict, outcome: unknown): void
  requeueItem(item: MapItem<I>): void
}

/** Lighter than a job: it has no handle, no id of its own and no promise. */
export class MapItem<I> implements Unit, ItemContext {
  attempt = 0
  cancellation: JobCancelledError | undefined = undefined
  givenUp: 'failed' | 'cancelled' | undefined = undefined
  #controller: AbortController | undefined = undefined

  constructor(
    readonly owner: ItemOwner<I>,
    readonly input: I,
    readonly index: number,
    readonly acceptedMs: number,
  ) {}

  get id(): string {
    return `${this.owner.id}[${this.index}]`
  }

  get companyId(): string | undefined {
    return this.owner.options.terms.companyId
  }

  get timeoutMs(): number {
    return this.owner.options.terms.timeoutMs
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.cancellation !== undefined) this.#controller.abort(this.cancellation)
    }
    return this.#controller.signal
  }

  /** An item has no handle that could show it; the map's own progress counts items. */
  get report(): () => void {
    return noReport
  }

  call(): unknown {
    this.attempt += 1
    return this.owner.callItem(this)
  }

  abort(reason: Error): void {
    this.#controller?.abort(reason)
  }

  settle(verdict: Verdict, outcome: unknown): void {
    this.owner.itemEnded(this, verdict, outcome)
  }

  retryDelayMs(error: unknown): number | undefined {
    const { terms, random } = this.owner.options
    const { retry } = terms
    if (retry === undefined || this.attempt >= retry.attemptsMax) return undefined
    if (!(retry.isRetryable ?? isRetryableError)(error)) return undefined
    return jitteredBackoffMs(this.attempt, { ...retry, random })
  }

  requeue(): void {
    this.owner.requeueItem(this)
  }

  release(): void {
    // It holds no key and no id.
  }
}

function noReport(): void {
  // Nobody listens.
}
