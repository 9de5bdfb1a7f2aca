/**
 * Trust by echo: decides how long this process may answer what is cached, wherever it is cached.
 *
 * The process numbers its probes and remembers when it sent each. A relay reads them, then takes its target, and
 * echoes them when it has relayed up to there. What is at `target` was therefore true at the moment in which the probe
 * was sent, or later; nobody else's clock, and no time of arrival, has a part in it. A heartbeat that lay in a buffer
 * while the process was suspended echoes an old probe and opens nothing.
 */

import type { Clock, RandomSource } from '@kerp/core'
import { parseHeartbeat } from './heartbeat.js'
import { hasReached, type PositionOrder } from './position.js'
import type { Watermark } from './register.js'

/** Probes whose time of sending is remembered: more than are sent in the longest time that trust lasts. */
const PROBES_KEPT = 64

/** Relays whose tick numbers are followed; of more, those heard of first are forgotten. */
const RELAYS_MAX = 64

/** Heartbeats that are kept as evidence: the newest of a few relays, and those before for answers on their way. */
const ECHOES_KEPT = 8

/** Bytes that name a process. */
const PROCESS_ID_BYTES = 8

/** What a heartbeat proved: whatever has reached `target` is at least as new as the probe. */
export interface Echo {
  readonly epoch: string
  readonly target: string
  readonly probe: number
  /** By the monotonic clock, when the probe was sent. */
  readonly sentMs: number
  /** By the wall clock, which goes on while a machine is suspended. */
  readonly sentWallMs: number
}

/** How a heartbeat was taken. `missed`: the one before it never came, so pushes may be missing too. */
export type Heard = { readonly missed: boolean; readonly echo: Echo | undefined }

/** What a gate is made of. */
export interface TrustGateOptions {
  readonly clock: Clock
  readonly random: RandomSource
  readonly order: PositionOrder
  readonly maxStalenessMs: number
}

/** The gate of one process. */
export class TrustGate {
  /** Names this process among those that leave probes; never used again. */
  readonly processId: string
  readonly maxStalenessMs: number
  readonly #clock: Clock
  readonly #order: PositionOrder
  readonly #sentMs = new Float64Array(PROBES_KEPT)
  readonly #sentWallMs = new Float64Array(PROBES_KEPT)
  readonly #ticks = new Map<string, number>()
  readonly #echoes: Echo[] = []
  #probe = 0
  #sinceMs = Number.NEGATIVE_INFINITY

  constructor(options: TrustGateOptions) {
    this.#clock = options.clock
    this.#order = options.order
    this.maxStalenessMs = options.maxStalenessMs
    this.processId = options.random.hex(PROCESS_ID_BYTES)
  }

  /** The newest probe that was sent; 0 before the first. */
  get probe(): number {
    return this.#probe
  }

  /** The number of a new probe. Its time counts from here, so call it before the probe leaves. */
  nextProbe(): number {
    this.#probe += 1
    const slot = this.#probe % PROBES_KEPT
    this.#sentMs[slot] = this.#clock.monotonicMs()
    this.#sentWallMs[slot] = this.#clock.nowMs()
    return this.#probe
  }

  /** Takes a heartbeat; undefined for a message that is none. */
  hear(message: string): Heard | undefined {
    const beat = parseHeartbeat(message)
    if (beat === undefined) return undefined
    const before = this.#ticks.get(beat.relay)
    const missed = before !== undefined && beat.tick !== before + 1
    this.#follow(beat.relay, beat.tick)
    const echo = this.#echoOf(beat.probes.get(this.processId), beat.epoch, beat.target)
    if (echo !== undefined && this.#echoes.push(echo) > ECHOES_KEPT) this.#echoes.shift()
    return { missed, echo }
  }

  /**
   * Whether what Redis holds under a watermark may be answered now: it has reached a target of the same database
   * history that was taken after a probe young enough. Each echo is evidence of its own.
   */
  vouchesFor(watermark: Pick<Watermark, 'epoch' | 'position'>): boolean {
    for (let index = this.#echoes.length - 1; index >= 0; index -= 1) {
      const echo = this.#echoes[index]
      if (echo?.epoch !== watermark.epoch || !this.isFresh(echo)) continue
      if (hasReached(this.#order, watermark.position, echo.target)) return true
    }
    return false
  }

  /** After an interruption nobody knows which heartbeats came in between; what was echoed before stays true. */
  interrupted(): void {
    this.#ticks.clear()
  }

  /** Probes sent before this moment of the monotonic clock prove nothing any more. */
  demandSince(ms: number): void {
    this.#sinceMs = Math.max(this.#sinceMs, ms)
  }

  /** Whether what an echo proved is still new enough; reads both clocks at every call. */
  isFresh({ sentMs, sentWallMs }: Pick<Echo, 'sentMs' | 'sentWallMs'>): boolean {
    const { maxStalenessMs } = this
    return (
      sentMs > this.#sinceMs &&
      this.#clock.monotonicMs() - sentMs <= maxStalenessMs &&
      this.#clock.nowMs() - sentWallMs <= maxStalenessMs
    )
  }

  /** Since the newest echoed probe was sent, by the clock that says more; infinite before the first echo. */
  ageMs(): number {
    let ageMs = Number.POSITIVE_INFINITY
    for (const { sentMs, sentWallMs } of this.#echoes) {
      if (sentMs <= this.#sinceMs) continue
      const sinceMs = Math.max(this.#clock.monotonicMs() - sentMs, this.#clock.nowMs() - sentWallMs)
      ageMs = Math.min(ageMs, sinceMs)
    }
    return ageMs
  }

  #follow(relay: string, tick: number): void {
    this.#ticks.delete(relay)
    this.#ticks.set(relay, tick)
    const [oldest] = this.#ticks.keys()
    if (this.#ticks.size > RELAYS_MAX && oldest !== undefined) this.#ticks.delete(oldest)
  }

  #echoOf(probe: number | undefined, epoch: string, target: string): Echo | undefined {
    if (probe === undefined || probe < 1 || probe > this.#probe) return undefined
    // A probe whose time was forgotten is older than any trust.
    if (probe <= this.#probe - PROBES_KEPT) return undefined
    const slot = probe % PROBES_KEPT
    const sentMs = this.#sentMs[slot] ?? Number.NEGATIVE_INFINITY
    const sentWallMs = this.#sentWallMs[slot] ?? Number.NEGATIVE_INFINITY
    return { epoch, target, probe, sentMs, sentWallMs }
  }
}
