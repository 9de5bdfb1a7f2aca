/**
 * The main job: the vouchers of one month posted by several callers at once for every company, while others
 * read balances through the cache. Everything goes through the library, nothing around it.
 */

import type { AccountRef, Balance } from '@kerp/balance-cache'
import type { Voucher } from '@kerp/postgres'
import { EpochChangedError } from '@kerp/registers'
import { COMPANIES, type Company } from '../companies.js'
import type { Erp } from '../main.js'
import { invoiceVoucher } from './invoice-voucher.js'
import { LatencyHistogram } from './latency.js'
import type { Invoice } from './orders.js'
import { patiently, pause } from './patience.js'
import type { Screen } from './screen.js'
import { sumOf } from './sum-of.js'

/** Callers that post at once, for each company. */
const POSTERS_PER_COMPANY = 16
/** Callers that read at once, for each company. */
const READERS_PER_COMPANY = 1
/** After so many of its vouchers a caller reads its own write back. */
const READ_BACK_EVERY = 8
/** What a reader does between two looks, as a person or another service would, in ms. */
const READER_PAUSE_MS = 3

/** What the job did, for the audit and the table. */
export interface MonthReport {
  readonly invoices: number
  /** Vouchers that were acknowledged, over all companies. */
  readonly vouchers: number
  /** Of these, the ones that had been posted before this run. */
  readonly replayed: number
  readonly voucherLines: number
  readonly postingMs: number
  /** How long a caller waited for each of its vouchers, applying included. */
  readonly postLatency: LatencyHistogram
  /** How long a caller waited for each look at several balances. */
  readonly readLatency: LatencyHistogram
  /** Looks that showed less than the reader's own voucher before it. */
  readonly ownWritesMissed: number
  /** Accounts whose change is not the sum of the vouchers that were posted. */
  readonly sumsWrong: readonly string[]
}

/** What the job works with. */
export interface MonthJobOptions {
  readonly erp: Erp
  readonly invoices: readonly Invoice[]
  readonly screen: Screen
  /** Hears after each voucher which share of all is done, from 0 to 1. */
  readonly onProgress?: (share: number) => void
}

/** Runs the job; rejects when a posting was refused. */
export async function runMonth({ erp, invoices, screen, onProgress }: MonthJobOptions): Promise<MonthReport> {
  const jobs = COMPANIES.map((company) => new CompanyMonth(erp, company, invoices))
  const total = jobs.reduce((sum, job) => sum + job.vouchers.length, 0)
  let done = 0
  await Promise.all(jobs.map((job) => job.remember()))
  const begunMs = performance.now()
  await Promise.all(
    jobs.map(async (job) => {
      const bar = screen.bar(`${job.company.id} ${job.company.currency} vouchers`, job.vouchers.length)
      await job.run(() => {
        bar.advance()
        done += 1
        onProgress?.(done / total)
      })
      bar.finish()
    }),
  )
  const postingMs = performance.now() - begunMs
  // What the fast path did not bring, the relay has brought when this resolves.
  await patiently(() => erp.relay.caughtUp())
  const sumsWrong = await Promise.all(jobs.map((job) => job.sumsWrong()))
  return {
    invoices: invoices.length,
    vouchers: sumOf(jobs, (job) => job.acknowledged),
    replayed: sumOf(jobs, (job) => job.replayed),
    voucherLines: sumOf(jobs, (job) => sumOf(job.vouchers, (voucher) => voucher.lines.length)),
    postingMs,
    postLatency: LatencyHistogram.sumOf(jobs.map((job) => job.postLatency)),
    readLatency: LatencyHistogram.sumOf(jobs.map((job) => job.readLatency)),
    ownWritesMissed: sumOf(jobs, (job) => job.ownWritesMissed),
    sumsWrong: sumsWrong.flat(),
  }
}

class CompanyMonth {
  readonly company: Company
  readonly vouchers: readonly Voucher[]
  readonly postLatency = new LatencyHistogram()
  readonly readLatency = new LatencyHistogram()
  acknowledged = 0
  replayed = 0
  ownWritesMissed = 0
  readonly #erp: Erp
  /** Balances before the job and the change that the acknowledged vouchers make, by account and year. */
  readonly #before = new Map<string, bigint>()
  readonly #change = new Map<string, bigint>()
  /** Every row that the vouchers touch. */
  #posted: readonly AccountRef[] | undefined
  #finished = false

