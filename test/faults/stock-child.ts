/** A process that moves stock as its parent tells it, and ends with it. */

import { codeOf } from '../postgres/own-stock.js'
import { Locks } from '@kerp/inventory-lock'
import { createKeys } from '@kerp/keys'
import { anyWarehouse, StockLedger } from '@kerp/postgres'
import { connectRedis } from '@kerp/redis'
import pg from 'pg'
import type { GrabOrder, SectionOrder, StockAnswer, StockOrder } from './stock-processes.js'

process.on('disconnect', () => process.exit())

const [socketPath = '', databaseUrl = ''] = process.argv.slice(2)
const redis = await connectRedis({ path: socketPath }, 20_000, {})
const locks = new Locks({ redis, keys: createKeys() })
const pool = new pg.Pool({ connectionString: databaseUrl, max: 24 })
const stock = new StockLedger({ pool, warehouses: anyWarehouse, deadlineMs: 30_000 })
let finish: () => void = () => undefined

function tell(answer: StockAnswer): void {
  process.send?.(answer)
}

/** Takes all there is of one item, in one of three ways. */
async function grab({ companyId, item, id, how }: GrabOrder): Promise<void> {
  const place = { companyId, item, warehouse: 'W1' }
  const calls = {
    reserve: () =>
      stock.reserve({
        companyId,
        reservationId: id,
        lines: [{ item, warehouse: 'W1', quantity: 1_000n }],
        ttlMs: 600_000,
      }),
    adjust: () => stock.adjust({ ...place, movementId: id, quantity: -1_000n }),
    transfer: () =>
      stock.transfer({ companyId, movementId: id, item, from: 'W1', to: 'W2', quantity: 1_000n }),
  }
  tell({ is: 'grabbed', code: String(await codeOf(calls[how]())) })
}

/** Holds the locks of several items and says their fences; what it writes later it writes without asking. */
async function hold({ companyId, items, ttlMs }: SectionOrder): Promise<void> {
  const fences = await Promise.all(
    items.map(async (id) => {
      const lock = await locks.acquire({ companyId, type: 'stock', id }, { ttlMs, renew: false })
      return [id, lock.fence] as const
    }),
  )
  tell({ is: 'holding', fences })
}

/** What the late holder does when it goes on: takes from each item, under the fence that it once had. */
async function writeLate(companyId: string, fences: readonly (readonly [string, string])[]): Promise<void> {
  const codes = await Promise.all(
    fences.map(([item, fence]) => {
      const place = { companyId, item, warehouse: 'W1' }
      return codeOf(stock.adjust({ ...place, movementId: `late-${item}`, quantity: -300n, fence }))
    }),
  )
  tell({ is: 'wroteLate', codes: codes.map(String) })
}

/** The new holder: looks, waits for its parent, and writes what follows from its look. */
async function section({ companyId, items, ttlMs }: SectionOrder, inOne: boolean): Promise<void> {
  const mayFinish = new Promise<void>((resolve) => (finish = resolve))
  let looking = items.length
  const done = items.map((item) =>
    locks.withLock({ companyId, type: 'stock', id: item }, { ttlMs, waitMs: 60_000 }, async ({ fence }) => {
      const ref = { companyId, item, warehouse: 'W1' }
      const client = await pool.connect()
      try {
        await client.query('BEGIN')
        const { onHand } = await stock.raiseFence(client, ref, fence)
        if (!inOne) await client.query('COMMIT')
        looking -= 1
        if (looking === 0) tell({ is: 'looked' })
        await mayFinish
        if (!inOne) await client.query('BEGIN')
        const taken = { ...ref, movementId: `new-${item}`, quantity: -onHand, fence }
        const moved = await stock.adjustWithin(client, taken)
        await client.query('COMMIT')
        return moved.images[0]?.fields[0] ?? ''
      } finally {
        client.release()
      }
    }),
  )
  tell({ is: 'finished', left: await Promise.all(done) })
}

process.on('message', (order: StockOrder) => {
  if (order.do === 'grab') void grab(order)
  else if (order.do === 'hold') void hold(order)
  else if (order.do === 'writeLate') void writeLate(order.companyId, order.fences)
  else if (order.do === 'section') void section(order, order.inOne)
  else finish()
})
tell({ is: 'ready' })
