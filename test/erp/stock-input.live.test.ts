import { Agent } from 'node:http'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { freshDatabase, sql } from './erp-database.js'
import {
  type Answer,
  type CompanyClient,
  type ErpProcess,
  exchange,
  fieldOf,
  startErp,
} from './erp-process.js'

let erp: ErpProcess
let client: CompanyClient
let databaseUrl: string
let agent: Agent
beforeAll(async () => {
  databaseUrl = await freshDatabase(inject('databaseUrl'))
  erp = await startErp({ DATABASE_URL: databaseUrl })
  client = await erp.as('c1')
  agent = new Agent({ keepAlive: true, maxSockets: 1 })
  await client.post('/stock/adjust', { movementId: 'good', item: 'A', warehouse: 'W1', quantity: '100' })
})
afterAll(async () => {
  agent.destroy()
  await erp.stop()
})

/** Always over the one connection. */
function send(path: string, method = 'GET', body?: unknown): Promise<Answer> {
  const headers = { authorization: `Bearer ${client.token}` }
  return exchange(agent, erp.url, `/companies/c1${path}`, { method, body, headers })
}

/** Sends, and proves that it was refused with 422 and left the connection open. */
async function refused(kind: string, body: unknown): Promise<string> {
  const before = await send('/stock?item=A')
  const answer = await send(`/stock/${kind}`, 'POST', body)
  const after = await send('/stock?item=A')
  expect(answer.status, answer.text).toBe(422)
  expect(fieldOf(after.body, 'stock', 0)).toMatchObject({ quantity: '100', version: 1 })
  expect([answer.localPort, after.localPort]).toEqual([before.localPort, before.localPort])
  expect(fieldOf(answer.body, 'error')).toEqual({
    code: expect.stringMatching(/^(INVALID_AMOUNT|INVALID_INPUT|MOVEMENT_INVALID)$/) as string,
    message: expect.any(String) as string,
    retryable: false,
  })
  return String(fieldOf(answer.body, 'error', 'message'))
}

const adjustment = { movementId: 'bad', item: 'A', warehouse: 'W1', quantity: '1' }
const transfer = { movementId: 'bad', item: 'A', from: 'W1', to: 'W2', quantity: '1' }
const reservation = {
  reservationId: 'bad',
  lines: [{ item: 'A', warehouse: 'W1', quantity: '1' }],
  ttlSeconds: 60,
}
const withLine = (change: object): object => ({
  ...reservation,
  lines: [reservation.lines[0], { ...reservation.lines[0], ...change }],
})

const BAD_QUANTITIES: readonly (readonly [string, unknown])[] = [
  ['zero', '0'],
  ['zero with decimals', '0.000'],
  ['minus zero', '-0'],
  ['the text NaN', 'NaN'],
  ['the text Infinity', '-Infinity'],
  ['an exponent', '1e3'],
  ['a JSON number', 1],
  ['a JSON number above 2^53', 9_007_199_254_740_993],
  ['a fourth decimal', '1.0001'],
  ['19 digits', '9'.repeat(19)],
  ['10,000 digits', '9'.repeat(10_000)],
  ['a comma', '1,000'],
  ['a plus sign', '+1'],
  ['a space', ' 1'],
  ['a hexadecimal number', '0x1'],
  ['leading zeros', '001'],
  ['full-width digits', '１'],
  ['nothing', ''],
  ['a point without digits', '1.'],
  ['null', null],
  ['true', true],
  ['a list', ['1']],
]

const BAD_NAMES: readonly (readonly [string, unknown])[] = [
  ['empty', ''],
  ['a number', 7],
  ['null', null],
  ['with a colon', 'a:b'],
  ['with a hash tag', '{c2}'],
  ['a star', '*'],
  ['with brackets', '[a]'],
  ['with a backslash', 'a\\b'],
  ['with NUL', 'a\u0000b'],
  ['with CR LF', 'a\r\nSET x y'],
  ['of 129 characters', 'x'.repeat(129)],
  ['of 10 kB', 'x'.repeat(10_240)],
  ['in decomposed Hangul', '재고'.normalize('NFD')],
  ['with half a surrogate pair', 'a\ud800'],
  ['with spaces at the ends', ' a '],
]

