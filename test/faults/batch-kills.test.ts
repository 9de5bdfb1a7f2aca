/** Workers of durable batches are killed, and kept busy beyond their leases: everybody is paid, and once. */

import { randomBytes } from 'node:crypto'
import { ChunkLedger } from '@kerp/postgres'
import { openPrivatePostgres, type PrivatePostgres } from '@kerp/postgres/testing'
import { openPrivateRedis, type PrivateRedis } from '@kerp/redis/testing'
import { Batches, type BatchRunHandle } from '@kerp/worker-pool'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type OwnDatabase, ownDatabase } from '../postgres/own-database.js'
import { employeeId, PAYMENT_TABLES, payBatch, totalsOfPaid } from '../worker-pool/paying.js'
import { BatchChild, type BatchChildWork } from './batch-processes.js'

const FULL = process.env['KERP_TEST_FULL'] === '1'
const ROUNDS = FULL ? 20 : 1
const EMPLOYEES = FULL ? 5_000 : 800
const KILLS = FULL ? 5 : 3
const WORKERS = FULL ? 3 : 2
const PATIENCE = { timeout: 120_000, interval: 5 }

let postgres: PrivatePostgres
let redis: PrivateRedis
let own: OwnDatabase
beforeAll(async () => {
  postgres = await openPrivatePostgres({ settings: { max_connections: 200 } })
  redis = await openPrivateRedis()
  own = await ownDatabase(postgres.url)
  await own.pool.query(PAYMENT_TABLES)
})
afterAll(async () => {
  await own.close()
  await redis.close()
  await postgres.close()
})

async function startRun(companyId: string, employees: number, chunkItems: number): Promise<BatchRunHandle> {
  const batch = payBatch({ chunkItems })
  const batches = new Batches({ ledger: new ChunkLedger({ pool: own.pool }), batches: [batch] })
  return batches.start(batch, { companyId, month: '2026-06', employees })
}

async function expectEachOnce(companyId: string, employees: number): Promise<void> {
  const { rows } = await own.pool.query<{ employee: string }>(
    'SELECT p.employee FROM payment p WHERE p.company = $1 ORDER BY p.employee',
    [companyId],
  )
  const wanted = Array.from({ length: employees }, (_, n) => employeeId(n))
  expect(rows.map(({ employee }) => employee)).toEqual(wanted)
  const run = await new ChunkLedger({ pool: own.pool }).read({ companyId, runId: `pay/${companyId}/2026-06` })
  expect(run?.totals).toEqual(totalsOfPaid(BigInt(employees) * 1_000n))
  expect(await own.one('SELECT count(*)::text FROM payday WHERE company = $1', [companyId])).toBe('1')
}

function workOf(driver: BatchChildWork['driver'], companyId: string): BatchChildWork {
  const servers = { databaseUrl: own.url, redisPath: redis.socketPath }
  return { driver, ...servers, companyId, chunkItems: 20, chunksAtOnce: 4, leaseMs: 2_000, blockMs: 0 }
}

describe.each(['claims', 'bullmq'] as const)('Workers that share chunks by %s', (driver) => {
  it.each(Array.from({ length: ROUNDS }, (_, index) => index + 1))(
    'leave nobody unpaid and pay nobody twice when they are killed again and again (round %i)',
    async () => {
      const companyId = `c${randomBytes(5).toString('hex')}`
      const work = workOf(driver, companyId)
      const workers = await Promise.all(Array.from({ length: WORKERS }, () => BatchChild.start(work)))
      const starting: Promise<unknown>[] = []
      try {
        const run = await startRun(companyId, EMPLOYEES, work.chunkItems)
        for (let kill = 1; kill <= KILLS; kill += 1) {
          const enough = (EMPLOYEES / (KILLS + 1)) * kill
          await expect.poll(async () => (await run.read()).itemsDone, PATIENCE).toBeGreaterThanOrEqual(enough)
          await workers.shift()?.kill()
          starting.push(BatchChild.start(work).then((next) => workers.push(next)))
          if (workers.length === 0) await Promise.all(starting)
        }
        await expect.poll(async () => (await run.read()).state, PATIENCE).toBe('done')
        await expectEachOnce(companyId, EMPLOYEES)
      } finally {
        await Promise.all(starting)
        await Promise.all(workers.map((worker) => worker.kill()))
      }
    },
  )

  it('take over what a killed worker held', async () => {
    const companyId = `c${randomBytes(5).toString('hex')}`
    const work = { ...workOf(driver, companyId), chunkItems: 5, blockMs: 60_000 }
    await using stuck = await BatchChild.start(work)
    const run = await startRun(companyId, 20, work.chunkItems)
    await expect.poll(() => stuck.computed, PATIENCE).toBeGreaterThan(0)
    await using next = await BatchChild.start({ ...work, blockMs: 0 })
    await stuck.kill()
    await expect.poll(async () => (await run.read()).state, PATIENCE).toBe('done')
    expect(next.computed).toBe(0)
    await expectEachOnce(companyId, 20)
  })

  it('pay once although each computation lasts longer than the lease', async () => {
    const companyId = `c${randomBytes(5).toString('hex')}`
    const long = { chunkItems: 1, chunksAtOnce: 1, leaseMs: 200, blockMs: 1_000 }
    const work = { ...workOf(driver, companyId), ...long }
    const workers = await Promise.all([BatchChild.start(work), BatchChild.start(work)])
    try {
      const run = await startRun(companyId, 4, 1)
      await expect.poll(async () => (await run.read()).state, PATIENCE).toBe('done')
      await expectEachOnce(companyId, 4)
    } finally {
      await Promise.all(workers.map((worker) => worker.kill()))
    }
  })
})
