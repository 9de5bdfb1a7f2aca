/**
 * A database in memory for tests without PostgreSQL: rows with versions, an outbox, trimming, epochs, and loads that
 * fail or are held back. Positions are how many changes were committed, which is what a snapshot says of a database.
 */

import type {
  InvalidationLog,
  LoadedRegisters,
  OutboxChange,
  OutboxPage,
  OutboxPageQuery,
  OutboxPosition,
  OutboxRow,
  OutboxSource,
  OutboxTick,
  RegisterImage,
  RegisterImages,
  RegisterListing,
  RegisterRef,
  RegisterSource,
} from '@kerp/core'
import { byBytes } from '@kerp/core/testing'

/** A load that was held back: it has read its rows, or not, and its answer waits. */
export interface HeldLoad {
  readonly refs: readonly RegisterRef[]
  release(): void
}

/**
 * Rows of balances and stock, their outbox and the faults that a test plans. Everything is kept until it is collected.
 *
 * @example
 * const database = new MemoryDatabase()
 * database.commit('c1', { 1101: [500n, 0n] })
 * database.row({ companyId: 'c1', family: 'balance', parts: ['1101', '2026'] }).version // => 1
 */
export class MemoryDatabase implements RegisterSource, OutboxSource, InvalidationLog {
  /** Names its history; set another one to restore or replace the database. */
  epoch = '7340000000000000001.00000001.1767225600.16384.16400.16400'
  /** Its clock, in ms since 1970; each change moves it on by one. */
  asOfMs = 1_767_225_600_000
  /** Refs of each load, in the order in which they began. */
  readonly loads: (readonly RegisterRef[])[] = []
  /** Loads that have read and wait; filled while `holding` is true. */
  readonly held: HeldLoad[] = []
  /** Holds back the answers of loads, in `held`. */
  holding = false
  /** Makes the next calls of `page` fail. */
  failPages = 0
  /** Makes the next calls of `load` fail. */
  failLoads = 0
  /** Runs before a page is read. */
  beforePage: (() => unknown) | undefined
  /** Runs between the reading of a list and its answer. */
  afterList: (() => Promise<unknown> | undefined) | undefined
  /** What was asked of `page`. */
  readonly pages: OutboxPageQuery[] = []

  readonly #rows = new Map<string, RegisterImage>()
  readonly #log: OutboxRow[] = []
  #trimmed = 0
  readonly #wakes = new Set<() => void>()

  /** Adds to the totals of accounts of a company, in one transaction, and answers the rows as they then stand. */
  commit(
    companyId: string,
    changes: Readonly<Record<string, readonly [debit: bigint, credit: bigint]>>,
    fiscalYear = 2026,
  ): RegisterImages {
    const images = Object.entries(changes).map(([account, [debit, credit]]) => {
      const ref: RegisterRef = { companyId, family: 'balance', parts: [account, String(fiscalYear)] }
      const before = this.row(ref)
      const fields = [BigInt(before.fields[0]) + debit, BigInt(before.fields[1]) + credit] as const
      return { ref, version: before.version + 1, fields: [String(fields[0]), String(fields[1])] } as const
    })
    for (const image of images) this.write(image)
    return { epoch: this.epoch, images }
  }

  /** Commits a row as it is given. */
  write(image: RegisterImage): void {
    this.#rows.set(nameOf(image.ref), image)
    this.#append(image.ref.companyId, { kind: 'image', image })
  }

  /** Changes a row behind everyone's back, as a repair by hand does. */
  tamper(image: RegisterImage): void {
    this.#rows.set(nameOf(image.ref), image)
  }

  /** The row as it stands; version 0 with zeros if it was never written. */
  row(ref: RegisterRef): RegisterImage {
    return this.#rows.get(nameOf(ref)) ?? { ref, version: 0, fields: ['0', '0'] }
  }

  invalidate(ref: RegisterRef): Promise<void> {
    this.#append(ref.companyId, { kind: 'invalidate', ref })
    return Promise.resolve()
  }

  invalidateAll(companyId: string): Promise<void> {
    this.#append(companyId, { kind: 'invalidateAll' })
    return Promise.resolve()
  }

  /** Deletes all rows of the outbox but the last of each company. */
  trim(): void {
    this.#trimmed = this.#log.length
  }

