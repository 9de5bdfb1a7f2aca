/**
 * What is read through the cache: dashboards, reports and master data. How events void it, and how caches are filled
 * before they are needed.
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
import { type Observer, type RegisterRef, type RegisterSource, sleep, systemClock } from '@kerp/core'
import type { Keys } from '@kerp/keys'
import type { DatabasePool, EventLog, Outbox } from '@kerp/postgres'
import { Consumer, erpEvents, type ErpEventSchemas } from '@kerp/pubsub'
import type { Registers } from '@kerp/registers'
import type { Chart } from './chart.js'
import { COMPANIES } from './companies.js'
import { Dashboard } from './dashboard.js'
import { MasterData, masterDataRules } from './master-data.js'
import type { Opened, RedisPart } from './parts.js'
import type { Tracing } from './tracing.js'

/** What caches are made of. */
export interface CachesOptions {
  readonly pool: DatabasePool
  readonly outbox: Outbox
  readonly redis: RedisPart
  readonly keys: Keys
  readonly observer: Observer
  readonly tracing: Tracing
  readonly registers: Registers
  readonly balances: BalanceCache
  readonly source: RegisterSource
  readonly chart: Chart
  /** Where events are read that Redis has lost. */
  readonly eventLog: EventLog
}

/** The read-through cache, what is read through it, and the warmer of everything that is cached. */
export interface Caches {
  readonly cache: ReadThrough
  readonly dashboard: Dashboard
  readonly masterData: MasterData
  /** Voids by events what others posted, or this process could not void itself; started with the relays. */
  readonly invalidation: Consumer<ErpEventSchemas>
  /** A warmer of master data, of the balances and dashboards of these years, and of the stock in these warehouses. */
  readonly warmerOf: (fiscalYears: readonly number[], warehouses: readonly string[]) => Warmer
}

const PAGE_ROWS = 500

/** An event whose invalidation fails comes again until Redis takes it: it never becomes a dead letter. */
const INVALIDATION_PATIENCE = { attemptsMax: 1_000_000_000, backoffMsMax: 1_000 } as const

/** Makes them; no I/O. */
export function openCaches(options: CachesOptions, opened: Opened): Caches {
  const { pool, keys, observer, source, chart, eventLog } = options
  const redis = options.redis.client
  const cache = new ReadThrough({ redis, keys, observer })
  const rules = { ...erpInvalidationRules, ...masterDataRules }
  const invalidator = new Invalidator({ cache, events: erpEvents, rules })
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
      ...options.tracing.ofEvents,
      ...INVALIDATION_PATIENCE,
    }),
  )
  const dashboard = new Dashboard({ source, chart, cache })
  const masterData = new MasterData({ pool, cache, events: eventLog, outbox: options.outbox })
  const warmerOf = (fiscalYears: readonly number[], warehouses: readonly string[]): Warmer => {
    const perYear = fiscalYears.flatMap((fiscalYear) => [
      balanceSource(options, fiscalYear),
      dashboardSource(dashboard, fiscalYear),
    ])
    const perWarehouse = warehouses.map((warehouse) => stockSource(options, warehouse))
    return new Warmer({ redis, observer, sources: [masterSource(masterData), ...perYear, ...perWarehouse] })
  }
  return { cache, dashboard, masterData, invalidation, warmerOf }
}

function masterSource(masterData: MasterData): WarmSource {
  return pagedSource({
    name: 'master data',
    pages: (companyId) => [{ refs: [companyId], after: companyId }],
    async fill(companyIds) {
      const loaded = await Promise.all(companyIds.map((companyId) => masterData.fill(companyId)))
      return loaded.reduce((sum, count) => sum + count, 0)
    },
  })
}

function balanceSource({ balances, registers, chart }: CachesOptions, fiscalYear: number): WarmSource {
  return {
    name: `balances of ${fiscalYear}`,
    async warm({ companyId, report: onProgress, ...rest }) {
      // The first read of a company begins to listen to its relay; it is answered from caches once that was heard.
      const [first] = chart.postableUnder('10000')
      if (first !== undefined) await balances.get({ companyId, account: first.code, fiscalYear })
      await untilTrusted(registers, rest.signal)
      const { done } = await balances.warm(companyId, { fiscalYear, ...rest, onProgress })
      return done
    },
  }
}

/** A relay that says nothing holds warming up for no longer than this. */
const TRUST_MS_MAX = 2_000
const LOOK_MS = 25

async function untilTrusted(registers: Registers, signal: AbortSignal): Promise<void> {
  const endMs = systemClock.monotonicMs() + TRUST_MS_MAX
  while (registers.freshness()?.trusted === false && systemClock.monotonicMs() < endMs && !signal.aborted) {
    await sleep(systemClock, LOOK_MS, signal).catch(() => undefined)
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
