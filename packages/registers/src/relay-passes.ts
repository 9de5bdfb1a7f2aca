/**
 * The passes of one relay. A pass takes a target, reads what lies before it, and brings every company there.
 *
 * Companies in step share one reading of the outbox; the others are brought on one by one. The shared
 * position moves only when every company was attempted, so that rows are read again rather than missed.
 */

import { type OutboxPosition, type OutboxRow, type OutboxTick, tellFailure } from '@kerp/core'
import { CompanyRelay, type CompanyState, type RowsInHand } from './company-relay.js'
import { eachBounded } from './each-bounded.js'
import type { ForeignDatabaseError } from './errors.js'
import { OutboxReader } from './outbox-reader.js'
import { formatInside, isMoment } from './position.js'
import { parseWatermark } from './register.js'
import { RelayHeartbeat } from './relay-heartbeat.js'
import type { RelayParts } from './relay-options.js'
import { WatermarkWriter } from './watermark-writer.js'

/** What one pass did. */
export interface RelayReport {
  /** Whether all companies are at the pass's target, or beyond it. */
  readonly ok: boolean
  readonly rows: number
  /** Companies that were written to or looked at. */
  readonly companies: number
  /** Companies that are not at the target. */
  readonly behind: number
  /** The first failure; undefined when there was none. */
  readonly error: unknown
  /** Whether readers were told. */
  readonly beat: boolean
}

/** Failures without one success after which a pass leaves the remaining companies to the next one. */
const FAILURES_MAX = 8

const NO_ROWS: readonly OutboxRow[] = []

/** Rows that a pass has in hand for the companies in step, after the pages before were relayed. */
interface LastPage {
  readonly rows: readonly OutboxRow[]
  readonly count: number
  /** Where the reading began, if it was one page: then it also helps companies that fall out of step. */
  readonly since: OutboxPosition | undefined
  /** Work on a page before it that was given up: companies lack rows of that page, and must not get later ones. */
  readonly givenUp?: Endeavour | undefined
}

/** How work on several companies went. */
interface Endeavour {
  readonly successes: number
  readonly failures: number
  readonly givenUp: boolean
  /** The first failure. */
  readonly error: unknown
}

/** Runs passes, one at a time, and keeps what it learned between them. */
export class RelayPasses {
  readonly #parts: RelayParts
  readonly #reader: OutboxReader
  readonly #writer: WatermarkWriter
  readonly #companyRelay: CompanyRelay
  readonly #heartbeat: RelayHeartbeat
  /** One small entry for each company that ever wrote. */
  readonly #states = new Map<string, CompanyState>()
  /** Where the shared reading goes on; undefined before the first pass. */
  #common: OutboxPosition | undefined

  /** `closing` is aborted with a `ClosedError` when the relay is closed. */
  constructor(parts: RelayParts, closing: AbortSignal) {
    this.#parts = parts
    this.#reader = new OutboxReader(parts, closing)
    this.#writer = new WatermarkWriter(parts)
    this.#companyRelay = new CompanyRelay(parts, this.#reader, this.#writer)
    this.#heartbeat = new RelayHeartbeat(parts)
  }