  /** Counts as no load, and never fails. */
  readEpoch(): Promise<string> {
    return Promise.resolve(this.epoch)
  }

  async load(companyId: string, refs: readonly RegisterRef[]): Promise<LoadedRegisters> {
    this.loads.push(refs)
    await Promise.resolve()
    if (this.failLoads > 0) {
      this.failLoads -= 1
      throw new RangeError('the database is down')
    }
    const images = refs.map((ref) => this.row({ ...ref, companyId }))
    const loaded = { epoch: this.epoch, asOfMs: this.asOfMs, images }
    if (this.holding) await new Promise<void>((release) => this.held.push({ refs, release }))
    return loaded
  }

  async list(listing: RegisterListing): Promise<LoadedRegisters> {
    const { companyId, family, secondPart, after, limit } = listing
    const images = [...this.#rows.values()]
      .filter(({ ref }) => ref.companyId === companyId && ref.family === family)
      .filter(({ ref }) => secondPart === undefined || ref.parts[1] === secondPart)
      .sort((left, right) => (isBefore(left.ref, right.ref) ? -1 : 1))
      .filter(({ ref }) => after === undefined || isBefore(after, ref))
      .slice(0, limit)
    const listed = { epoch: this.epoch, asOfMs: this.asOfMs, images }
    await this.afterList?.()
    return listed
  }

  tick(query: { readonly after?: OutboxPosition | undefined; readonly limit: number }): Promise<OutboxTick> {
    const target = `s${this.#log.length}`
    const rows =
      query.after === undefined
        ? []
        : this.#between({ after: query.after, target, afterId: '0', limit: query.limit })
    const trimmedTo = this.#trimmed === 0 ? undefined : `s${this.#trimmed}`
    return Promise.resolve({ epoch: this.epoch, asOfMs: this.asOfMs, target, trimmedTo, rows })
  }

  page(query: OutboxPageQuery): Promise<OutboxPage> {
    this.pages.push(query)
    if (this.failPages > 0) {
      this.failPages -= 1
      return Promise.reject(new RangeError('the database is down'))
    }
    this.beforePage?.()
    return Promise.resolve({ epoch: this.epoch, rows: this.#between(query) })
  }

  companies(): Promise<readonly string[]> {
    return Promise.resolve([...new Set(this.#log.map(({ companyId }) => companyId))])
  }

  covers(later: OutboxPosition, earlier: OutboxPosition): boolean {
    return countOf(later) >= countOf(earlier)
  }

  onWake(wake: () => void): Promise<{ close(): Promise<void> }> {
    this.#wakes.add(wake)
    const close = (): Promise<void> => {
      this.#wakes.delete(wake)
      return Promise.resolve()
    }
    return Promise.resolve({ close })
  }

  #append(companyId: string, change: OutboxChange): void {
    this.asOfMs += 1
    this.#log.push({ id: String(this.#log.length + 1), companyId, change })
    for (const wake of this.#wakes) wake()
  }

  #between(query: OutboxPageQuery): readonly OutboxRow[] {
    const last = new Map(this.#log.map((row) => [row.companyId, row.id]))
    return this.#log
      .slice(countOf(query.after), countOf(query.target))
      .filter(({ id, companyId }) => Number(id) > this.#trimmed || last.get(companyId) === id)
      .filter(({ id }) => Number(id) > Number(query.afterId))
      .filter(({ companyId }) => query.companyId === undefined || query.companyId === companyId)
      .slice(0, query.limit)
  }
}

function countOf(position: OutboxPosition): number {
  const [, count] = /^s(\d+)$/.exec(position) ?? []
  if (count === undefined) throw new RangeError(`no position of this database: ${position}`)
  return Number(count)
}

/** As the database lists rows: texts by bytes, fiscal years as numbers. */
function isBefore(left: RegisterRef, right: RegisterRef): boolean {
  const order = byBytes(left.parts[0], right.parts[0])
  if (order !== 0) return order < 0
  if (left.family === 'balance') return Number(left.parts[1]) < Number(right.parts[1])
  return byBytes(left.parts[1], right.parts[1]) < 0
}

function nameOf(ref: RegisterRef): string {
  return JSON.stringify([ref.companyId, ref.family, ...ref.parts])
}
