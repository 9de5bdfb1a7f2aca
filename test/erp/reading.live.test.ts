import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { freshDatabase } from './erp-database.js'
import { type CompanyClient, type ErpProcess, fieldOf, refusalIn, startErp } from './erp-process.js'
import { saleOf } from './vouchers.js'

let erp: ErpProcess
let won: CompanyClient
let pounds: CompanyClient
beforeAll(async () => {
  erp = await startErp({ DATABASE_URL: await freshDatabase(inject('databaseUrl')) })
  won = await erp.as('c1')
  pounds = await erp.as('c2')
})
afterAll(() => erp.stop())

describe('Balances', () => {
  it('come in the order that was asked for, the same twice, zero where nothing was posted', async () => {
    await pounds.post('/vouchers', saleOf('order', '7.00', { year: 2017 }))
    const read = await pounds.get(
      '/balances?accounts=41010,11010,11210,41010&fiscalYear=2017&atLeast=11210:1',
    )
    expect(read.status).toBe(200)
    const balances = fieldOf(read.body, 'balances') as readonly unknown[]
    expect(balances).toEqual([
      expect.objectContaining({ account: '41010', balance: '-7.00', version: 1 }),
      expect.objectContaining({ account: '11010', debit: '0.00', balance: '0.00', version: 0 }),
      expect.objectContaining({ account: '11210', balance: '7.00', fiscalYear: 2017 }),
      expect.objectContaining({ account: '41010', balance: '-7.00', version: 1 }),
    ])
    for (const balance of balances) {
      expect(['l1', 'redis', 'database']).toContain(fieldOf(balance, 'source'))
      expect(new Date(String(fieldOf(balance, 'asOf'))).toISOString()).toBe(fieldOf(balance, 'asOf'))
    }
  })

  it('come from a cache once they were read, and show each posting', async () => {
    const path = '/balances?accounts=11210&fiscalYear=2016'
    await pounds.post('/vouchers', saleOf('warm-1', '1.00', { year: 2016 }))
    await expect
      .poll(async () => fieldOf((await pounds.get(path)).body, 'balances', 0, 'source'), {
        timeout: 20_000,
      })
      .not.toBe('database')
    const posted = await pounds.post('/vouchers', saleOf('warm-2', '2.00', { year: 2016 }))
    const version = Number(fieldOf(posted.body, 'balances', 0, 'version'))
    const read = await pounds.get(`${path}&atLeast=11210:${version}`)
    expect(fieldOf(read.body, 'balances', 0)).toMatchObject({ balance: '3.00', version: 2 })
  })

  it.each([
    '?accounts=11210',
    '?fiscalYear=2026',
    '?accounts=&fiscalYear=2026',
    '?accounts=99999&fiscalYear=2026',
    '?accounts=11210,&fiscalYear=2026',
    '?accounts=11210&accounts=11010&fiscalYear=2026',
    '?accounts=__proto__&fiscalYear=2026',
    '?accounts=*&fiscalYear=2026',
    '?accounts=11210%00&fiscalYear=2026',
    '?accounts=11210&fiscalYear=26',
    '?accounts=11210&fiscalYear=2026.5',
    '?accounts=11210&fiscalYear=9999',
    '?accounts=11210&fiscalYear=2026&atLeast=11210',
    '?accounts=11210&fiscalYear=2026&atLeast=11210:x',
    '?accounts=11210&fiscalYear=2026&atLeast=:1',
    '?accounts=11210&fiscalYear=2026&atLeast=',
    '?accounts=11210&fiscalYear=2026&atLeast=11210:9007199254740993',
  ])('are refused with 422 for %s', async (query) => {
    const refused = await won.get(`/balances${query}`)
    expect([refused.status, fieldOf(refused.body, 'error', 'retryable')]).toEqual([422, false])
  })

  it('that are not yet as new as the caller has seen are refused, never answered', async () => {
    const refused = await won.get('/balances?accounts=11210&fiscalYear=2026&atLeast=11210:999999')
    expect(refusalIn(refused)).toEqual([409, 'VERSION_NOT_REACHED'])
  })
})

describe('The ledger of an account', () => {
  it('has its lines with the running balance, page by page', async () => {
    const fiscalYear = 2015
    for (const [index, amount] of ['1.00', '2.00', '3.00', '4.00', '5.00'].entries()) {
      await pounds.post('/vouchers', saleOf(`page-${index}`, amount, { year: fiscalYear }))
    }
    const pages: unknown[] = []
    let after = ''
    for (let page = 0; page < 3; page += 1) {
      const read = await pounds.get(`/accounts/11210/ledger?fiscalYear=${fiscalYear}&limit=2${after}`)
      expect(read.status).toBe(200)
      pages.push(...(fieldOf(read.body, 'lines') as unknown[]))
      const next = fieldOf(read.body, 'next')
      if (page < 2) expect(next).toEqual(expect.any(String))
      after = `&after=${encodeURIComponent(String(next))}`
    }
    expect(
      pages.map((line) => [fieldOf(line, 'voucherId'), fieldOf(line, 'balance'), fieldOf(line, 'version')]),
    ).toEqual([
      ['page-0', '1.00', 1],
      ['page-1', '3.00', 2],
      ['page-2', '6.00', 3],
      ['page-3', '10.00', 4],
      ['page-4', '15.00', 5],
    ])
  })

  it.each([
    '99999/ledger?fiscalYear=2026',
    '11210/ledger',
    '11210/ledger?fiscalYear=2026&limit=0',
    '%00/ledger?fiscalYear=2026',
  ])('is refused with 422 for %s', async (path) => {
    expect((await pounds.get(`/accounts/${path}`)).status).toBe(422)
  })
})

