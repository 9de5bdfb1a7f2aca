import { Agent } from 'node:http'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { freshDatabase } from './erp-database.js'
import {
  type Answer,
  type CompanyClient,
  type ErpProcess,
  exchange,
  fieldOf,
  startErp,
} from './erp-process.js'
import { saleOf, type VoucherBody } from './vouchers.js'

let erp: ErpProcess
let won: CompanyClient
let agent: Agent
beforeAll(async () => {
  erp = await startErp({ DATABASE_URL: await freshDatabase(inject('databaseUrl')) })
  won = await erp.as('c1')
  agent = new Agent({ keepAlive: true, maxSockets: 1 })
  await won.post('/vouchers', saleOf('good', '1100', { vat: '100' }))
})
afterAll(async () => {
  agent.destroy()
  await erp.stop()
})

/** Always over the one connection. */
function send(path: string, method = 'GET', body?: unknown): Promise<Answer> {
  return exchange(agent, erp.url, `/companies/c1${path}`, {
    method,
    body,
    headers: { authorization: `Bearer ${won.token}` },
  })
}

/** Posts, and proves that it was refused, changed nothing, and left the connection open. */
async function refused(body: unknown): Promise<{ status: number; code: unknown; message: string }> {
  const before = await send('/trial-balance?fiscalYear=2026')
  const answer = await send('/vouchers', 'POST', body)
  const after = await send('/trial-balance?fiscalYear=2026')
  expect(fieldOf(after.body, 'balances')).toEqual(fieldOf(before.body, 'balances'))
  expect([answer.localPort, after.localPort]).toEqual([before.localPort, before.localPort])
  expect(answer.body).toEqual({
    error: { code: expect.any(String) as string, message: expect.any(String) as string, retryable: false },
  })
  return {
    status: answer.status,
    code: fieldOf(answer.body, 'error', 'code'),
    message: String(fieldOf(answer.body, 'error', 'message')),
  }
}

const good = saleOf('bad', '1000')
const withLines = (...lines: readonly unknown[]): object => ({ ...good, lines })
const withAmount = (amount: unknown): object =>
  withLines({ account: '11210', debit: amount }, { account: '41010', credit: '1000' })
const withBoth = (amount: unknown): object =>
  withLines({ account: '11210', debit: amount }, { account: '41010', credit: amount })
const withAccount = (account: unknown): object =>
  withLines({ account, debit: '1000' }, { account: '41010', credit: '1000' })
const withId = (id: unknown): object => ({ ...good, id })
const without = (field: keyof VoucherBody): object =>
  Object.fromEntries(Object.entries(good).filter(([name]) => name !== field))

