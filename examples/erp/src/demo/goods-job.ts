/**
 * The goods of the main job: what arrives is brought to three warehouses, then every order line moves its goods, by
 * several callers at once for every company. A warehouse that runs short is restocked by transfers under a lock.
 */

import { InsufficientStockError, type StockAdjustment } from '@kerp/core'
import { COMPANIES, type Company, WAREHOUSES } from '../companies.js'
import type { Erp } from '../main.js'
import { CENTRAL_WAREHOUSE, type GoodsMove, type GoodsPlan } from './goods.js'
import { LatencyHistogram } from './latency.js'
import { LockWatch } from './lock-watch.js'
import { patiently, pause } from './patience.js'
import type { Screen } from './screen.js'
import { sumOf } from './sum-of.js'

/** Callers that move goods at once, for each company. */
const MOVERS_PER_COMPANY = 128
/** After so many movements the most wanted items are evened out between the warehouses. */
const REDISTRIBUTE_EVERY = 5_000
const REDISTRIBUTED_ITEMS = 12
/** Rows of one read. */
const PAGE_ROWS = 1_000
/** What one look at the cache reads, and the pause after it, as another service would, in ms. */
const LOOK_ROWS = 30
const LOOK_PAUSE_MS = 25

/** What the job did, for the audit and the table. */
export interface GoodsReport {
  /** Order lines that moved goods, over all companies. */
  readonly lines: number
  readonly linesWithoutGoods: number
  /** Arrivals and deliveries before the month, and order lines. */
  readonly movements: number
  /** Of these, the ones that had been done before this run. */
  readonly replayed: number
  readonly transfers: number
  /** Sales that were refused at first, because their warehouse had too little. */
  readonly refused: number
  /** Sales that were refused for good. */
  readonly unfilled: number
  readonly movingMs: number
  /** How long a caller waited for each order line, restocking included. */
  readonly latency: LatencyHistogram
  /** How long a caller waited for each look at several cached figures. */
  readonly readLatency: LatencyHistogram
  /** Looks at the dashboard that showed a lock with its holder and fence. */
  readonly locksSeen: number
  /** Items whose change is not the sum of the movements that were acknowledged. */
  readonly sumsWrong: readonly string[]
}

/** What the job works with. */
export interface GoodsJobOptions {
  readonly erp: Erp
  readonly plan: GoodsPlan
  readonly screen: Screen
  /** Hears after each movement which share of all is done, from 0 to 1. */
  readonly onProgress?: (share: number) => void
}

/** Runs the job; rejects when a movement failed for another reason than too few goods. */
export async function runGoods({ erp, plan, screen, onProgress }: GoodsJobOptions): Promise<GoodsReport> {
  const jobs = COMPANIES.map((company) => new CompanyGoods(erp, company, plan))
  const perCompany = plan.arrivals.length + plan.deliveries.length + plan.moves.length
  let done = 0
  await Promise.all(jobs.map((job) => job.remember()))
  const watch = await LockWatch.open(erp)
  const begunMs = performance.now()
  await Promise.all(
    jobs.map(async (job) => {
      const bar = screen.bar(`${job.company.id} goods`, perCompany)
      await job.run(() => {
        bar.advance()
        done += 1
        onProgress?.(done / (perCompany * jobs.length))
      })
      bar.finish()
    }),
  )
  const movingMs = performance.now() - begunMs
  const locksSeen = await watch.close()
  await patiently(() => erp.relay.caughtUp())
  const sumsWrong = await Promise.all(jobs.map((job) => job.sumsWrong()))
  return {
    lines: plan.moves.length * jobs.length,
    linesWithoutGoods: plan.linesWithoutGoods * jobs.length,
    movements: sumOf(jobs, (job) => job.movements),
    replayed: sumOf(jobs, (job) => job.replayed),
    transfers: sumOf(jobs, (job) => job.transfers),
    refused: sumOf(jobs, (job) => job.refused),
    unfilled: sumOf(jobs, (job) => job.unfilled),
    movingMs,
    latency: LatencyHistogram.sumOf(jobs.map((job) => job.latency)),
    readLatency: LatencyHistogram.sumOf(jobs.map((job) => job.readLatency)),
    locksSeen,
    sumsWrong: sumsWrong.flat(),
  }
}

class CompanyGoods {
  readonly company: Company
  readonly latency = new LatencyHistogram()
  readonly readLatency = new LatencyHistogram()
  movements = 0
  replayed = 0
  transfers = 0
  refused = 0
  unfilled = 0
  readonly #erp: Erp
  readonly #plan: GoodsPlan
  /** What all warehouses had before the job, and the change that the acknowledged movements make, by item. */
  readonly #before = new Map<string, bigint>()
  readonly #change = new Map<string, bigint>()
  #finished = false

  constructor(erp: Erp, company: Company, plan: GoodsPlan) {
    this.#erp = erp
    this.company = company
    this.#plan = plan
  }

