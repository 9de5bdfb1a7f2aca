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

describe('A voucher', () => {
  it('is posted once: 201, then 200 with the same bytes, and 409 for another body', async () => {
    const first = await pounds.post('/vouchers', saleOf('twice', '110.00', { vat: '10.00' }))
    expect(first.status).toBe(201)
    const [receivable, sales, vat] = fieldOf(first.body, 'balances') as readonly unknown[]
    expect([receivable, sales, vat].map((balance) => fieldOf(balance, 'account'))).toEqual([
      '11210',
      '41010',
      '21210',
    ])
    await pounds.post('/vouchers', saleOf('between', '1.00'))
    const again = await pounds.post('/vouchers', saleOf('twice', '110.00', { vat: '10.00' }))
    expect([again.status, again.text]).toEqual([200, first.text])
    const before = await pounds.get('/trial-balance?fiscalYear=2026')
    const other = await pounds.post('/vouchers', saleOf('twice', '111.00', { vat: '10.00' }))
    expect(refusalIn(other)).toEqual([409, 'VOUCHER_CONFLICT'])
    const after = await pounds.get('/trial-balance?fiscalYear=2026')
    expect(fieldOf(after.body, 'balances')).toEqual(fieldOf(before.body, 'balances'))
  })

  it('answers its balances in major units with the currency’s digits', async () => {
    const inPounds = await pounds.post('/vouchers', saleOf('digits', '10.00', { year: 2019 }))
    expect(inPounds.body).toEqual({
      id: 'digits',
      balances: [
        { account: '11210', fiscalYear: 2019, debit: '10.00', credit: '0.00', balance: '10.00', version: 1 },
        { account: '41010', fiscalYear: 2019, debit: '0.00', credit: '10.00', balance: '-10.00', version: 1 },
      ],
    })
    const inWon = await won.post('/vouchers', saleOf('digits', '1000', { year: 2019 }))
    expect(fieldOf(inWon.body, 'balances', 0)).toMatchObject({ debit: '1000', credit: '0', balance: '1000' })
  })

  it('takes amounts without trailing zeros as the same voucher', async () => {
    expect((await pounds.post('/vouchers', saleOf('short', '10'))).status).toBe(201)
    expect((await pounds.post('/vouchers', saleOf('short', '10.00'))).status).toBe(200)
  })

  it('is exact above 2^53, up to 38 digits, in every answer', async () => {
    for (const [index, amount] of ['9007199254740993', '9'.repeat(38)].entries()) {
      const fiscalYear = 2001 + index
      const posted = await won.post('/vouchers', saleOf(`huge-${index}`, amount, { year: fiscalYear }))
      expect(posted.status).toBe(201)
      expect(fieldOf(posted.body, 'balances', 1, 'balance')).toBe(`-${amount}`)
      for (let look = 0; look < 3; look += 1) {
        const read = await won.get(`/balances?accounts=11210&fiscalYear=${fiscalYear}`)
        expect(fieldOf(read.body, 'balances', 0, 'balance')).toBe(amount)
      }
      const trial = await won.get(`/trial-balance?fiscalYear=${fiscalYear}`)
      expect(fieldOf(trial.body, 'totals')).toEqual({ debit: amount, credit: amount })
    }
    const pence = `${'9'.repeat(36)}.99`
    const posted = await pounds.post('/vouchers', saleOf('huge', pence, { year: 2001 }))
    expect(fieldOf(posted.body, 'balances', 0, 'debit')).toBe(pence)
  })

  it('is read back with its lines and state, and is unknown with 404', async () => {
    await pounds.post('/vouchers', saleOf('reading', '12.30'))
    const read = await pounds.get('/vouchers/reading')
    expect(read.body).toMatchObject({
      id: 'reading',
      date: '2026-01-31',
      fiscalYear: 2026,
      state: 'posted',
      lines: [
        { account: '11210', debit: '12.30', memo: 'customer 17' },
        { account: '41010', credit: '12.30' },
      ],
    })
    const unknown = await pounds.get('/vouchers/none')
    expect(refusalIn(unknown)).toEqual([404, 'VOUCHER_NOT_FOUND'])
    expect((await won.get('/vouchers/reading')).status).toBe(404)
  })

  it('is reversed once, by a voucher with the sides swapped', async () => {
    await pounds.post('/vouchers', saleOf('wrong', '5.00', { year: 2018 }))
    const reversed = await pounds.post('/vouchers/wrong/reverse', { id: 'right' })
    expect(reversed.status).toBe(201)
    expect(fieldOf(reversed.body, 'id')).toBe('right')
    expect(fieldOf(reversed.body, 'balances', 0)).toMatchObject({
      debit: '5.00',
      credit: '5.00',
      balance: '0.00',
    })
    const again = await pounds.post('/vouchers/wrong/reverse', { id: 'right' })
    expect([again.status, again.text]).toEqual([200, reversed.text])
    const second = await pounds.post('/vouchers/wrong/reverse', { id: 'other' })
    expect(refusalIn(second)).toEqual([409, 'VOUCHER_REVERSED'])
    expect((await pounds.post('/vouchers/none/reverse', { id: 'x' })).status).toBe(404)
    expect((await pounds.post('/vouchers/wrong/reverse', {})).status).toBe(422)
    expect(fieldOf((await pounds.get('/vouchers/wrong')).body, 'reversedBy')).toBe('right')
    expect(fieldOf((await pounds.get('/vouchers/right')).body, 'reverses')).toBe('wrong')
  })

  it('is approved, and stays so', async () => {
    await pounds.post('/vouchers', saleOf('fine', '5.00'))
    const approved = await pounds.post('/vouchers/fine/approve')
    expect(approved.status).toBe(200)
    expect(approved.body).toMatchObject({ id: 'fine', state: 'approved' })
    const again = await pounds.post('/vouchers/fine/approve')
    expect([again.status, again.text]).toEqual([200, approved.text])
    expect(fieldOf((await pounds.get('/vouchers/fine')).body, 'state')).toBe('approved')
    expect((await pounds.post('/vouchers/none/approve')).status).toBe(404)
  })
})
