/** The app is killed in the middle of a payroll; the next process takes it up by itself. */

import { openPrivatePostgres, type PrivatePostgres } from '@kerp/postgres/testing'
import { openPrivateRedis } from '@kerp/redis/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, sql } from '../erp/erp-database.js'
import { type CompanyClient, fieldOf, startErp } from '../erp/erp-process.js'

const ROUNDS = process.env['KERP_TEST_FULL'] === '1' ? 10 : 1
const PATIENCE = { timeout: 120_000, interval: 20 }

let postgres: PrivatePostgres
beforeAll(async () => {
  postgres = await openPrivatePostgres({ settings: { max_connections: 200 } })
})
afterAll(() => postgres.close())

async function doneOf(client: CompanyClient): Promise<number> {
  return Number(fieldOf((await client.get('/payroll/2026-06')).body, 'done'))
}

describe('The app, killed during payroll', () => {
  it.each(Array.from({ length: ROUNDS }, (_, index) => index + 1))(
    'finishes it after its next start: nobody unpaid, nobody paid twice, and the audit holds (round %i)',
    async (round) => {
      await using redis = await openPrivateRedis()
      const env = { DATABASE_URL: await freshDatabase(postgres.url), REDIS_URL: redis.url }
      const dying = await startErp(env)
      const client = await dying.as('c1')
      expect((await client.post('/payroll', { month: '2026-06' })).status).toBe(202)
      await expect.poll(() => doneOf(client), PATIENCE).toBeGreaterThan((round - 1) * 900)
      await dying.kill()
      const erp = await startErp(env)
      try {
        const next = await erp.as('c1')
        // It was not asked to: a run that was opened is worked on.
        await expect.poll(() => doneOf(next), PATIENCE).toBe(10_000)
        const state = async (): Promise<unknown> =>
          fieldOf((await next.get('/payroll/2026-06')).body, 'state')
        await expect.poll(state, PATIENCE).toBe('done')
        const [slips] = await sql(
          env.DATABASE_URL,
          'SELECT count(*)::text AS slips, count(DISTINCT employee)::text AS paid FROM erp.payslip',
        )
        expect(slips).toEqual({ slips: '10000', paid: '10000' })
        const vouchers = await sql(env.DATABASE_URL, 'SELECT id FROM kerp.voucher')
        expect(vouchers).toEqual([{ id: 'payroll-2026-06' }])
        expect((await next.get('/audit')).body).toMatchObject({ ok: true })
      } finally {
        await erp.stop()
      }
    },
  )
})
