/** A process that competes for locks, told what to do by its parent; it ends with it. */

import { setTimeout as sleep } from 'node:timers/promises'
import { type Lock, type LockResource, Locks } from '@kerp/inventory-lock'
import { createKeys } from '@kerp/keys'
import { connectRedis } from '@kerp/redis'
import pg from 'pg'
import type { ChildAnswer, ChildOrder } from './lock-processes.js'

process.on('disconnect', () => process.exit())

const [socketPath = '', databaseUrl = ''] = process.argv.slice(2)
const redis = await connectRedis({ path: socketPath }, 20_000, {})
const locks = new Locks({ redis, keys: createKeys() })
const held: Lock[] = []
let database: pg.Pool | undefined

function tell(answer: ChildAnswer): void {
  process.send?.(answer)
}

/** Reads the row under the fence, as the first statement of a fenced section does. */
async function touch(pool: pg.Pool, lock: Lock): Promise<number> {
  const { rows } = await pool.query<{ quantity: number }>(
    'UPDATE stock SET fence = $2 WHERE item = $1 AND fence <= $2 RETURNING quantity',
    [lock.resource.id, lock.fence],
  )
  return rows[0]?.quantity ?? Number.NaN
}

/** Writes what was computed from the read, if no later holder came between. */
async function write(pool: pg.Pool, lock: Lock, quantity: number): Promise<boolean> {
  const { rows } = await pool.query(
    'UPDATE stock SET quantity = $3 WHERE item = $1 AND fence = $2 RETURNING item',
    [lock.resource.id, lock.fence, quantity],
  )
  return rows.length === 1
}

/** Reads, says so, goes on whenever it may, and writes without asking whether it still holds the locks. */
async function addBlindly(resources: readonly LockResource[], ttlMs: number, pauseMs: number): Promise<void> {
  const pool = (database ??= new pg.Pool({ connectionString: databaseUrl, max: 4 }))
  const sections = await Promise.all(
    resources.map(async (resource) => {
      const lock = await locks.acquire(resource, { ttlMs, waitMs: 60_000, renew: pauseMs > 0 })
      return { lock, read: await touch(pool, lock) }
    }),
  )
  tell({ is: 'read' })
  // The parent stops this process here.
  if (pauseMs > 0) await sleep(pauseMs)
  const written = await Promise.all(sections.map(({ lock, read }) => write(pool, lock, read + 1)))
  const stillHeld = sections.filter(({ lock }) => lock.remainingMs > 0).length
  await Promise.all(sections.map(({ lock }) => lock.release()))
  tell({ is: 'written', written: written.filter(Boolean).length, stillHeld })
}

/** Takes one lock again and again with several workers, as fast as it is let. */
async function beGreedy(order: Extract<ChildOrder, { do: 'greedy' }>): Promise<void> {
  const { resource, workers, forMs, holdMs } = order
  const guard = `guard:{${resource.companyId}}`
  const sections: number[] = []
  let overlaps = 0
  const endMs = performance.now() + forMs
  const work = Array.from({ length: workers }, async (_, index) => {
    sections[index] = 0
    while (performance.now() < endMs) {
      await locks.withLock(resource, { waitMs: 60_000 }, async () => {
        if ((await redis.incr(guard)) !== 1) overlaps += 1
        await sleep(holdMs)
        await redis.decr(guard)
        sections[index] = (sections[index] ?? 0) + 1
      })
    }
  })
  await Promise.all(work)
  tell({ is: 'counted', sections, overlaps })
}

async function obey(order: ChildOrder): Promise<void> {
  if (order.do === 'hold') {
    const lock = await locks.acquire(order.resource, {
      ttlMs: order.ttlMs,
      waitMs: 60_000,
      renew: order.renew,
    })
    held.push(lock)
    tell({ is: 'held', fence: lock.fence })
  } else if (order.do === 'release') {
    tell({ is: 'released', result: (await held.shift()?.release()) ?? 'unknown' })
  } else if (order.do === 'add') {
    await addBlindly(order.resources, order.ttlMs, order.pauseMs)
  } else {
    await beGreedy(order)
  }
}

process.on('message', (order: ChildOrder) => void obey(order))
tell({ is: 'ready' })
