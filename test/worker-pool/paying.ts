/** A batch that pays: each payment is a row, so that one too many is seen, and one too few. */

import type { BatchLedger, BatchRun, BatchTotals } from '@kerp/core'
import type { Queryable } from '@kerp/postgres'
import { type Batch, type BatchBounds, type BatchPage, defineBatch } from '@kerp/worker-pool'

/** Whom a run pays. */
export interface PayParams {
  readonly companyId: string
  readonly month: string
  readonly employees: number
}

/** What a payment does beside being made. */
export interface PayOptions extends BatchBounds {
  readonly pay?: (employee: string) => Promise<bigint> | bigint
  readonly write?: (tx: Queryable, employees: readonly string[], params: PayParams) => Promise<void>
  readonly finish?: (tx: Queryable, run: BatchRun, params: PayParams) => Promise<void>
  /** Hears how many ids each page of the source had. */
  readonly onPage?: (length: number) => void
  /** @defaultValue the month */
  readonly key?: (params: PayParams) => readonly string[]
  /** @defaultValue so many employees */
  readonly ids?: (page: BatchPage) => Promise<readonly string[]>
  /** Hears the idempotency key of each payment. */
  readonly onKey?: (key: string) => void
}

/** The tables of payments and of runs that were finished. */
export const PAYMENT_TABLES = `
CREATE TABLE IF NOT EXISTS payment (company text, month text, employee text, amount numeric CHECK (amount < 1000000));
CREATE TABLE IF NOT EXISTS payday (company text, month text)`

/** Beyond what a float can count. */
const LARGE = -(10n ** 20n)

/** The totals of a run that paid so much. */
export function totalsOfPaid(paid: bigint): BatchTotals {
  return { paid, large: LARGE * paid }
}

/** The id of employee `n`, in the order of numbers. */
export function employeeId(n: number): string {
  return `e${String(n).padStart(6, '0')}`
}

/** Pays `employees` employees of a company for a month. */
export function payBatch(options: PayOptions = {}): Batch<PayParams, Queryable> {
  const {
    pay = () => 1_000n,
    write,
    finish,
    onPage,
    onKey,
    ids,
    key = ({ month }: PayParams) => [month],
    ...bounds
  } = options
  return defineBatch<PayParams, string, bigint, Queryable>({
    chunkItems: 10,
    ...bounds,
    name: 'pay',
    companyId: ({ companyId }) => companyId,
    key,
    readParams: (stored) => stored as PayParams,
    ids({ employees }, page) {
      if (ids !== undefined) return ids(page)
      const { after, limit } = page
      const from = after === undefined ? 0 : Number(after.slice(1)) + 1
      const length = Math.max(0, Math.min(limit, employees - from))
      onPage?.(length)
      return Promise.resolve(Array.from({ length }, (_, index) => employeeId(from + index)))
    },
    load: (_params, ids) => Promise.resolve(ids),
    run(employee, { idempotencyKey }) {
      onKey?.(idempotencyKey)
      return pay(employee)
    },
    totals: { paid: (amount) => amount, large: (amount) => LARGE * amount },
    async effects(tx, done, params) {
      const { companyId, month } = params
      for (const { itemId, result } of done) {
        await tx.query('INSERT INTO payment VALUES ($1, $2, $3, $4::text::numeric)', [
          companyId,
          month,
          itemId,
          String(result),
        ])
      }
      await write?.(
        tx,
        done.map(({ itemId }) => itemId),
        params,
      )
    },
    async finish(tx, run, params) {
      await finish?.(tx, run, params)
      await tx.query('INSERT INTO payday VALUES ($1, $2)', [params.companyId, params.month])
    },
  })
}

/** The ledger, some of whose methods are others. */
export function ledgerWith<Tx>(ledger: BatchLedger<Tx>, other: Partial<BatchLedger<Tx>>): BatchLedger<Tx> {
  return new Proxy(ledger, {
    get(real, property) {
      const value: unknown = Reflect.get(other, property) ?? Reflect.get(real, property, real)
      return typeof value === 'function' ? (value.bind(real) as unknown) : value
    },
  })
}
