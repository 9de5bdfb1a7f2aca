/**
 * Brings one company's registers to a target of the outbox, wherever its watermark stands.
 *
 * The watermark in Redis is the truth; what the relay remembers of it is only an expectation, and every write
 * compares. Two relays, a restarted relay and a Redis that went back in time are therefore the same case.
 */

import type { GenerationChange, OutboxPosition, OutboxRow, OutboxTick } from '@kerp/core'
import { isLowerTimeline, isOtherDatabase } from './database-epoch.js'
import { ForeignDatabaseError, TimelineBehindError } from './errors.js'
import type { OutboxReader } from './outbox-reader.js'
import { formatInside, type StoredPosition } from './position.js'
import { parseWatermark, type Watermark } from './register.js'
import type { RelayParts } from './relay-options.js'
import type { WatermarkWriter } from './watermark-writer.js'

/** What a relay remembers of a company. */
export interface CompanyState {
  readonly companyId: string
  /** The position that its watermark is expected to hold; undefined when nobody looked. */
  position: string | undefined
  /** Whether every row that was not relayed lies behind the position that all companies in step share. */
  inStep: boolean
  /** The watermark of another database that stands there, since when, and what is said of it once it was seen to move. */
  foreign?:
    | { readonly text: string; readonly sinceMs: number; readonly error: ForeignDatabaseError | undefined }
    | undefined
}

/** How long another database's watermark stands still before it is taken for one that was replaced, in ms. */
const SILENT_MS = 5_000

/** Rows of one company that a pass has read already: all that lie between `since` and its target. */
export interface RowsInHand {
  readonly since: OutboxPosition
  readonly rows: readonly OutboxRow[]
}

/** How a company stands after it was brought on. `left` is behind, and looked at again in the next pass. */
export type CompanyEnd = 'inStep' | 'left'

/** Brings companies on, for one relay. Throws what Redis and the outbox throw; the state is then not in step. */
export class CompanyRelay {
  readonly #parts: RelayParts
  readonly #reader: OutboxReader
  readonly #writer: WatermarkWriter

  constructor(parts: RelayParts, reader: OutboxReader, writer: WatermarkWriter) {
    this.#parts = parts
    this.#reader = reader
    this.#writer = writer
  }

  /**
   * Brings a company to the tick's target: at once when it is in step, with `rows`, which are all its rows
   * that were not relayed; else, or when its watermark is not where it should be, after a closer look, with
   * the help of what is in hand.
   */
  async advance(
    state: CompanyState,
    tick: OutboxTick,
    rows: readonly OutboxRow[],
    hand: RowsInHand | undefined,
  ): Promise<CompanyEnd> {
    const inStep = state.inStep && state.position !== undefined
    if (inStep && (await this.#move(state, tick.epoch, tick.target, rows, tick.asOfMs))) return 'inStep'
    return this.#recover(state, tick, hand)
  }

  /** Moves a company that is in step to a place inside a backlog; it falls out of step when it is not there. */
  async advanceInside(
    state: CompanyState,
    epoch: string,
    to: string,
    rows: readonly OutboxRow[],
  ): Promise<void> {
    if (state.inStep) await this.#move(state, epoch, to, rows, undefined)
  }

  async #move(
    state: CompanyState,
    epoch: string,
    to: string,
    rows: readonly OutboxRow[],
    asOfMs: number | undefined,
  ): Promise<boolean> {
    const from = state.position ?? ''
    const { inStep } = state
    // Until Redis has answered nobody knows where the watermark stands.
    state.inStep = false
    state.position = undefined
    const moved = await this.#writer.relay(state.companyId, { epoch, from, to, asOfMs }, rows)
    if (moved === 'elsewhere') return false
    state.position = to
    state.inStep = inStep
    return true
  }

  async #recover(state: CompanyState, tick: OutboxTick, hand: RowsInHand | undefined): Promise<CompanyEnd> {
    state.inStep = false
    const text = await this.#writer.look(state.companyId)
    const watermark = parseWatermark(text)
    const stored = watermark === undefined ? undefined : this.#reader.readPosition(watermark.position)
    const reason = this.#whyInstall(watermark, stored, tick)
    if (reason !== undefined) return this.#install(state, text, watermark, tick, reason)
    if (watermark === undefined || stored === undefined) return 'left'
    state.foreign = undefined
    state.position = watermark.position
    if (this.#reader.isAhead(stored, tick.target)) {
      // Another relay was here with a later target; what it has not relayed yet lies behind ours.
      state.inStep = stored.inside === undefined
      return state.inStep ? 'inStep' : 'left'
    }
    const caughtUp = await this.#catchUp(state, stored, tick, hand)
    state.inStep = caughtUp
    return caughtUp ? 'inStep' : 'left'
  }

