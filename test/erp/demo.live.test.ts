import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openPrivateRedis } from '@kerp/redis/testing'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { demo } from './demo-run.js'
import { freshDatabase, sql } from './erp-database.js'
import { fieldOf } from './erp-process.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kerp-demo-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const orders = [
  'invoice,item,qty,ts,unit_price_pence,customer,country',
  '536365,85123A,6,2010-12-01T08:26,255,17850,United Kingdom',
  '536365,71053,2,2010-12-01T08:26,100,17850,United Kingdom',
  'C536366,85123A,-1,2010-12-02T08:26,255,17850,United Kingdom',
  '536367,22139,56,2010-12-03T08:26,0,,United Kingdom',
  '536368,POST,1,2010-12-03T08:30,0,17850,France',
  '536368,gift_0001_40,1,2010-12-03T08:30,0,17850,France',
  '536368,BANK CHARGES,1,2010-12-03T08:30,0,17850,France',
]

describe('The demo', () => {
  it('posts a generated month, reads while it posts, and ends with an audit that holds', async () => {
    const databaseUrl = await freshDatabase(inject('databaseUrl'))
    const run = await demo(['--exit', '--json', '--invoices', '200'], { DATABASE_URL: databaseUrl })
    expect(run.code, run.output).toBe(0)
    expect(fieldOf(run.report, 'ok')).toBe(true)
    expect(Object.keys(run.report as object)).toEqual(['ok', 'audit', 'figures', 'parts'])
    const audit = fieldOf(run.report, 'audit') as readonly unknown[]
    expect(audit.map((line) => fieldOf(line, 'name'))).toEqual(
      expect.arrayContaining([
        'Σ debit = Σ credit',
        'every cached balance = its row = Σ of its lines',
        'every stock figure = Σ of its movements and ≥ 0',
        'transfers conserve',
        'every cached stock figure = its row',
        'every order line found its goods',
        'events gap-free per company and equal to the committed changes',
      ]),
    )
    for (const line of audit) {
      expect(line).toEqual({
        name: expect.any(String) as string,
        ok: true,
        figure: expect.any(String) as string,
        differences: 0,
      })
    }
    const figures = fieldOf(run.report, 'figures')
    const [stored] = await sql(
      databaseUrl,
      `SELECT count(*)::text AS vouchers FROM kerp.voucher WHERE id NOT LIKE 'payroll-%'`,
    )
    expect(fieldOf(figures, 'vouchers')).toBe(Number(stored?.['vouchers']))
    expect(fieldOf(figures, 'vouchers')).toBeGreaterThan(100)
    expect(fieldOf(figures, 'payslips')).toBe(10_000)
    for (const name of ['postPerSecond', 'hitRatio', 'p50Ms', 'p99Ms', 'balancesRead', 'transfers']) {
      expect(fieldOf(figures, name)).toBeGreaterThan(0)
    }
    // Payroll makes the twelve reports of one company anew, however often they are read meanwhile.
    expect(fieldOf(figures, 'reportLooks')).toBeGreaterThanOrEqual(600)
    expect(fieldOf(figures, 'reportHitRatio')).toBeGreaterThan(0.9)
    const [moved] = await sql(
      databaseUrl,
      `SELECT count(*) FILTER (WHERE id LIKE 'order-%')::text AS lines,
         count(*) FILTER (WHERE kind = 'transfer')::text AS transfers,
         count(*) FILTER (WHERE id NOT LIKE 'restock-%')::text AS movements FROM kerp.stock_movement`,
    )
    expect(fieldOf(figures, 'movements')).toBe(Number(moved?.['movements']))
    expect(fieldOf(figures, 'transfers')).toBe(Number(moved?.['transfers']))
    expect(Number(moved?.['lines']) + Number(fieldOf(figures, 'linesWithoutGoods'))).toBeGreaterThan(5_000)
    expect(fieldOf(run.report, 'parts')).toEqual({
      redis: expect.stringContaining('redis-server') as string,
      database: 'DATABASE_URL',
    })
  })

  it('replays an order file: each invoice to all three companies, returns reversed, nothing for zero', async () => {
    const databaseUrl = await freshDatabase(inject('databaseUrl'))
    const file = join(folder, 'orders.csv')
    await writeFile(file, orders.join('\n'))
    const run = await demo(['--exit', '--json', '--orders', file], { DATABASE_URL: databaseUrl })
    expect(run.code, run.output).toBe(0)
    expect(fieldOf(run.report, 'figures', 'vouchers')).toBe(6)
    const rows = await sql(
      databaseUrl,
      `SELECT company, account, fiscal_year::text AS year, debit::text, credit::text, version::text
         FROM kerp.balance b WHERE fiscal_year = 2010 ORDER BY b.company, b.account`,
    )
    // Net 1,730 and −255, VAT 173 and −26 (25.5 rounded half up).
    const expected = ['c1', 'c2', 'c3'].flatMap((company) => [
      { company, account: '11210', year: '2010', debit: '1903', credit: '281', version: '2' },
      { company, account: '21210', year: '2010', debit: '26', credit: '173', version: '2' },
      { company, account: '41010', year: '2010', debit: '255', credit: '1730', version: '2' },
    ])
    expect(rows).toEqual(expected)
    // What arrives is what is sold, so that the one returned piece is left; postage and the like lie nowhere.
    const stock = await sql(
      databaseUrl,
      `SELECT item, sum(on_hand)::text AS thousandths FROM kerp.stock s WHERE company = 'c2' GROUP BY s.item ORDER BY s.item`,
    )
    expect(stock).toEqual([
      { item: '22139', thousandths: '0' },
      { item: '71053', thousandths: '0' },
      { item: '85123A', thousandths: '1000' },
    ])
    expect(fieldOf(run.report, 'figures', 'linesWithoutGoods')).toBe(9)
    const again = await demo(['--exit', '--json', '--orders', file], { DATABASE_URL: databaseUrl })
    expect(again.code, again.output).toBe(0)
    expect(fieldOf(again.report, 'figures', 'replayed')).toBe(6)
    const moved = Number(fieldOf(again.report, 'figures', 'movements'))
    expect(fieldOf(again.report, 'figures', 'movementsReplayed')).toBe(moved)
  })

  it('starts no topology without a redis-server, nor beside a Redis that it is given: it says why and ends with code 2', async () => {
    const databaseUrl = 'postgres://127.0.0.1:1/none'
    const without = await demo(['--exit', '--topology', 'cluster'], {
      DATABASE_URL: databaseUrl,
      PATH: folder,
    })
    expect(without.code, without.output).toBe(2)
    expect(without.output).toMatch(/cannot be started\. No redis-server is on PATH: install it/)
    const env = { DATABASE_URL: databaseUrl, REDIS_URL: 'redis://127.0.0.1:1' }
    const beside = await demo(['--exit', '--topology', 'sentinel'], env)
    expect(beside.code, beside.output).toBe(2)
    expect(beside.output).toMatch(/leave the variables REDIS_… out/)
  })

  it('breaks no Redis that it did not start: it says so and ends with code 2', async () => {
    const databaseUrl = await freshDatabase(inject('databaseUrl'))
    await using redis = await openPrivateRedis()
    const run = await demo(['--exit', '--faults'], { DATABASE_URL: databaseUrl, REDIS_URL: redis.url })
    expect(run.code, run.output).toBe(2)
    expect(run.output).toMatch(/--faults needs a Redis that the demo started/)
    expect(await sql(databaseUrl, `SELECT to_regclass('kerp.voucher') AS books`)).toEqual([{ books: null }])
  })

  it('runs without any redis-server on a double in its process, and says so', async () => {
    const databaseUrl = await freshDatabase(inject('databaseUrl'))
    const run = await demo(['--exit', '--json', '--invoices', '20'], {
      DATABASE_URL: databaseUrl,
      PATH: folder,
    })
    expect(run.code, run.output).toBe(0)
    expect(fieldOf(run.report, 'parts', 'redis')).toMatch(/ioredis-mock/)
  })

  it.each([
    ['--fast'],
    ['--topology', 'ring'],
    ['--invoices', 'many'],
    ['--orders'],
    ['--orders', 'none.csv'],
  ])('refuses what it does not know: %s %s', async (...args) => {
    const run = await demo([...args, '--exit'], { DATABASE_URL: 'postgres://127.0.0.1:1/none' })
    expect(run.code).toBe(1)
  })
})
