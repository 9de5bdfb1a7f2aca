/**
 * Which database this process reads, so that rows that another one left in Redis are not taken for its own.
 *
 * The epoch is remembered from every load. It is asked for on its own before the first load, and when Redis holds rows of
 * another epoch: then either the database was replaced, or these are the rows of a stranger.
 */

import {
  type Clock,
  type LoadedRegisters,
  type Observer,
  type RegisterRef,
  type RegisterSource,
  tellFailure,
  withDeadline,
} from '@kerp/core'
import { isOtherDatabase } from './database-epoch.js'
import { ForeignDatabaseError } from './errors.js'

/** What is asked, how long, and who is told. */
export interface OwnEpochParts {
  readonly source: RegisterSource
  readonly clock: Clock
  readonly observer: Observer
  readonly deadlineMs: number
}

/** How long an epoch that is not the database's is refused without asking again, in ms; loads may say so before. */
const REFUSED_MS = 1_000

/** Companies with the epoch that was told of; after so many it begins again. */
const TOLD_MAX = 10_000

/** The epoch of the database, as this process knows it. */
export class OwnEpoch {
  readonly #parts: OwnEpochParts
  readonly #told = new Set<string>()
  #epoch: string | undefined
  #asking: Promise<void> | undefined
  #refused: { readonly epoch: string; readonly untilMs: number } | undefined
  #foreign: { readonly error: ForeignDatabaseError; readonly atMs: number } | undefined

  constructor(parts: OwnEpochParts) {
    this.#parts = parts
  }

  /** Loads from the source, and remembers of which epoch it answered. */
  async load(companyId: string, refs: readonly RegisterRef[]): Promise<LoadedRegisters> {
    const loaded = await this.#parts.source.load(companyId, refs)
    this.#epoch = loaded.epoch
    return loaded
  }

  /** Whether rows of this epoch are the database's, as far as this process knows without asking. */
  isKnown(epoch: string): boolean {
    return this.#epoch === epoch
  }

  /** The same; asks the database where that may teach it better, one question for all who read meanwhile. Never throws. */
  async isOwn(companyId: string, ref: RegisterRef, epoch: string): Promise<boolean> {
    if (this.#epoch === epoch) return true
    const { clock } = this.#parts
    if (this.#refused?.epoch !== epoch || clock.monotonicMs() >= this.#refused.untilMs) {
      this.#asking ??= this.#ask(companyId, ref).finally(() => {
        this.#asking = undefined
      })
      await this.#asking
      if (this.isKnown(epoch)) return true
      this.#refused = { epoch, untilMs: clock.monotonicMs() + REFUSED_MS }
    }
    this.#refuse(companyId, epoch)
    return false
  }

  /** What another database left in the place of this one's rows, if a read met it in the last `ms`. */
  foreignWithin(ms: number): ForeignDatabaseError | undefined {
    const foreign = this.#foreign
    if (foreign === undefined || this.#parts.clock.monotonicMs() - foreign.atMs > ms) return undefined
    return foreign.error
  }

  async #ask(companyId: string, ref: RegisterRef): Promise<void> {
    const { source, clock, deadlineMs } = this.#parts
    const asked =
      source.readEpoch === undefined
        ? this.load(companyId, [ref]).then(({ epoch }) => epoch)
        : source.readEpoch()
    try {
      const operation = 'RegisterSource.readEpoch'
      this.#epoch = await withDeadline(asked, { operation, deadlineMs, outcome: 'notDone', clock })
    } catch {
      // The database answers the read, or says why it cannot.
    }
  }

  #refuse(companyId: string, epoch: string): void {
    const own = this.#epoch
    if (own === undefined || !isOtherDatabase(own, epoch)) return
    const { observer, clock } = this.#parts
    const error = new ForeignDatabaseError(companyId, own, epoch)
    this.#foreign = { error, atMs: clock.monotonicMs() }
    const name = `${companyId}|${epoch}`
    if (this.#told.has(name)) return
    if (this.#told.size >= TOLD_MAX) this.#told.clear()
    this.#told.add(name)
    observer.registerForeign?.({ companyId, databaseEpoch: own, registersEpoch: epoch })
    tellFailure(observer, 'Registers', error)
  }
}