describe('The whole company', () => {
  it('has a trial balance over all accounts, whose totals are equal', async () => {
    await pounds.post('/vouchers', saleOf('trial', '9.00', { vat: '0.82', year: 2014 }))
    const trial = await pounds.get('/trial-balance?fiscalYear=2014')
    expect(fieldOf(trial.body, 'totals')).toEqual({ debit: '9.00', credit: '9.00' })
    expect(fieldOf(trial.body, 'balances')).toHaveLength(124)
    expect((await pounds.get('/trial-balance')).status).toBe(422)
  })

  it('has a dashboard', async () => {
    await won.post('/vouchers', saleOf('board', '1100', { vat: '100', year: 2014 }))
    await won.post('/vouchers', {
      id: 'board-2',
      date: '2014-01-01',
      fiscalYear: 2014,
      lines: [
        { account: '12010', debit: '700' },
        { account: '21010', credit: '500' },
        { account: '11020', credit: '200' },
      ],
    })
    const read = await won.get('/dashboard?fiscalYear=2014')
    expect(read.body).toEqual({
      sales: '1000',
      purchases: '700',
      cash: '-200',
      receivable: '1100',
      payable: '500',
      updatedAt: expect.any(String) as string,
      locks: [],
    })
    expect((await won.get('/dashboard')).status).toBe(422)
  })

  it('has a dashboard in which a reversed voucher counts as if it had never been posted', async () => {
    const post = async (id: string, debit: string, credit: string, amount: string): Promise<void> => {
      const lines = [
        { account: debit, debit: amount },
        { account: credit, credit: amount },
      ]
      const { status, text } = await won.post('/vouchers', {
        id,
        date: '2012-05-01',
        fiscalYear: 2012,
        lines,
      })
      expect(status, text).toBe(201)
    }
    const figures = async (): Promise<unknown> => {
      const { body } = await won.get('/dashboard?fiscalYear=2012')
      return ['sales', 'purchases', 'cash', 'receivable', 'payable'].map((name) => fieldOf(body, name))
    }
    await post('bought', '12010', '21010', '700')
    await post('issued', '51010', '12010', '300')
    await post('sold', '11210', '41010', '500')
    await post('returned', '41090', '11210', '50')
    await post('sent-back', '21010', '12010', '100')
    await post('paid', '21010', '11010', '200')
    const before = await figures()
    expect(before).toEqual(['450', '600', '-200', '450', '400'])
    const more = [
      ['materials', '12040', '21010'],
      ['in-work', '12030', '12040'],
      ['made', '12020', '12030'],
      ['issued-made', '51020', '12020'],
      ['shrunk', '51030', '12010'],
      ['written-down', '51040', '12090'],
      ['used-up', '61190', '12060'],
      ['sold-more', '11220', '41020'],
      ['collected', '11020', '11220'],
    ] as const
    for (const [id, debit, credit] of more) await post(id, debit, credit, '10')
    expect(await figures()).toEqual(['460', '610', '-190', '450', '410'])
    for (const [id] of more) {
      expect((await won.post(`/vouchers/${id}/reverse`, { id: `${id}-undone` })).status).toBe(201)
    }
    expect(await figures()).toEqual(before)
  })

  it('has a dashboard that is cached, and shows each voucher from its answer on', async () => {
    const sales = async (): Promise<unknown> =>
      fieldOf((await won.get('/dashboard?fiscalYear=2013')).body, 'sales')
    expect([await sales(), await sales()]).toEqual(['0', '0'])
    for (let posted = 1; posted <= 5; posted += 1) {
      await won.post('/vouchers', saleOf(`shown-${posted}`, '1100', { vat: '100', year: 2013 }))
      expect([await sales(), await sales()]).toEqual([`${posted * 1_000}`, `${posted * 1_000}`])
    }
  })

  it('passes its audit', async () => {
    const audit = await pounds.get('/audit')
    expect(audit.status).toBe(200)
    expect(fieldOf(audit.body, 'ok')).toBe(true)
    const lines = fieldOf(audit.body, 'lines') as readonly unknown[]
    expect(lines.map((line) => fieldOf(line, 'name'))).toEqual(
      expect.arrayContaining(['Σ debit = Σ credit', 'every cached balance = its row = Σ of its lines']),
    )
    for (const line of lines) expect(line).toMatchObject({ ok: true, differences: 0 })
  })
})