describe('A movement that cannot be is refused with 422, changes nothing and keeps the connection:', () => {
  it.each(BAD_QUANTITIES)('a quantity that is %s', async (_, quantity) => {
    expect(await refused('adjust', { ...adjustment, quantity })).toMatch(/quantity/)
    expect(await refused('transfer', { ...transfer, quantity })).toMatch(/quantity/)
    expect(await refused('reserve', withLine({ quantity }))).toMatch(/lines\[1\]\.quantity/)
  })

  it('a quantity below zero where goods are sent or kept', async () => {
    expect(await refused('transfer', { ...transfer, quantity: '-1' })).toMatch(/quantity/)
    expect(await refused('reserve', withLine({ quantity: '-1' }))).toMatch(/quantity/)
  })

  it.each(BAD_NAMES)('a name that is %s', async (_, name) => {
    expect(await refused('adjust', { ...adjustment, movementId: name })).toMatch(/movementId/)
    expect(await refused('adjust', { ...adjustment, item: name })).toMatch(/item/)
    expect(await refused('adjust', { ...adjustment, warehouse: name })).toMatch(/warehouse/)
    expect(await refused('transfer', { ...transfer, to: name })).toMatch(/to/)
    expect(await refused('reserve', { ...reservation, reservationId: name })).toMatch(/reservationId/)
    expect(await refused('reserve', withLine({ item: name }))).toMatch(/lines\[1\]\.item/)
    expect(await refused('confirm', { reservationId: name })).toMatch(/reservationId/)
    expect(await refused('cancel', { reservationId: name })).toMatch(/reservationId/)
  })

  it.each(['W9', 'w1', '__proto__', 'constructor'])('an unknown warehouse: %s', async (warehouse) => {
    expect(await refused('adjust', { ...adjustment, warehouse })).toMatch(/warehouse/)
    expect(await refused('transfer', { ...transfer, to: warehouse })).toMatch(/warehouse/)
    expect(await refused('transfer', { ...transfer, from: warehouse })).toMatch(/warehouse/)
    expect(await refused('reserve', withLine({ warehouse }))).toMatch(/warehouse/)
  })

  it('a transfer to itself', async () => {
    expect(await refused('transfer', { ...transfer, to: 'W1' })).toMatch(/to/)
  })

  it('a reservation of nothing, of too many lines, or of what is no list', async () => {
    const many = Array.from({ length: 1_001 }, () => reservation.lines[0])
    for (const lines of [[], many, undefined, null, {}, 'A', [null], ['A'], [[]]]) {
      expect(await refused('reserve', { ...reservation, lines })).toMatch(/lines/)
    }
  })

  it.each([0, -1, 0.5, 1e12, '60', null, undefined, true, [60]])('a ttl of %j', async (ttlSeconds) => {
    expect(await refused('reserve', { ...reservation, ttlSeconds })).toMatch(/ttlSeconds/)
  })

  it('a body that is no object, or lacks a field', async () => {
    for (const kind of ['adjust', 'transfer', 'reserve', 'confirm', 'cancel']) {
      for (const body of [{}, [], '"text"', '5', 'null', '']) await refused(kind, body)
    }
    for (const name of Object.keys(adjustment)) {
      expect(await refused('adjust', { ...adjustment, [name]: undefined })).toMatch(name)
    }
    for (const name of Object.keys(transfer)) {
      expect(await refused('transfer', { ...transfer, [name]: undefined })).toMatch(name)
    }
  })

  it.each([
    '',
    'warehouse=W1',
    'item=',
    'item=A&item=B',
    'item=A&warehouse=',
    'item=A&warehouse=W1&warehouse=W2',
    'item=a%3Ab',
    'item=%7Bc2%7D',
    'item=*',
    'item=a%00',
    'item=A&warehouse=%0d%0a',
    `item=${'x'.repeat(10_240)}`,
    `item=${encodeURIComponent('재고'.normalize('NFD'))}`,
  ])('a question for the stock of %s', async (query) => {
    const answer = await send(`/stock?${query}`)
    expect([answer.status, fieldOf(answer.body, 'error', 'retryable')]).toEqual([422, false])
  })
})

it('After all that the database has the one good movement, and takes the next over the same connection', async () => {
  const movements = await sql(databaseUrl, 'SELECT id FROM kerp.stock_movement')
  expect(movements).toEqual([{ id: 'good' }])
  expect(await sql(databaseUrl, 'SELECT item FROM kerp.stock')).toEqual([{ item: 'A' }])
  expect((await send('/stock/adjust', 'POST', adjustment)).body).toMatchObject({
    quantity: '101',
    version: 2,
  })
  expect(fieldOf((await send('/audit')).body, 'ok')).toBe(true)
})