describe('A voucher that cannot be posted is refused with 422, changes nothing and keeps the connection:', () => {
  it.each<[string, object, RegExp]>([
    [
      'unbalanced',
      withLines({ account: '11210', debit: '1000' }, { account: '41010', credit: '999' }),
      /lines/,
    ],
    ['one line', withLines({ account: '11210', debit: '1000' }), /lines/],
    ['no line', withLines(), /lines/],
    [
      '1,001 lines',
      withLines(...Array.from({ length: 1_001 }, () => ({ account: '11210', debit: '1' }))),
      /lines/,
    ],
    ['a line that is none', withLines('x', 'y'), /lines\[0\]/],
    ['lines that are no list', { ...good, lines: { 0: good.lines[0] } }, /lines/],
    [
      'both sides on a line',
      withLines({ account: '11210', debit: '1', credit: '1' }, { account: '41010', credit: '1' }),
      /lines\[0\]/,
    ],
    [
      'neither side on a line',
      withLines({ account: '11210' }, { account: '41010', credit: '1' }),
      /lines\[0\]/,
    ],
    ['zero', withBoth('0'), /lines\[0\]\.debit/],
    ['negative', withBoth('-1000'), /lines\[0\]\.debit/],
    ['minus zero', withBoth('-0'), /lines\[0\]\.debit/],
    ['the text NaN', withBoth('NaN'), /lines\[0\]\.debit/],
    ['the text Infinity', withBoth('Infinity'), /lines\[0\]\.debit/],
    ['a JSON number', withBoth(1000), /lines\[0\]\.debit.*number/],
    ['a JSON number above 2^53', withBoth(9_007_199_254_740_992), /lines\[0\]\.debit.*number/],
    ['an exponent', withBoth('1e3'), /lines\[0\]\.debit/],
    ['a comma for thousands', withBoth('1,000'), /lines\[0\]\.debit/],
    ['a plus sign', withBoth('+1000'), /lines\[0\]\.debit/],
    ['a space', withBoth(' 1000'), /lines\[0\]\.debit/],
    ['a hexadecimal number', withBoth('0x10'), /lines\[0\]\.debit/],
    ['leading zeros', withBoth('0001000'), /lines\[0\]\.debit/],
    ['full-width digits', withBoth('１０００'), /lines\[0\]\.debit/],
    ['an empty amount', withBoth(''), /lines\[0\]\.debit/],
    ['a point without digits', withBoth('1000.'), /lines\[0\]\.debit/],
    ['a fraction that the won does not have', withBoth('0.5'), /lines\[0\]\.debit/],
    ['39 digits', withBoth('9'.repeat(39)), /lines\[0\]\.debit/],
    ['a huge amount', withBoth('9'.repeat(10_000)), /lines\[0\]\.debit/],
    ['null', withAmount(null), /lines\[0\]\.debit/],
    ['true', withAmount(true), /lines\[0\]\.debit/],
    ['a list as amount', withAmount(['1000']), /lines\[0\]\.debit/],
    ['an unknown account', withAccount('99999'), /lines\[0\]\.account/],
    ['a group account', withAccount('11000'), /lines\[0\]\.account/],
    ['an empty account', withAccount(''), /lines\[0\]\.account/],
    ['an account that is a number', withAccount(11_210), /lines\[0\]\.account/],
    ['an account with a colon', withAccount('11210:2026'), /lines\[0\]\.account/],
    ['an account from the prototype', withAccount('__proto__'), /lines\[0\]\.account/],
    ['a memo that is none', withLines({ ...good.lines[0], memo: 5 }, good.lines[1]), /lines\[0\]\.memo/],
    ['a memo with NUL', withLines({ ...good.lines[0], memo: 'a\u0000b' }, good.lines[1]), /lines\[0\]\.memo/],
    ['an empty id', withId(''), /`id`/],
    ['an id that is a number', withId(7), /`id`/],
    ['an id of null', withId(null), /`id`/],
    ['an id with a colon', withId('a:b'), /`id`/],
    ['an id with braces', withId('a{b}'), /`id`/],
    ['an id with a star', withId('*'), /`id`/],
    ['an id with brackets', withId('[a]'), /`id`/],
    ['an id with NUL', withId('a\u0000b'), /`id`/],
    ['an id with CR LF', withId('a\r\nSET x y'), /`id`/],
    ['an id of 10 kB', withId('x'.repeat(10_240)), /`id`/],
    ['an id in decomposed Hangul', withId('전표'.normalize('NFD')), /`id`/],
    ['an id with half a surrogate pair', withId('a\ud800'), /`id`/],
    ['a date that is none', { ...good, date: '2026-02-30' }, /date/],
    ['a date with a time', { ...good, date: '2026-01-31T00:00:00Z' }, /date/],
    ['a fiscal year as text', { ...good, fiscalYear: '2026' }, /fiscalYear/],
    ['half a fiscal year', { ...good, fiscalYear: 2026.5 }, /fiscalYear/],
    ['a date of another fiscal year', { ...good, date: '2031-06-01' }, /2031, the fiscal year of 2031-06-01/],
    ['no id', without('id'), /`id`/],
    ['no date', without('date'), /date/],
    ['no fiscal year', without('fiscalYear'), /fiscalYear/],
    ['no lines', without('lines'), /lines/],
    ['an empty object', {}, /must be/],
    ['a list', [good], /body/],
  ])('%s', async (_, body, named) => {
    const { status, code, message } = await refused(body)
    expect([status, code]).toEqual([
      422,
      expect.stringMatching(/^(VOUCHER_INVALID|INVALID_AMOUNT|INVALID_INPUT)$/),
    ])
    expect(message).toMatch(named)
    expect(message.length).toBeLessThan(400)
  })

  it('a body that is a text, a number or null', async () => {
    for (const body of ['"text"', '5', 'null', 'true']) expect((await refused(body)).status).toBe(422)
  })

  it('no body at all', async () => {
    expect((await refused('')).status).toBe(422)
  })
})

describe('A request that is no JSON is refused with 400, changes nothing and keeps the connection:', () => {
  it.each([
    ['half an object', '{'],
    ['a comma too many', '{"id":"x",}'],
    ['NaN', '{"amount":NaN}'],
    ['single quotes', "{'id':'x'}"],
    ['a form', 'id=x&date=y'],
    ['NUL', '\u0000'],
    ['50,000 open brackets', '['.repeat(50_000)],
    ['a poisoned prototype', '{"id":"x","__proto__":{"lines":[]}}'],
  ])('%s', async (_, body) => {
    expect((await refused(body)).status).toBe(400)
  })

  it('bytes that are no UTF-8', async () => {
    expect((await refused(Buffer.from([0x22, 0xff, 0xfe, 0x22]))).status).toBe(400)
  })
})

describe('A hostile id in the path', () => {
  it.each([
    ['NUL', '%00'],
    ['a colon', 'a%3Ab'],
    ['a hash tag', '%7Bc2%7D'],
    ['a star', '*'],
    ['brackets', '%5B1-9%5D'],
    ['10 kB', 'x'.repeat(10_240)],
    ['decomposed Hangul', encodeURIComponent('전표'.normalize('NFD').repeat(500))],
    ['CR LF', '%0d%0aSET%20x%20y'],
    ['a name of the prototype', '__proto__'],
    ['a path', '..%2f..%2fetc'],
  ])('finds nothing and breaks nothing: %s', async (_, id) => {
    const before = await send('/trial-balance?fiscalYear=2026')
    const answers = [
      await send(`/vouchers/${id}`),
      await send(`/vouchers/${id}/reverse`, 'POST', { id: 'reversal' }),
      await send(`/vouchers/${id}/approve`, 'POST', {}),
      await send(`/accounts/${id}/ledger?fiscalYear=2026`),
      await send(`/balances?accounts=${id}&fiscalYear=2026`),
    ]
    for (const answer of answers) {
      expect([404, 422]).toContain(answer.status)
      expect(fieldOf(answer.body, 'error', 'retryable')).toBe(false)
      expect(answer.localPort).toBe(before.localPort)
    }
    expect((await send('/trial-balance?fiscalYear=2026')).body).toMatchObject({
      balances: fieldOf(before.body, 'balances'),
    })
  })
})

it('After all that, a good voucher is posted over the same connection', async () => {
  const posted = await send('/vouchers', 'POST', saleOf('after', '1000'))
  expect(posted.status).toBe(201)
  expect(fieldOf((await send('/audit')).body, 'ok')).toBe(true)
})
