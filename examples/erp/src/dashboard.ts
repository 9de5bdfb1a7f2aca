/** The figures that a manager looks at first, read through the cache. */

import { type CachedValues, erpTags, type ReadThrough } from '@kerp/cache'
import {
  formatAmount,
  InvalidInputError,
  jsonCodec,
  type RegisterImage,
  type RegisterRef,
  type RegisterSource,
} from '@kerp/core'
import type { Locks } from '@kerp/inventory-lock'
import type { Chart } from './chart.js'
import type { Company } from './companies.js'
import { heldLocks } from './held-locks.js'
import { fiscalYearQuery } from './http/fields.js'
import { companyOf, type HttpServer, queryFields } from './http/server.js'

/**
 * What a figure adds up: always both sides of its accounts, so that a reversed voucher counts as if it had not been posted.
 * Those that stand in credit are turned.
 */
interface FigureRule {
  readonly accounts: readonly string[]
  readonly minorUnitsOf: (debit: bigint, credit: bigint) => bigint
}

/**
 * Where what is bought stays: in the inventories, or consumed in the cost of sales and consumables. An issue moves it from one
 * of these to another, so that their sum changes by what was bought and what was sent back, and by nothing else.
 */
const PURCHASED = ['12000', '50000', '61190']

type FigureName = 'sales' | 'purchases' | 'cash' | 'receivable' | 'payable'

/** The five figures of a company's year, in minor units. */
export interface DashboardFigures extends Readonly<Record<FigureName, bigint>> {
  /** The moment of the database that all of them are of. */
  readonly updatedAt: Date
}

/** Names the dashboard of a company's year. */
interface DashboardRef {
  readonly companyId: string
  readonly fiscalYear: number
}

/** What a dashboard is made of. */
interface DashboardOptions {
  /** The database: a cached copy that is a little behind would stay on the dashboard until the next voucher. */
  readonly source: RegisterSource
  readonly chart: Chart
  readonly cache: ReadThrough
}

/** Reads the figures of the dashboard: as of the last voucher of the year that this service has heard of. */
export class Dashboard {
  readonly #source: RegisterSource
  readonly #rules: Readonly<Record<FigureName, FigureRule>>
  readonly #cached: CachedValues<DashboardRef, DashboardFigures>

  constructor({ source, chart, cache }: DashboardOptions) {
    this.#source = source
    this.#cached = cache.define({
      type: 'dashboard',
      key: ({ companyId, fiscalYear }: DashboardRef) =>
        cache.keys.dashboard({ companyId, type: `figures-${fiscalYear}` }),
      tags: ({ fiscalYear }) => [erpTags.vouchers(fiscalYear)],
      load: (ref) => this.#add(ref),
      codec: jsonCodec({ version: 2, check: readFigures }),
    })
    const under = (...groups: readonly string[]): readonly string[] =>
      chart.postableUnder(...groups).map(({ code }) => code)
    const net = (debit: bigint, credit: bigint): bigint => debit - credit
    const turned = (debit: bigint, credit: bigint): bigint => credit - debit
    this.#rules = {
      sales: { accounts: under('40000'), minorUnitsOf: turned },
      purchases: { accounts: under(...PURCHASED), minorUnitsOf: net },
      cash: { accounts: under('11010', '11020', '11030'), minorUnitsOf: net },
      receivable: { accounts: under('11210', '11220'), minorUnitsOf: net },
      payable: { accounts: under('21010', '21020'), minorUnitsOf: turned },
    }
  }

  /** The figures; one round trip when they are cached. */
  async read(companyId: string, fiscalYear: number): Promise<DashboardFigures> {
    const figures = await this.#cached.get({ companyId, fiscalYear })
    return figures ?? this.#add({ companyId, fiscalYear })
  }

  /** Adds up those that are not cached, ahead of their readers; returns how many. */
  fill(refs: readonly DashboardRef[]): Promise<number> {
    return this.#cached.fill(refs)
  }

  /** Reads all rows in one statement, so that they are of one moment, and adds them up. */
  async #add({ companyId, fiscalYear }: DashboardRef): Promise<DashboardFigures> {
    const accounts = Object.values(this.#rules).flatMap((rule) => rule.accounts)
    const refs = accounts.map(
      (account): RegisterRef => ({ companyId, family: 'balance', parts: [account, String(fiscalYear)] }),
    )
    const { images, asOfMs } = await this.#source.load(companyId, refs)
    const byAccount = new Map(images.map((image) => [image.ref.parts[0], image]))
    const figure = ({ accounts: added, minorUnitsOf }: FigureRule): bigint =>
      added.reduce((sum, account) => sum + minorUnitsOfRow(byAccount.get(account), minorUnitsOf), 0n)
    return {
      sales: figure(this.#rules.sales),
      purchases: figure(this.#rules.purchases),
      cash: figure(this.#rules.cash),
      receivable: figure(this.#rules.receivable),
      payable: figure(this.#rules.payable),
      updatedAt: new Date(asOfMs),
    }
  }
}

function minorUnitsOfRow(row: RegisterImage | undefined, minorUnitsOf: FigureRule['minorUnitsOf']): bigint {
  return row === undefined ? 0n : minorUnitsOf(BigInt(row.fields[0]), BigInt(row.fields[1]))
}

function readFigures(parsed: unknown): DashboardFigures {
  const field = (name: string): string => {
    const value: unknown =
      typeof parsed === 'object' && parsed !== null ? Reflect.get(parsed, name) : undefined
    if (typeof value === 'string') return value
    throw new InvalidInputError(name, 'a text', value)
  }
  return {
    sales: BigInt(field('sales')),
    purchases: BigInt(field('purchases')),
    cash: BigInt(field('cash')),
    receivable: BigInt(field('receivable')),
    payable: BigInt(field('payable')),
    updatedAt: new Date(field('updatedAt')),
  }
}

/** A Redis that does not answer holds up no dashboard for longer. */
const LOCKS_DEADLINE_MS = 50

/** Registers the route below `/companies/:company`. */
export function dashboardRoutes(server: HttpServer, dashboard: Dashboard, locks: Locks): void {
  server.get('/dashboard', async (request) => {
    const company = companyOf(request)
    const fiscalYear = fiscalYearQuery(queryFields(request))
    const [figures, held] = await Promise.all([
      dashboard.read(company.id, fiscalYear),
      heldLocks(locks, company.id, LOCKS_DEADLINE_MS),
    ])
    return { ...figuresView(company, figures), locks: held }
  })
}

function figuresView(company: Company, figures: DashboardFigures): object {
  const money = (name: FigureName): string => formatAmount(figures[name], company.currency)
  return {
    sales: money('sales'),
    purchases: money('purchases'),
    cash: money('cash'),
    receivable: money('receivable'),
    payable: money('payable'),
    updatedAt: figures.updatedAt.toISOString(),
  }
}
