/** Whatever name is taken is taken by all layers, and what one of them would refuse is refused before the commit. */

import { anyAccount, anyWarehouse } from '@kerp/postgres'
import { Realtime } from '@kerp/realtime'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest'
import { type OwnDatabase, ownDatabase, twoLines } from '../postgres/own-database.js'
import { freshCompany } from '../support/fresh-company.js'

/** 126 bytes, and one syllable more. */
const LONGEST = '가'.repeat(42)
const TOO_LONG = '가'.repeat(43)

let database: OwnDatabase
beforeAll(async () => {
  database = await ownDatabase(inject('databaseUrl'))
})
afterAll(() => database.close())

function service(): { readonly realtime: Realtime; readonly companyId: string } {
  const redis = new Redis({ path: inject('redisSocket') })
  const { pool } = database
  const realtime = new Realtime({ redis, pool, accounts: anyAccount, warehouses: anyWarehouse })
  onTestFinished(async () => {
    await realtime.close()
    redis.disconnect()
  })
  return { realtime, companyId: freshCompany() }
}

test('the longest names in Hangul are posted, relayed, cached, read and audited', async () => {
  const { realtime, companyId } = service()
  const { ledger, balances, stock, relay } = realtime
  const posted = await ledger.post(twoLines(companyId, LONGEST, 5n, { debit: LONGEST }))
  await balances.apply(posted)
  await stock.adjust({ companyId, movementId: LONGEST, item: LONGEST, warehouse: LONGEST, quantity: 7n })
  expect(await relay.tick()).toMatchObject({ ok: true })
  for (let read = 0; read < 3; read += 1) {
    expect((await balances.get({ companyId, account: LONGEST, fiscalYear: 2026 })).debit).toBe(5n)
    expect((await stock.get({ companyId, item: LONGEST, warehouse: LONGEST })).onHand).toBe(7n)
  }
  expect(await balances.audit(companyId, { fiscalYear: 2026 })).toMatchObject({ rows: 2, different: 0 })
  expect(await stock.audit(companyId)).toMatchObject({ rows: 1, different: 0 })
})

test('a name that a key has no room for is refused before the commit, by its field', async () => {
  const { realtime, companyId } = service()
  const { ledger, stock } = realtime
  const movement = { companyId, movementId: 'M', item: 'A', warehouse: 'W1', quantity: 1n }
  const refused = (field: string) => ({ field, retryable: false })
  await expect(ledger.post(twoLines(companyId, TOO_LONG))).rejects.toMatchObject(refused('id'))
  await expect(ledger.post(twoLines(companyId, 'V', 1n, { credit: TOO_LONG }))).rejects.toMatchObject(
    refused('lines[1].account'),
  )
  for (const [field, wrong] of [
    ['movementId', { movementId: TOO_LONG }],
    ['item', { item: TOO_LONG }],
    ['warehouse', { warehouse: TOO_LONG }],
  ] as const) {
    await expect(stock.adjust({ ...movement, ...wrong })).rejects.toMatchObject(refused(field))
  }
  await expect(stock.get({ companyId, item: 'A', warehouse: TOO_LONG })).rejects.toMatchObject({
    code: 'INVALID_KEY',
    field: 'warehouse',
  })
  await expect(ledger.voucher(companyId, 'V')).rejects.toMatchObject({ code: 'VOUCHER_NOT_FOUND' })
})

test('a name is one name, however its syllables are composed', async () => {
  const { realtime, companyId } = service()
  const { ledger, balances, stock, registers } = realtime
  const [composed, decomposed] = ['사과'.normalize('NFC'), '사과'.normalize('NFD')]
  await balances.apply(await ledger.post(twoLines(companyId, 'V', 5n, { debit: decomposed })))
  expect((await balances.get({ companyId, account: composed, fiscalYear: 2026 })).debit).toBe(5n)
  expect((await balances.get({ companyId, account: decomposed, fiscalYear: 2026 })).debit).toBe(5n)
  const place = { companyId, warehouse: 'W1', quantity: 1n }
  await stock.adjust({ ...place, movementId: 'M1', item: composed })
  await stock.adjust({ ...place, movementId: 'M2', item: decomposed })
  for (const item of [decomposed, composed]) {
    expect(await stock.get({ companyId, item, warehouse: 'W1' })).toMatchObject({
      item: composed,
      onHand: 2n,
    })
  }
  const ref = { companyId, family: 'inventory', parts: [decomposed, 'W1'] } as const
  for (const cut of [true, false]) {
    const [reading] = await registers.getMany(companyId, [ref], { cut })
    expect(reading?.image.version).toBe(2)
  }
})

test('a call with what is no argument of it is refused in words', async () => {
  const { realtime, companyId } = service()
  const { balances, stock, registers } = realtime
  const none = undefined as never
  const refused = (field: string) => ({ code: 'INVALID_INPUT', field, retryable: false })
  const voucher = twoLines(companyId, 'V') as never
  await expect(balances.apply(voucher)).rejects.toMatchObject(refused('committed'))
  await expect(balances.apply({ epoch: 'e', images: [{}] } as never)).rejects.toMatchObject(
    refused('images[0]'),
  )
  await expect(balances.get(none)).rejects.toMatchObject(refused('ref'))
  await expect(stock.get(none)).rejects.toMatchObject(refused('ref'))
  await expect(balances.getMany(none)).rejects.toMatchObject(refused('refs'))
  await expect(stock.getMany(companyId, none)).rejects.toMatchObject(refused('refs'))
  await expect(registers.getMany(companyId, none)).rejects.toMatchObject(refused('refs'))
  expect(() => balances.peek(none)).toThrow(/`ref` must be an object with companyId, account and fiscalYear/)
  expect(() => stock.peek(none)).toThrow(/`ref` must be an object with companyId, item and warehouse/)
})
