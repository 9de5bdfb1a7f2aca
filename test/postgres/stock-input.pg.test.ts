/** Bad input: a typed error that names the field, and nothing changed. */

import { InvalidInputError, parseQuantity } from '@kerp/core'
import type { StockLedger } from '@kerp/postgres'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import { adjustment, codeOf, type OwnStock, ownStock, stocked } from './own-stock.js'

let database: OwnStock
let stock: StockLedger

beforeAll(async () => {
  database = await ownStock(inject('databaseUrl'))
  stock = database.stock()
})

afterAll(() => database.close())

/** Calls as JavaScript would, with whatever it likes. */
async function refusal(
  method: 'adjust' | 'transfer' | 'reserve' | 'confirm',
  input: object,
): Promise<unknown> {
  const call = stock[method].bind(stock) as (given: object) => Promise<unknown>
  return call(input).then(
    () => 'resolved',
    (error: unknown) => (error instanceof InvalidInputError ? [error.code, error.field] : error),
  )
}

const HOSTILE = ['', ' ', 'a:b', '{x}', '*', '?', '[', 'a\\b', 'a\0b', 'a\r\nb', '\ud800', 'x'.repeat(10_000)]

describe('a quantity', () => {
  const texts = ['NaN', '1e3', '1.0005', '1,000', '+1', ' 1', '0x10', '1.', '9'.repeat(19)]

  test.each(texts)('written as %s is refused where it is read', (text) => {
    expect(() => parseQuantity(text)).toThrow(InvalidInputError)
  })

  test.each([0n, 5, NaN, '5', 1.5, null, undefined, 10n ** 18n, -(10n ** 18n)])(
    'of %s is refused by an adjustment',
    async (quantity) => {
      const companyId = freshCompany()
      expect(await refusal('adjust', { ...adjustment(companyId, 'm1', 1n), quantity })).toEqual([
        'MOVEMENT_INVALID',
        'quantity',
      ])
    },
  )

  test.each([0n, -1n, 5, '5'])('of %s is refused by a transfer and a reservation', async (quantity) => {
    const companyId = freshCompany()
    const transfer = { companyId, movementId: 'm', item: 'A', from: 'W1', to: 'W2', quantity }
    expect(await refusal('transfer', transfer)).toEqual(['MOVEMENT_INVALID', 'quantity'])
    const lines = [{ item: 'A', warehouse: 'W1', quantity }]
    const reservation = { companyId, reservationId: 'r', lines, ttlMs: 1_000 }
    expect(await refusal('reserve', reservation)).toEqual(['MOVEMENT_INVALID', 'lines[0].quantity'])
  })
})

test.each(HOSTILE)('the hostile name %j is refused wherever it stands', async (name) => {
  const companyId = freshCompany()
  const good = adjustment(companyId, 'm1', 1n)
  for (const field of ['companyId', 'movementId', 'item', 'warehouse']) {
    expect(await refusal('adjust', { ...good, [field]: name })).toEqual(['MOVEMENT_INVALID', field])
  }
  expect(await refusal('confirm', { companyId, reservationId: name })).toEqual([
    'MOVEMENT_INVALID',
    'reservationId',
  ])
})

test('a name that its register key has no room for is refused, before it is stored', async () => {
  const companyId = freshCompany()
  const long = '가'.repeat(43)
  expect(await refusal('adjust', adjustment(companyId, 'm1', 1n, { item: long }))).toEqual([
    'MOVEMENT_INVALID',
    'item',
  ])
  expect(await codeOf(stock.adjust(adjustment(companyId, 'm1', 1n, { item: '가'.repeat(42) })))).toBe(
    'resolved',
  )
})

test('two spellings of one name are one item', async () => {
  const companyId = freshCompany()
  const composed = '각'.normalize('NFC')
  await stock.adjust(adjustment(companyId, 'm1', 1n, { item: composed }))
  await stock.adjust(adjustment(companyId, 'm2', 1n, { item: composed.normalize('NFD') }))
  expect(await database.row(companyId, composed)).toEqual([2n, 0n, 2])
})

test('a transfer to itself is refused', async () => {
  const companyId = await stocked(stock, 5n)
  const transfer = { companyId, movementId: 'm', item: 'A', from: 'W1', to: 'W1', quantity: 1n }
  expect(await refusal('transfer', transfer)).toEqual(['MOVEMENT_INVALID', 'to'])
})

test.each([undefined, 0, -1, 1.5, NaN, '1000', 400 * 86_400_000 + 1])(
  'a reservation for %s ms is refused',
  async (ttlMs) => {
    const companyId = await stocked(stock, 5n)
    const lines = [{ item: 'A', warehouse: 'W1', quantity: 1n }]
    expect(await refusal('reserve', { companyId, reservationId: 'r', lines, ttlMs })).toEqual([
      'MOVEMENT_INVALID',
      'ttlMs',
    ])
    expect(await database.row(companyId)).toEqual([5n, 0n, 1])
  },
)

test.each([undefined, null, [], 'A', [null], [[]], Array.from({ length: 1_001 }, () => ({}))])(
  'a reservation of %j is refused',
  async (lines) => {
    const companyId = freshCompany()
    const found = await refusal('reserve', { companyId, reservationId: 'r', lines, ttlMs: 1_000 })
    expect(found).toEqual(['MOVEMENT_INVALID', expect.stringMatching(/^lines/)])
  },
)

test.each([-1, '1e3', '01', '-1', 1n, '9'.repeat(19)])('the fence %s is refused', async (fence) => {
  const companyId = await stocked(stock, 5n)
  expect(await refusal('adjust', { ...adjustment(companyId, 'm', 1n), fence })).toEqual([
    'INVALID_INPUT',
    'fence',
  ])
})

test('a sweep of nothing, or of everything, is refused', async () => {
  for (const limit of [0, -1, 1.5, 1_001]) expect(await codeOf(stock.expire({ limit }))).toBe('INVALID_INPUT')
})