  constructor(erp: Erp, company: Company, invoices: readonly Invoice[]) {
    this.#erp = erp
    this.company = company
    this.vouchers = invoices
      .map((invoice) => invoiceVoucher(invoice, company.id))
      .filter((voucher) => voucher !== undefined)
  }

  /** Keeps the balances as they stand before the job. */
  async remember(): Promise<void> {
    for (const balance of await this.#readPosted()) this.#before.set(nameOf(balance), balance.balance)
  }

  async run(onPosted: () => void): Promise<void> {
    const queue = this.vouchers.values()
    const posters = Array.from({ length: POSTERS_PER_COMPANY }, () => this.#post(queue, onPosted))
    const readers = Array.from({ length: READERS_PER_COMPANY }, () => this.#read())
    const posting = Promise.all(posters).finally(() => (this.#finished = true))
    await Promise.all([posting, ...readers])
  }

  /** Compares what the vouchers add up to with how the balances have changed. */
  async sumsWrong(): Promise<readonly string[]> {
    return (await this.#readPosted())
      .filter((balance) => {
        const name = nameOf(balance)
        return balance.balance - (this.#before.get(name) ?? 0n) !== (this.#change.get(name) ?? 0n)
      })
      .map((balance) => `${this.company.id} ${nameOf(balance)}`)
  }

  /** All callers take from the one queue. */
  async #post(queue: Iterable<Voucher>, onPosted: () => void): Promise<void> {
    let posted = 0
    for (const voucher of queue) {
      const begunMs = performance.now()
      const { answer, isRepeated } = await patiently(() => this.#erp.vouchers.post(voucher))
      this.postLatency.add(performance.now() - begunMs)
      this.acknowledged += 1
      // A voucher that was posted by a call whose answer got lost is of this run.
      if (answer.replayed && !isRepeated) this.replayed += 1
      else this.#count(voucher)
      posted += 1
      if (posted % READ_BACK_EVERY === 0) await this.#readBack(voucher, answer)
      onPosted()
    }
  }

  #count({ lines, fiscalYear }: Voucher): void {
    for (const { account, debit = 0n, credit = 0n } of lines) {
      const name = nameOf({ account, fiscalYear })
      this.#change.set(name, (this.#change.get(name) ?? 0n) + debit - credit)
    }
  }

  /** A caller that shows its token must see its own voucher, whoever answers. */
  async #readBack(
    { companyId, fiscalYear }: Voucher,
    answer: Awaited<ReturnType<Erp['vouchers']['post']>>,
  ): Promise<void> {
    const refs = answer.images.map(({ ref }) => ({ companyId, account: ref.parts[0], fiscalYear }))
    const { answer: seen } = await patiently(() =>
      this.#erp.balances.getMany(refs, { atLeast: answer.token }).catch((error: unknown) => {
        // A database that was restarted has another history: there the token says nothing, and the rows are asked.
        if (error instanceof EpochChangedError) return this.#erp.balances.getMany(refs)
        throw error
      }),
    )
    const versionOf = new Map(answer.images.map((image) => [image.ref.parts[0], image.version]))
    if (seen.some((balance) => balance.version < (versionOf.get(balance.account) ?? 0)))
      this.ownWritesMissed += 1
  }

  async #read(): Promise<void> {
    const years = [...new Set(this.vouchers.map(({ fiscalYear }) => fiscalYear))]
    while (!this.#finished) {
      for (const fiscalYear of years) {
        const begunMs = performance.now()
        await patiently(() => this.#erp.dashboard.read(this.company.id, fiscalYear))
        this.readLatency.add(performance.now() - begunMs)
      }
      // The list of balances stands beside the figures, as on the live page.
      await this.#readPosted()
      await pause(READER_PAUSE_MS)
    }
  }

  async #readPosted(): Promise<readonly Balance[]> {
    this.#posted ??= [
      ...new Map(
        this.vouchers.flatMap(({ companyId, fiscalYear, lines }) =>
          lines.map(
            ({ account }) => [nameOf({ account, fiscalYear }), { companyId, account, fiscalYear }] as const,
          ),
        ),
      ).values(),
    ]
    const posted = this.#posted
    return (await patiently(() => this.#erp.balances.getMany(posted))).answer
  }
}

function nameOf({ account, fiscalYear }: { readonly account: string; readonly fiscalYear: number }): string {
  return `${account}/${fiscalYear}`
}
