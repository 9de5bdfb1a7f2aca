/**
 * What is read through the cache: dashboards. How events void it, and how caches are filled before they are needed.
 */

import type { BalanceCache } from '@kerp/balance-cache'
import {
  erpInvalidationRules,
  Invalidator,
  pagedSource,
  ReadThrough,
  Warmer,
  type WarmSource,
} from '@kerp/cache'
import type { Closable, EventSource, Observer, RegisterRef, RegisterSource } from '@kerp/core'
import type { Keys } from '@kerp/keys'
import { Consumer, erpEvents, type ErpEventSchemas } from '@kerp/pubsub'
import type { Registers } from '@kerp/registers'
import type { Chart } from './chart.js'
import { COMPANIES } from './companies.js'
import { Dashboard } from './dashboard.js'
import type { RedisPart } from './parts.js'

/** What caches are made of. */
export interface CachesOptions {
  readonly redis: RedisPart
  readonly keys: Keys
  readonly observer: Observer
  readonly registers: Registers
  readonly balances: BalanceCache
  readonly source: RegisterSource
  readonly chart: Chart
  /** Where events are read that Redis has lost. */
  readonly eventLog: EventSource
}

/** The read-through cache, what is read through it, and the warmer of everything that is cached. */
export interface Caches {
  readonly cache: ReadThrough
  readonly dashboard: Dashboard
  /** Voids by events what others posted, or this process could not void itself; started with the relays. */
  readonly invalidation: Consumer<ErpEventSchemas>
  /** A warmer of the balances and dashboards of these fiscal years, and of the stock in these warehouses. */
  readonly warmerOf: (fiscalYears: readonly number[], warehouses: readonly string[]) => Warmer
}

const PAGE_ROWS = 500

/** An event whose invalidation fails comes again until Redis takes it: it never becomes a dead letter. */
const INVALIDATION_PATIENCE = { attemptsMax: 1_000_000_000, backoffMsMax: 1_000 } as const

/** Makes them; no I/O. */
export function openCaches(options: CachesOptions, opened: <T extends Closable>(part: T) => T): Caches {
  const { keys, observer, balances, source, chart, eventLog } = options
  const redis = options.redis.client
  const cache = new ReadThrough({ redis, keys, observer })
  const invalidator = new Invalidator({ cache, events: erpEvents, rules: erpInvalidationRules })
  const invalidation = opened(
    new Consumer({
      redis: options.redis.coordination,
      keys,
      observer,
      events: erpEvents,
      types: invalidator.types,
      group: 'invalidation',
      companies: COMPANIES.map(({ id }) => id),
      source: eventLog,
      handler: (event) => invalidator.handle(event),
      ...INVALIDATION_PATIENCE,
    }),
  )
  const dashboard = new Dashboard({ source, chart, cache })
  const warmerOf = (fiscalYears: readonly number[], warehouses: readonly string[]): Warmer => {
    const perYear = fiscalYears.flatMap((fiscalYear) => [
      balanceSource(balances, fiscalYear),
      dashboardSource(dashboard, fiscalYear),
    ])
    const perWarehouse = warehouses.map((warehouse) => stockSource(options, warehouse))
    return new Warmer({ redis, observer, sources: [...perYear, ...perWarehouse] })
  }
  return { cache, dashboard, invalidation, warmerOf }
}

function balanceSource(balances: BalanceCache, fiscalYear: number): WarmSource {
  return {
    name: `balances of ${fiscalYear}`,
    async warm({ companyId, report: onProgress, ...rest }) {
      const { done } = await balances.warm(companyId, { fiscalYear, ...rest, onProgress })
      return done
    },
  }
}

function dashboardSource(dashboard: Dashboard, fiscalYear: number): WarmSource {
  return pagedSource({
    name: `dashboard of ${fiscalYear}`,
    pages: (companyId) => [{ refs: [{ companyId, fiscalYear }], after: String(fiscalYear) }],
    fill: (refs) => dashboard.fill(refs),
  })
}

function stockSource({ registers, source }: CachesOptions, warehouse: string): WarmSource {
  async function* pages(companyId: string, from: string | undefined) {
    const listing = { companyId, family: 'inventory', secondPart: warehouse, limit: PAGE_ROWS } as const
    let after = from
    for (let isLast = false; !isLast; ) {
      const start: { after?: RegisterRef } =
        after === undefined ? {} : { after: { companyId, family: 'inventory', parts: [after, warehouse] } }
      const { images } = await source.list({ ...listing, ...start })
      const refs = images.map(({ ref }) => ref)
      isLast = refs.length < PAGE_ROWS
      after = refs.at(-1)?.parts[0]
      if (after !== undefined) yield { refs, after }
    }
  }
  return pagedSource({
    name: `stock in ${warehouse}`,
    pages,
    async fill(refs) {
      const [first] = refs
      const readings = first === undefined ? [] : await registers.getMany(first.companyId, refs)
      return readings.filter((reading) => reading.source === 'database').length
    },
  })
}
