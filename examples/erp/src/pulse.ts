/** What the live page shows beside events, once a second: invariants, hit ratio, latencies, held locks. */

import { type Closable, closeOnce, formatAmount, withDeadline } from '@kerp/core'
import type { BalanceAudit, BalanceCache } from '@kerp/balance-cache'
import type { Locks } from '@kerp/inventory-lock'
import type { LiveHub, LogEvent } from '@kerp/live'
import type { LatencyFigures, Metrics } from '@kerp/metrics'
import type { Ledger } from '@kerp/postgres'
import { type RedisClient, redisHealth } from '@kerp/redis'
import type { OutboxRelay } from '@kerp/registers'
import { COMPANIES, type Company, findCompany } from './companies.js'
import { heldLocks } from './held-locks.js'
import type { StockAudit } from './stock-audit.js'

/** What it is read from. */
export interface PulseOptions {
  readonly hub: LiveHub<LogEvent>
  readonly ledger: Ledger
  readonly balances: BalanceCache
  readonly stock: StockAudit
  readonly locks: Locks
  readonly redis: RedisClient
  readonly relay: OutboxRelay
  readonly metrics: Metrics
}

/** One light: `ok` holds, `wait` cannot be said now, `broken` does not hold. */
export interface PulseLight {
  readonly name: 'debitCredit' | 'cachedBalances' | 'cachedStock' | 'redis' | 'relay'
  readonly state: 'ok' | 'wait' | 'broken'
  readonly figure: string
}

const PULSE_MS = 1_000
const LOOK_MS = 2_000
const REDIS_MS = 300
const RELAY_LAG_MS_MAX = 2_000
const FISCAL_YEAR = 2_026
const LOOKED_AT = ['11010', '11020', '11210', '12010', '21010', '21210', '41010', '51010']

/** Announces a pulse for each company that somebody looks at. */
export class Pulse implements Closable {
  readonly close = closeOnce(() => this.#end())
  readonly #options: PulseOptions
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> = Promise.resolve()

  constructor(options: PulseOptions) {
    this.#options = options
  }

  start(): void {
    this.#timer = setTimeout(() => {
      this.#running = this.#beat().finally(() => {
        if (this.#timer !== undefined) this.start()
      })
    }, PULSE_MS)
    this.#timer.unref()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #beat(): Promise<void> {
    for (const { id } of COMPANIES) {
      if (!this.#options.hub.hasClients(id)) continue
      const pulse = await this.#read(id)
      this.#options.hub.announce(id, 'pulse', 'pulse', pulse)
    }
  }

  async #read(companyId: string): Promise<object> {
    const { metrics, locks } = this.#options
    const [redis, debitCredit, cachedBalances, cachedStock, held] = await Promise.all([
      this.#redis(),
      light('debitCredit', this.#debitCredit(companyId)),
      light('cachedBalances', this.#cachedBalances(companyId)),
      light('cachedStock', this.#cachedStock(companyId)),
      heldLocks(locks, companyId, LOOK_MS),
    ])
    const { postings, caches, relay } = metrics.snapshot()
    const relayState = relay.lagMs > RELAY_LAG_MS_MAX ? 'wait' : 'ok'
    const relayLight = { name: 'relay', state: relayState, figure: `${Math.round(relay.lagMs)} ms` } as const
    return {
      lights: [debitCredit, cachedBalances, cachedStock, redis, relayLight] satisfies PulseLight[],
      hitRatio: caches['balance']?.hitRatio,
      reads: latency(caches['balance']?.reads),
      postings: latency(postings.latency),
      locks: held,
    }
  }

  async #redis(): Promise<PulseLight> {
    const { reachable } = await redisHealth(this.#options.redis, { deadlineMs: REDIS_MS })
    return { name: 'redis', state: reachable ? 'ok' : 'broken', figure: '' }
  }

  async #debitCredit(companyId: string): Promise<Omit<PulseLight, 'name'>> {
    const { debit, credit } = await this.#options.ledger.trialBalance(companyId, FISCAL_YEAR)
    const money = (minorUnits: bigint): string => formatAmount(minorUnits, currencyOf(companyId))
    return { state: debit === credit ? 'ok' : 'broken', figure: `${money(debit)} = ${money(credit)}` }
  }

  async #cachedBalances(companyId: string): Promise<Omit<PulseLight, 'name'>> {
    const { balances } = this.#options
    // Read as any page would, which is what the hit ratio and the latencies beside it tell of.
    await balances.getMany(LOOKED_AT.map((account) => ({ companyId, account, fiscalYear: FISCAL_YEAR })))
    return cacheState(await balances.audit(companyId, { fiscalYear: FISCAL_YEAR }))
  }

  async #cachedStock(companyId: string): Promise<Omit<PulseLight, 'name'>> {
    return cacheState(await this.#options.stock.cached(companyId))
  }

  async #end(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    await this.#running
  }
}

function currencyOf(companyId: string): Company['currency'] {
  return findCompany(companyId)?.currency ?? 'KRW'
}

type CacheCounts = Pick<BalanceAudit, 'rows' | 'equal' | 'behind' | 'foreign' | 'different'>

/** Behind is no fault: the relay brings it. Different is one. */
function cacheState({ rows, equal, behind, foreign, different }: CacheCounts): Omit<PulseLight, 'name'> {
  const state = different > 0 ? 'broken' : behind + foreign > 0 ? 'wait' : 'ok'
  return { state, figure: `${equal} / ${rows}` }
}

async function light(name: PulseLight['name'], look: Promise<Omit<PulseLight, 'name'>>): Promise<PulseLight> {
  return inTime(look).then(
    (found) => ({ name, ...found }),
    () => ({ name, state: 'wait', figure: '' }),
  )
}

function inTime<T>(work: Promise<T>): Promise<T> {
  return withDeadline(work, { operation: 'reading the pulse', deadlineMs: LOOK_MS, outcome: 'notDone' })
}

function latency(figures: LatencyFigures | undefined): object {
  return { count: figures?.count ?? 0, p50Ms: figures?.p50Ms, p99Ms: figures?.p99Ms }
}