  /** Keeps the figures as they stand before the job. */
  async remember(): Promise<void> {
    for (const [item, onHand] of await this.#onHand()) this.#before.set(item, onHand)
  }

  async run(onMoved: () => void): Promise<void> {
    const reading = this.#read()
    try {
      await this.#inParallel(this.#plan.arrivals, async ({ movementId, item, quantity }) => {
        await this.#adjust({ movementId, item, warehouse: CENTRAL_WAREHOUSE, quantity })
        onMoved()
      })
      await this.#inParallel(this.#plan.deliveries, async (delivery) => {
        const transfer = { companyId: this.company.id, from: CENTRAL_WAREHOUSE, ...delivery }
        const { answer, isRepeated } = await patiently(() => this.#erp.stock.transfer(transfer))
        this.#count(answer.replayed && !isRepeated)
        this.transfers += 1
        onMoved()
      })
      await this.#inParallel(this.#plan.moves, async (move, index) => {
        await this.#moveTimed(move)
        onMoved()
        if ((index + 1) % REDISTRIBUTE_EVERY === 0) await this.#redistribute()
      })
    } finally {
      this.#finished = true
    }
    await reading
  }

  /** Compares what the movements add up to with how the figures have changed; transfers change no sum. */
  async sumsWrong(): Promise<readonly string[]> {
    const now = await this.#onHand()
    return this.#plan.items
      .filter((item) => {
        const change = (now.get(item) ?? 0n) - (this.#before.get(item) ?? 0n)
        return change !== (this.#change.get(item) ?? 0n)
      })
      .map((item) => `${this.company.id} ${item}`)
  }

  /** All callers take from the one queue. */
  async #inParallel<T>(works: readonly T[], work: (one: T, index: number) => Promise<void>): Promise<void> {
    const queue = works.entries()
    const caller = async (): Promise<void> => {
      for (const [index, one] of queue) await work(one, index)
    }
    await Promise.all(Array.from({ length: MOVERS_PER_COMPANY }, caller))
  }

  async #moveTimed(move: GoodsMove): Promise<void> {
    const begunMs = performance.now()
    await (move.quantity < 0n ? this.#sell(move) : this.#adjust(move))
    this.latency.add(performance.now() - begunMs)
  }

  async #sell(move: GoodsMove): Promise<void> {
    try {
      const { answer, isRepeated } = await patiently(() => this.#erp.restocking.withdraw(this.#of(move)))
      const { movement, wasShort, transfers } = answer
      this.#count(movement.replayed && !isRepeated, move)
      this.transfers += transfers
      if (wasShort) this.refused += 1
    } catch (error) {
      if (!(error instanceof InsufficientStockError)) throw error
      this.refused += 1
      this.unfilled += 1
    }
  }

  async #adjust(move: GoodsMove): Promise<void> {
    const { answer, isRepeated } = await patiently(() => this.#erp.stock.adjust(this.#of(move)))
    this.#count(answer.replayed && !isRepeated, move)
  }

  async #redistribute(): Promise<void> {
    const items = this.#plan.items.slice(0, REDISTRIBUTED_ITEMS)
    const { answer } = await patiently(() => this.#erp.restocking.redistribute(this.company.id, items))
    // After the wait: others count, too.
    this.transfers += answer
  }

  #of(move: GoodsMove): StockAdjustment {
    return { companyId: this.company.id, ...move }
  }

  #count(replayed: boolean, move?: GoodsMove): void {
    this.movements += 1
    if (replayed) this.replayed += 1
    else if (move !== undefined)
      this.#change.set(move.item, (this.#change.get(move.item) ?? 0n) + move.quantity)
  }

  /** Looks at the most wanted rows, as a page or another service would. */
  async #read(): Promise<void> {
    const refs = rowsOf(this.#plan.items.slice(0, LOOK_ROWS / WAREHOUSES.length))
    while (!this.#finished) {
      const begunMs = performance.now()
      await patiently(() => this.#erp.stock.getMany(this.company.id, refs))
      this.readLatency.add(performance.now() - begunMs)
      await pause(LOOK_PAUSE_MS)
    }
  }

  /** What all warehouses together have, by item. */
  async #onHand(): Promise<ReadonlyMap<string, bigint>> {
    const refs = rowsOf(this.#plan.items)
    const sums = new Map<string, bigint>()
    for (let from = 0; from < refs.length; from += PAGE_ROWS) {
      const page = refs.slice(from, from + PAGE_ROWS)
      const { answer } = await patiently(() => this.#erp.stock.getMany(this.company.id, page))
      for (const { item, onHand } of answer) sums.set(item, (sums.get(item) ?? 0n) + onHand)
    }
    return sums
  }
}

function rowsOf(items: readonly string[]): readonly { readonly item: string; readonly warehouse: string }[] {
  return items.flatMap((item) => WAREHOUSES.map(({ code }) => ({ item, warehouse: code })))
}
