/** Everything about goods, opened together: the ledger of movements, cached figures, locks, and the sweeper. */

import type { Observer, RegisterSource } from '@kerp/core'
import { Locks, ReservationSweeper, Stock } from '@kerp/inventory-lock'
import type { Keys } from '@kerp/keys'
import { type DatabasePool, StockLedger } from '@kerp/postgres'
import type { RedisClient } from '@kerp/redis'
import type { Registers } from '@kerp/registers'
import type { Opened } from './parts.js'
import { Restocking } from './restocking.js'
import { StockAudit } from './stock-audit.js'
import type { Tracing } from './tracing.js'

/** What goods stand on. */
export interface StockPartsOptions {
  readonly pool: DatabasePool
  readonly source: RegisterSource
  readonly registers: Registers
  /** The Redis that does not evict. */
  readonly redis: RedisClient
  readonly keys: Keys
  readonly observer: Observer
  readonly tracing: Tracing
}

/** The open parts. */
export interface StockParts {
  readonly stock: Stock
  readonly locks: Locks
  readonly restocking: Restocking
  readonly stockAudit: StockAudit
  /** Frees the goods of reservations whose time is up; to be started when the database is there. */
  readonly sweeper: ReservationSweeper
}

/** Opens them; `opened` learns what must be closed, in the order of opening. */
export function openStock(
  { pool, source, registers, redis, keys, observer, tracing }: StockPartsOptions,
  opened: Opened,
): StockParts {
  const stockLedger = opened(new StockLedger({ pool, observer, ...tracing.ofEvents }))
  const stock = tracing.around(new Stock({ store: stockLedger, registers, source, observer }), 'Stock', [
    'adjust',
    'transfer',
    'reserve',
    'confirm',
    'cancel',
    'get',
    'getMany',
  ])
  const sweeper = opened(new ReservationSweeper({ stock, observer }))
  const locks = opened(new Locks({ redis, keys, holder: `erp-${process.pid}`, observer }))
  const restocking = new Restocking({ stock, locks })
  return { stock, locks, restocking, sweeper, stockAudit: new StockAudit({ stockLedger, stock }) }
}
