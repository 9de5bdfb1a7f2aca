/** Who loads which row, how long leases and back-offs stand, and every load that should not have been. */

import type { Evidence } from './evidence.js'
import type { Actor } from './scheduler.js'

/** How long a lease stands after it was granted or kept, in ms. */
export const LEASE_MS = 60
/** The longest that a row whose load failed is left alone, in ms. */
export const BACKOFF_MS = 50

/** A load that others wait for. */
export interface SimLoad {
  readonly key: string
  readonly actor: Actor
  readonly begunMs: number
  /** Its process died: it ends, and tells nobody. */
  isDead: boolean
  isOver: boolean
}

export class LoadEvidence {
  readonly #running = new Set<SimLoad>()
  readonly #leasedUntilMs = new Map<string, number>()
  readonly #failedUntilMs = new Map<string, number>()

  constructor(
    readonly evidence: Evidence,
    /** Whether nothing but time takes a lease away in this world, so that loads can be counted. */
    readonly isCounted: boolean,
  ) {}

  /** Redis granted a lease: a load begins. */
  granted(key: string, actor: Actor, nowMs: number): SimLoad {
    this.kept(key, nowMs)
    if (this.isCounted && nowMs < (this.#failedUntilMs.get(key) ?? 0))
      this.evidence.fault(nowMs, `${key} is loaded again inside a back-off`)
    return this.begin(key, actor, nowMs)
  }

  /** Redis keeps a lease for longer. */
  kept(key: string, nowMs: number): void {
    this.#leasedUntilMs.set(key, nowMs + LEASE_MS)
  }

  /** Redis keeps everybody from loading. */
  failed(key: string, nowMs: number, backoffMs: number): void {
    this.#failedUntilMs.set(key, Math.max(this.#failedUntilMs.get(key) ?? 0, nowMs + backoffMs))
  }

  /** Somebody who waits finds a lease, or what a failed load left in its place. */
  found(key: string, what: 'lease' | 'failure', nowMs: number): void {
    const untilMs = (what === 'lease' ? this.#leasedUntilMs : this.#failedUntilMs).get(key) ?? 0
    if (nowMs > untilMs) this.evidence.fault(nowMs, `the ${what} of ${key} does not end`)
  }

  /** A load that ought to be the only one of its row. */
  begin(key: string, actor: Actor, nowMs: number): SimLoad {
    for (const other of this.#running) {
      if (this.isCounted && other.key === key && isAwake(other))
        this.evidence.fault(nowMs, `${key} is loaded twice at once`)
    }
    const load = { key, actor, begunMs: nowMs, isDead: false, isOver: false }
    this.#running.add(load)
    return load
  }

  end(load: SimLoad): void {
    load.isOver = true
    this.#running.delete(load)
  }

  /** The process of these loads dies. */
  die(actor: Actor): void {
    for (const load of this.#running) {
      if (load.actor !== actor) continue
      load.isDead = true
      this.end(load)
    }
  }

  /** Redis refused what was loaded. */
  refused(load: SimLoad, nowMs: number): void {
    if (this.isCounted && isAwake(load)) this.evidence.fault(nowMs, `${load.key} was loaded for nothing`)
  }
}

/** Whether its process ran all the time. */
function isAwake({ actor, begunMs }: SimLoad): boolean {
  return actor.suspendedUntilMs <= begunMs
}
