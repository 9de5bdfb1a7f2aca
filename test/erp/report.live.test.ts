import { ReadThrough } from '@kerp/cache'
import { createKeys } from '@kerp/keys'
import { mockRedis } from '@kerp/redis/testing'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type Chart, readChart } from '../../examples/erp/src/chart.js'
import { FinancialReports } from '../../examples/erp/src/financial-reports.js'
import { freshDatabase } from './erp-database.js'
import { type CompanyClient, type ErpProcess, fieldOf, startErp } from './erp-process.js'

const NAMES = ['재무상태표', '손익계산서', '현금흐름표', '재무비율']
const JUNE = { from: '2026-06-01', to: '2026-06-30' }

let erp: ErpProcess
let won: CompanyClient
let chart: Chart
beforeAll(async () => {
  chart = await readChart()
  erp = await startErp({ DATABASE_URL: await freshDatabase(inject('databaseUrl')) })
  won = await erp.as('c1')
})
afterAll(() => erp.stop())

type Line = readonly [account: string, debit: number, credit: number]

async function post(id: string, date: string, ...lines: readonly Line[]): Promise<void> {
  const answer = await won.post('/vouchers', {
    id,
    date,
    fiscalYear: 2026,
    lines: lines.map(([account, debit, credit]) =>
      debit === 0 ? { account, credit: String(credit) } : { account, debit: String(debit) },
    ),
  })
  expect(answer.status, answer.text).toBe(201)
}

async function sections(period = JUNE): Promise<ReadonlyMap<string, unknown>> {
  const { status, body, text } = await won.post('/reports/financial', period)
  expect(status, text).toBe(200)
  const list = fieldOf(body, 'sections') as readonly unknown[]
  expect(list.map((section) => fieldOf(section, 'name'))).toEqual(NAMES)
  return new Map(list.map((section) => [String(fieldOf(section, 'name')), fieldOf(section, 'data')]))
}

describe('A financial report', () => {
  it('has four sections that agree with each other, and follows the next voucher', async () => {
    await post('capital', '2026-05-02', ['11010', 10_000, 0], ['31010', 0, 10_000])
    await post('sale', '2026-06-03', ['11210', 5_000, 0], ['41010', 0, 5_000])
    await post('paid', '2026-06-10', ['11010', 2_000, 0], ['11210', 0, 2_000])
    await post('wages', '2026-06-30', ['61010', 1_500, 0], ['11010', 0, 1_500])
    await post('later', '2026-07-01', ['61010', 400, 0], ['11010', 0, 400])
    const first = await sections()
    expect(first.get('재무상태표')).toMatchObject({
      assets: { total: '13500' },
      liabilities: { total: '0' },
      equity: { total: '13500', unclosedIncome: '3500' },
      balanced: true,
    })
    expect(first.get('손익계산서')).toMatchObject({ netIncome: '3500', revenue: { total: '5000' } })
    expect(first.get('현금흐름표')).toEqual({
      netIncome: '3500',
      operating: '500',
      investing: '0',
      financing: '0',
      change: '500',
      opening: '10000',
      closing: '10500',
      balanced: true,
    })
    expect(first.get('재무비율')).toEqual({
      currentRatio: null,
      debtRatio: '0.0000',
      netMargin: '0.7000',
      returnOnAssets: '0.2593',
    })
    expect(await sections()).toEqual(first)
    await post('loan', '2026-06-15', ['11010', 3_000, 0], ['21010', 0, 3_000])
    expect((await sections()).get('재무비율')).toMatchObject({ currentRatio: '5.5000', debtRatio: '0.2222' })
  })

  it.each([
    [{ from: '2026-06-31', to: '2026-07-01' }],
    [{ from: '2026-07-02', to: '2026-07-01' }],
    [{ from: '2026-06', to: '2026-07' }],
  ])('of %o is refused by name', async (period) => {
    const { status, body } = await won.post('/reports/financial', period)
    expect([status, fieldOf(body, 'error', 'code')]).toEqual([422, 'INVALID_INPUT'])
  })

  it('answers the other sections when one fails, and keeps no such report', async () => {
    const broken: Chart = {
      ...chart,
      postableUnder: () => {
        throw new TypeError('no groups')
      },
    }
    let loads = 0
    const ledger = {
      booksMark: () => Promise.resolve('mark/1'),
      turnover: () => {
        loads += 1
        return Promise.resolve([])
      },
    }
    const cache = new ReadThrough({ redis: mockRedis(), keys: createKeys(), backoffMs: 1 })
    const failing = new FinancialReports({ ledger, chart: broken, cache })
    const period = { companyId: 'c1', ...JUNE }
    const [sheet, income, flow, ratio] = await failing.read(period)
    expect([sheet?.data, income?.data].every((data) => data !== undefined)).toBe(true)
    expect([flow?.error?.code, ratio?.error?.code]).toEqual(['INTERNAL', 'INTERNAL'])
    const whole = new FinancialReports({ ledger, chart, cache })
    await expect
      .poll(async () => (await whole.read(period)).every(({ error }) => error === undefined), {
        timeout: 20_000,
      })
      .toBe(true)
    const before = loads
    await whole.read(period)
    expect(loads).toBe(before)
  })
})
