/** Plans that were made while tables were small must still be right when they have grown: everything goes by keys. */

import type { StockLedger } from '@kerp/postgres'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { KEYED_PLANS } from '../../packages/postgres/src/batch-run.js'
import { stockStatements } from '../../packages/postgres/src/stock-statements.js'
import { adjustment, type OwnStock, ownStock, stocked } from './own-stock.js'

let database: OwnStock
let stock: StockLedger

beforeAll(async () => {
  database = await ownStock(inject('databaseUrl'))
  stock = database.stock()
})

afterAll(() => database.close())

const STATEMENTS = stockStatements('kerp')
const PARAMETERS = {
  lockReservations: 2,
  lockRows: 3,
  readStored: 3,
  readReservations: 2,
  write: 31,
} as const

test.each(Object.entries(PARAMETERS))(
  'the cached plan of %s looks rows up by their keys, although it was made on small tables',
  async (name, parameters) => {
    const companyId = await stocked(stock, 10_000n)
    await stock.adjust(adjustment(companyId, 'm1', -1n))
    await stock.reserve({
      companyId,
      reservationId: 'r1',
      lines: [{ item: 'A', warehouse: 'W1', quantity: 1n }],
      ttlMs: 1_000,
    })
    await database.pool.query('ANALYZE')
    const client = await database.pool.connect()
    try {
      await client.query(`BEGIN; SET LOCAL plan_cache_mode = force_generic_plan; ${KEYED_PLANS}`)
      const text = STATEMENTS[name as keyof typeof PARAMETERS]
      const types = Array.from({ length: parameters }, () => 'text').join(', ')
      await client.query(`PREPARE keyed (${types}) AS ${text}`)
      const values = Array.from({ length: parameters }, () => `'{}'`).join(', ')
      const { rows } = await client.query<{ 'QUERY PLAN': string }>(`EXPLAIN EXECUTE keyed (${values})`)
      const plan = rows.map((row) => row['QUERY PLAN'])
      const scans = plan.filter((line) => /Seq Scan|Hash Join|Merge Join/.test(line))
      expect(scans, plan.join('\n')).toEqual([])
      expect(plan.some((line) => line.includes('Index'))).toBe(true)
      await client.query('ROLLBACK; DEALLOCATE keyed')
    } finally {
      client.release()
    }
  },
)
