/** Judges the stock after a torture: by what its processes were told, and by what the movements add up to. */

import { Stock } from '@kerp/inventory-lock'
import { createKeys } from '@kerp/keys'
import { Outbox, RegisterRows, type StockLedger } from '@kerp/postgres'
import type { RedisClient } from '@kerp/redis'
import { OutboxRelay, Registers } from '@kerp/registers'
import type pg from 'pg'
import { expect } from 'vitest'
import { ITEMS, OPENING, parseStockOpId, stockOp, WAREHOUSES } from './stock-ops.js'
import type { Told } from './torture-senders.js'

/** What is judged. */
export interface JudgedStock {
  readonly pool: pg.Pool
  readonly redis: RedisClient
  readonly store: StockLedger
  readonly companyId: string
  readonly told: Told
}

/** Every row has something at the beginning. */
export async function openStock(store: StockLedger, companyId: string): Promise<void> {
  for (const item of ITEMS) {
    for (const warehouse of WAREHOUSES) {
      const movementId = `opening-${item}-${warehouse}`
      await store.adjust({ companyId, movementId, item, warehouse, quantity: OPENING })
    }
  }
}

const EXPECTED = new Set(['INSUFFICIENT_STOCK', 'RESERVATION_EXPIRED', 'RESERVATION_SETTLED'])

/** Answers with how many movements the database has. */
export async function judgeStock({ pool, redis, store, companyId, told }: JudgedStock): Promise<number> {
  expect(told.negative).toEqual([])
  expect(told.differing).toEqual([])
  expect([...told.refusals.keys()].filter((code) => !EXPECTED.has(code))).toEqual([])
  expect(await missingMovements(pool, companyId, told)).toEqual([])
  await store.expire({ limit: 1_000 })
  const rows = await expectedRows(pool, companyId)
  const audit = await store.audit(companyId)
  expect(audit.differences).toEqual([])
  const keys = createKeys()
  const source = new RegisterRows({ pool })
  const registers = new Registers({ redis, keys, source })
  const stock = new Stock({ store, registers, source })
  await using relay = new OutboxRelay({ redis, keys, outbox: new Outbox({ pool }) })
  relay.start()
  await relay.caughtUp()
  const refs = ITEMS.flatMap((item) => WAREHOUSES.map((warehouse) => ({ item, warehouse })))
  const levels = await stock.getMany(companyId, refs)
  for (const { item, warehouse, onHand, reserved } of levels) {
    expect([item, warehouse, onHand, reserved]).toEqual([
      item,
      warehouse,
      ...(rows.get(`${item} ${warehouse}`) ?? []),
    ])
  }
  await stock.getMany(companyId, refs)
  expect(await stock.audit(companyId)).toMatchObject({ rows: 12, equal: 12 })
  return audit.movements
}

/** What every row must be: the sum of what was asked for by the movements that the database has. */
async function expectedRows(
  pool: pg.Pool,
  companyId: string,
): Promise<Map<string, readonly [bigint, bigint]>> {
  const rows = new Map<string, readonly [bigint, bigint]>()
  const add = (item: string, warehouse: string, onHand: bigint, reserved: bigint): void => {
    const [before, kept] = rows.get(`${item} ${warehouse}`) ?? [0n, 0n]
    rows.set(`${item} ${warehouse}`, [before + onHand, kept + reserved])
  }
  for (const item of ITEMS) for (const warehouse of WAREHOUSES) add(item, warehouse, OPENING, 0n)
  const { rows: found } = await pool.query<{ id: string; kind: string }>(
    `SELECT id, kind FROM kerp.stock_movement WHERE company = $1 AND id NOT LIKE 'opening%'`,
    [companyId],
  )
  for (const { id, kind } of found) {
    const op = stockOp(...parseStockOpId(id))
    if (op.kind === 'adjust') add(op.item, op.warehouse, op.quantity, 0n)
    if (op.kind === 'transfer') {
      add(op.item, op.from, -op.quantity, 0n)
      add(op.item, op.to, op.quantity, 0n)
    }
    if (op.kind !== 'reserve') continue
    for (const { item, warehouse, quantity } of op.lines) {
      if (kind === 'reserve') add(item, warehouse, 0n, quantity)
      else add(item, warehouse, kind === 'confirm' ? -quantity : 0n, -quantity)
    }
  }
  return rows
}

/** What anybody was told is done, and is not in the database. */
async function missingMovements(pool: pg.Pool, companyId: string, told: Told): Promise<readonly string[]> {
  const { rows } = await pool.query<{ name: string }>(
    `SELECT space || ' ' || id AS name FROM kerp.stock_movement WHERE company = $1`,
    [companyId],
  )
  const kept = new Set(rows.map(({ name }) => name))
  return [...told.answers.keys()].filter((name) => !name.startsWith('voucher ') && !kept.has(name))
}