  /** How many companies are not in step. */
  get behind(): number {
    let count = 0
    for (const state of this.#states.values()) if (!state.inStep) count += 1
    return count
  }

  /** The other, living database whose rows stand in the place of a company's; of several, one. */
  get foreign(): ForeignDatabaseError | undefined {
    for (const { foreign } of this.#states.values()) if (foreign?.error !== undefined) return foreign.error
    return undefined
  }

  /**
   * Runs one pass; with `everyone`, companies without rows are written to as well, and readers are told.
   *
   * Probes are read before the target is taken: an echo says that the target is younger than the probe. A company that
   * was not brought to the target does not keep the others waiting, for its watermark shows that it has not reached it.
   *
   * @throws what the outbox throws where the pass could not begin.
   */
  async run(everyone: boolean): Promise<RelayReport> {
    const since = this.#common ?? (await this.#begin())
    const probes = everyone ? await this.#heartbeat.readProbes() : undefined
    const tick = await this.#reader.tick(since)
    if (since === undefined) this.#learn(await this.#reader.companies())
    const trimmed = since !== undefined && this.#reader.isTrimmed(since, tick)
    if (trimmed) for (const state of this.#states.values()) state.inStep = false
    const page = await this.#relayBacklog(tick, trimmed ? undefined : since)
    const { givenUp, successes, failures, error } = page.givenUp ?? (await this.#finish(tick, page, everyone))
    if (!givenUp) this.#common = tick.target
    const { behind } = this
    const beat = !givenUp && (await this.#heartbeat.publish(tick, probes))
    const companies = successes + failures
    return { ok: !givenUp && behind === 0, rows: page.count, companies, behind, error, beat }
  }

  /** Finds where most watermarks stand, so that a relay that starts can read on for all of them at once. */
  async #begin(): Promise<OutboxPosition | undefined> {
    this.#learn(await this.#reader.companies())
    const votes = new Map<string, number>()
    const look = async (state: CompanyState): Promise<void> => {
      const position = parseWatermark(await this.#writer.look(state.companyId))?.position
      const stored = position === undefined ? undefined : this.#reader.readPosition(position)
      if (position === undefined || stored === undefined || stored.inside !== undefined) return
      state.position = position
      votes.set(position, (votes.get(position) ?? 0) + 1)
    }
    await this.#forEach([...this.#states.values()], look)
    const [common] = [...votes].sort((left, right) => right[1] - left[1])[0] ?? []
    if (common === undefined) return undefined
    for (const state of this.#states.values()) state.inStep = state.position === common
    return common
  }

  #learn(companyIds: Iterable<string>): void {
    for (const companyId of companyIds) this.#stateOf(companyId)
  }

  #stateOf(companyId: string): CompanyState {
    let state = this.#states.get(companyId)
    if (state === undefined) {
      state = { companyId, position: undefined, inStep: false }
      this.#states.set(companyId, state)
    }
    return state
  }

  /** Relays all full pages of a backlog, and hands back the last, shorter one, or the page that was given up. */
  async #relayBacklog(tick: OutboxTick, since: OutboxPosition | undefined): Promise<LastPage> {
    const { pageRows } = this.#parts
    if (since === undefined) return { rows: NO_ROWS, count: 0, since }
    let { rows } = tick
    let count = rows.length
    while (rows.length >= pageRows) {
      const lastId = rows.at(-1)?.id ?? '0'
      const to = formatInside(since, { target: tick.target, lastId })
      const end = await this.#forEach([...groupByCompany(rows)], async ([companyId, theirs]) => {
        await this.#companyRelay.advanceInside(this.#stateOf(companyId), tick.epoch, to, theirs)
      })
      if (end.givenUp) return { rows, count, since, givenUp: end }
      rows = await this.#reader.page({ after: since, target: tick.target, afterId: lastId }, tick.epoch)
      count += rows.length
    }
    return { rows, count, since: count === rows.length ? since : undefined }
  }

  #finish(tick: OutboxTick, page: LastPage, everyone: boolean): Promise<Endeavour> {
    const byCompany = groupByCompany(page.rows)
    this.#learn(byCompany.keys())
    const due = [...this.#states.values()].filter(
      (state) =>
        everyone || !state.inStep || byCompany.has(state.companyId) || !isMoment(state.position ?? ''),
    )
    return this.#forEach(due, async (state) => {
      const rows = byCompany.get(state.companyId) ?? NO_ROWS
      const hand: RowsInHand | undefined = page.since === undefined ? undefined : { since: page.since, rows }
      await this.#companyRelay.advance(state, tick, rows, hand)
    })
  }

  /** Works on companies, a bounded number at once, and gives up when it finds only failures. */
  async #forEach<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<Endeavour> {
    let failures = 0
    let successes = 0
    let error: unknown
    const hopeless = (): boolean => successes === 0 && failures >= FAILURES_MAX
    const attempt = async (item: T): Promise<void> => {
      try {
        await work(item)
        successes += 1
      } catch (caught) {
        failures += 1
        error ??= caught
        tellFailure(this.#parts.observer, 'OutboxRelay', caught)
      }
    }
    await eachBounded(items, this.#parts.concurrency, attempt, hopeless)
    return { failures, successes, givenUp: hopeless(), error }
  }
}

function groupByCompany(rows: readonly OutboxRow[]): ReadonlyMap<string, readonly OutboxRow[]> {
  const groups = new Map<string, OutboxRow[]>()
  for (const row of rows) {
    const group = groups.get(row.companyId)
    if (group === undefined) groups.set(row.companyId, [row])
    else group.push(row)
  }
  return groups
}