  #whyInstall(
    watermark: Watermark | undefined,
    stored: StoredPosition | undefined,
    tick: OutboxTick,
  ): GenerationChange['reason'] | undefined {
    if (watermark === undefined) return 'absent'
    if (watermark.epoch !== tick.epoch) return 'epoch'
    if (stored === undefined) return 'absent'
    return this.#reader.isTrimmed(stored.base, tick) ? 'trimmed' : undefined
  }

  async #install(
    state: CompanyState,
    text: string | undefined,
    watermark: Watermark | undefined,
    tick: OutboxTick,
    reason: GenerationChange['reason'],
  ): Promise<CompanyEnd> {
    if (reason === 'epoch' && watermark !== undefined && isLowerTimeline(tick.epoch, watermark.epoch)) {
      throw new TimelineBehindError(tick.epoch, watermark.epoch)
    }
    if (reason === 'epoch' && watermark !== undefined && text !== undefined) {
      const isOther = isOtherDatabase(tick.epoch, watermark.epoch)
      if (isOther && !this.#isAbandoned(state, tick.epoch, text, watermark.epoch)) return 'left'
    }
    const at = { epoch: tick.epoch, position: tick.target, asOfMs: tick.asOfMs }
    if (!(await this.#writer.install(state.companyId, text, at, reason))) return 'left'
    state.position = tick.target
    state.inStep = true
    state.foreign = undefined
    return 'inStep'
  }

  /**
   * Whether nobody moves another database's watermark any more, as after a restore into a new database: each relay moves
   * its own with every heartbeat. Two that live would void each other's registers for ever.
   *
   * @throws {ForeignDatabaseError} `FOREIGN_DATABASE` when it moves.
   */
  #isAbandoned(state: CompanyState, epoch: string, text: string, registersEpoch: string): boolean {
    const nowMs = this.#parts.clock.monotonicMs()
    let seen = state.foreign
    if (seen?.text !== text) {
      const error =
        seen === undefined ? undefined : new ForeignDatabaseError(state.companyId, epoch, registersEpoch)
      seen = { text, sinceMs: nowMs, error }
    }
    state.foreign = seen
    if (nowMs - seen.sinceMs >= SILENT_MS) return true
    if (seen.error !== undefined) throw seen.error
    return false
  }

  async #catchUp(
    state: CompanyState,
    stored: StoredPosition,
    tick: OutboxTick,
    hand: RowsInHand | undefined,
  ): Promise<boolean> {
    const { outbox } = this.#parts
    const { base, inside } = stored
    if (inside === undefined && outbox.covers(base, tick.target)) {
      return this.#move(state, tick.epoch, tick.target, [], tick.asOfMs)
    }
    if (inside === undefined && hand !== undefined && outbox.covers(base, hand.since)) {
      return this.#move(state, tick.epoch, tick.target, hand.rows, tick.asOfMs)
    }
    if (inside === undefined) return this.#drain(state, tick, { base, target: tick.target, afterId: '0' })
    const { target, lastId } = inside
    if (!(await this.#drain(state, tick, { base, target, afterId: lastId }))) return false
    return this.#drain(state, tick, { base: target, target: tick.target, afterId: '0' })
  }

  /** Relays the company's rows between two positions, page by page. */
  async #drain(
    state: CompanyState,
    tick: OutboxTick,
    way: { readonly base: OutboxPosition; readonly target: OutboxPosition; readonly afterId: string },
  ): Promise<boolean> {
    const { base, target } = way
    let { afterId } = way
    for (;;) {
      const query = { after: base, target, afterId, companyId: state.companyId }
      const rows = await this.#reader.page(query, tick.epoch)
      const lastId = rows.length < this.#parts.pageRows ? undefined : rows.at(-1)?.id
      const to = lastId === undefined ? target : formatInside(base, { target, lastId })
      const asOfMs = to === tick.target ? tick.asOfMs : undefined
      if (!(await this.#move(state, tick.epoch, to, rows, asOfMs))) return false
      if (lastId === undefined) return true
      afterId = lastId
    }
  }
}
