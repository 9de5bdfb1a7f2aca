import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { freshDatabase, sql } from './erp-database.js'
import {
  type Answer,
  type CompanyClient,
  type ErpProcess,
  fieldOf,
  refusalIn,
  startErp,
} from './erp-process.js'

const PATIENCE = { timeout: 60_000, interval: 100 }
const PARTS = ['pension', 'health', 'longTermCare', 'employment', 'incomeTax', 'localIncomeTax', 'net']

let databaseUrl: string
let erp: ErpProcess
let won: CompanyClient
beforeAll(async () => {
  databaseUrl = await freshDatabase(inject('databaseUrl'))
  erp = await startErp({ DATABASE_URL: databaseUrl })
  won = await erp.as('c1')
})
afterAll(() => erp.stop())

async function paid(month: string): Promise<Answer> {
  await expect
    .poll(async () => fieldOf((await won.get(`/payroll/${month}`)).body, 'state'), PATIENCE)
    .toBe('done')
  return won.get(`/payroll/${month}`)
}

describe('The payroll of a month', () => {
  it('is computed once for each employee, however often it is asked for', async () => {
    const answers = await Promise.all([
      won.post('/payroll', { month: '2026-06' }),
      won.post('/payroll', { month: '2026-06' }),
    ])
    for (const { status, body } of answers) expect([status, body]).toEqual([202, { batchId: '2026-06' }])
    const { body } = await paid('2026-06')
    expect(body).toMatchObject({ batchId: '2026-06', done: 10_000, total: 10_000, failures: [] })
    expect((await won.post('/payroll', { month: '2026-06' })).body).toEqual({ batchId: '2026-06' })
    expect((await won.get('/payroll/2026-06')).body).toEqual(body)
    const [slips] = await sql(
      databaseUrl,
      `SELECT count(*)::text AS slips, count(DISTINCT employee)::text AS employees FROM erp.payslip`,
    )
    expect(slips).toEqual({ slips: '10000', employees: '10000' })
    const totals = fieldOf(body, 'totals')
    const amount = (part: string): bigint => BigInt(String(fieldOf(totals, part)))
    expect(PARTS.reduce((sum, part) => sum + amount(part), 0n)).toBe(amount('gross'))
  })

  it('is one voucher: wages against what is withheld and what is payable', async () => {
    const totals = fieldOf((await paid('2026-06')).body, 'totals')
    const { status, body } = await won.get('/vouchers/payroll-2026-06')
    expect(status).toBe(200)
    expect(body).toMatchObject({ date: '2026-06-30', fiscalYear: 2026 })
    const lines = fieldOf(body, 'lines') as readonly unknown[]
    const credit = (account: string): unknown =>
      fieldOf(
        lines.find((line) => fieldOf(line, 'account') === account),
        'credit',
      )
    expect(fieldOf(lines[0], 'debit')).toBe(fieldOf(totals, 'gross'))
    const accounts = ['21130', '21140', '21150', '21160', '21110', '21120', '21050']
    expect(accounts.map(credit)).toEqual(PARTS.map((part) => fieldOf(totals, part)))
    await expect
      .poll(async () => {
        const { body: read } = await won.get('/balances?accounts=61010,21050&fiscalYear=2026')
        return (fieldOf(read, 'balances') as readonly unknown[]).map((balance) => fieldOf(balance, 'debit'))
      }, PATIENCE)
      .toEqual([fieldOf(totals, 'gross'), '0'])
  })

  it('is told to everybody once, with the voucher', async () => {
    await paid('2026-06')
    const read = async (): Promise<readonly unknown[]> => {
      const { body } = await won.get('/events?limit=1000')
      return (fieldOf(body, 'events') as readonly unknown[]).filter((event) =>
        ['events:payroll:processed', 'events:notification'].includes(String(fieldOf(event, 'type'))),
      )
    }
    await expect.poll(async () => (await read()).length, PATIENCE).toBeGreaterThanOrEqual(2)
    const [processed, notification, ...more] = await read()
    expect(more).toEqual([])
    expect(processed).toMatchObject({
      type: 'events:payroll:processed',
      payload: { batchId: '2026-06', state: 'done', done: 10_000, total: 10_000 },
    })
    expect(notification).toMatchObject({ type: 'events:notification', payload: { level: 'info' } })
  })

  it('is audited: each slip once, and the voucher their sum', async () => {
    await paid('2026-06')
    const { body } = await won.get('/audit')
    expect(fieldOf(body, 'ok')).toBe(true)
    const lines = fieldOf(body, 'lines') as readonly unknown[]
    const line = lines.find((one) => fieldOf(one, 'name') === 'every payslip computed once')
    expect(line).toMatchObject({ ok: true, differences: 0 })
    await sql(
      databaseUrl,
      `UPDATE erp.payslip SET net = net - 10, pension = pension + 10 WHERE employee = 'E00001'`,
    )
    const spoiled = await won.get('/audit')
    expect(fieldOf(spoiled.body, 'ok')).toBe(false)
    await sql(
      databaseUrl,
      `UPDATE erp.payslip SET net = net + 10, pension = pension - 10 WHERE employee = 'E00001'`,
    )
  })

  it('is refused where there are no employees, no rules, or no month', async () => {
    const pounds = await erp.as('c2')
    const refusals = [
      await pounds.post('/payroll', { month: '2026-06' }),
      await won.post('/payroll', { month: '2024-06' }),
      await won.post('/payroll', { month: '2026-13' }),
      await won.post('/payroll', { month: 202606 }),
      await won.get('/payroll/2026-05'),
      await won.get('/payroll/nothing'),
    ]
    expect(refusals.map(refusalIn)).toEqual([
      [422, 'PAYROLL_NOT_CONFIGURED'],
      [422, 'PAYROLL_NOT_CONFIGURED'],
      [422, 'INVALID_INPUT'],
      [422, 'INVALID_INPUT'],
      [404, 'PAYROLL_NOT_FOUND'],
      [404, 'PAYROLL_NOT_FOUND'],
    ])
  })
})
