/** Two processes want the same goods: the last ones are granted once, and a late holder of a lock writes nothing. */

import { openPrivatePostgres, type PrivatePostgres } from '@kerp/postgres/testing'
import { openPrivateRedis, type PrivateRedis } from '@kerp/redis/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { setTimeout as wait } from 'node:timers/promises'
import { type OwnStock, ownStock } from '../postgres/own-stock.js'
import { freshCompany } from '../support/fresh-company.js'
import { type GrabOrder, StockChild } from './stock-processes.js'

const FULL = process.env['KERP_TEST_FULL'] === '1'
const LAST_GOODS = FULL ? 1_000 : 120
const STOPS = FULL ? 20 : 2
const ITEMS_PER_STOP = 10

let postgres: PrivatePostgres
let redis: PrivateRedis
let database: OwnStock

beforeAll(async () => {
  postgres = await openPrivatePostgres({ settings: { max_connections: 100 } })
  redis = await openPrivateRedis()
  database = await ownStock(postgres.url)
})

afterAll(async () => {
  await database.close()
  await redis.close()
  await postgres.close()
})

test('the last goods are granted once, however two processes ask for them at once', async () => {
  await using left = await StockChild.start(redis.socketPath, database.url)
  await using right = await StockChild.start(redis.socketPath, database.url)
  const companyId = freshCompany()
  const stock = database.stock()
  const items = Array.from({ length: LAST_GOODS }, (_, n) => `I${n}`)
  await Promise.all(
    items.map((item) =>
      stock.adjust({ companyId, movementId: `in-${item}`, item, warehouse: 'W1', quantity: 1_000n }),
    ),
  )
  const ways: readonly (readonly [GrabOrder['how'], GrabOrder['how']])[] = [
    ['reserve', 'reserve'],
    ['reserve', 'adjust'],
    ['transfer', 'reserve'],
    ['adjust', 'transfer'],
  ]
  let leftGrants = 0
  for (const [n, item] of items.entries()) {
    const [first, second] = ways[n % ways.length] ?? ['reserve', 'reserve']
    left.tell({ do: 'grab', companyId, item, id: `l-${item}`, how: first })
    right.tell({ do: 'grab', companyId, item, id: `r-${item}`, how: second })
    const codes = [(await left.hear('grabbed')).code, (await right.hear('grabbed')).code]
    expect([...codes].sort(), item).toEqual(['INSUFFICIENT_STOCK', 'resolved'])
    if (codes[0] === 'resolved') leftGrants += 1
  }
  expect(await stock.audit(companyId)).toMatchObject({ ok: true, movements: 2 * LAST_GOODS })
  console.log(
    `last goods: ${LAST_GOODS} rounds, ${leftGrants} to the one, ${LAST_GOODS - leftGrants} to the other`,
  )
})

test.each([
  ['in one transaction', true],
  ['in two transactions', false],
])(
  'a late holder cannot write between the new holder’s first look and its write, %s',
  async (_words, inOne) => {
    await using late = await StockChild.start(redis.socketPath, database.url)
    await using next = await StockChild.start(redis.socketPath, database.url)
    const stock = database.stock()
    let refused = 0
    for (let stop = 0; stop < STOPS; stop += 1) {
      const companyId = freshCompany()
      const items = Array.from({ length: ITEMS_PER_STOP }, (_, n) => `I${n}`)
      await Promise.all(
        items.map((item) =>
          stock.adjust({ companyId, movementId: `in-${item}`, item, warehouse: 'W1', quantity: 1_000n }),
        ),
      )
      late.tell({ do: 'hold', companyId, items, ttlMs: 400 })
      const { fences } = await late.hear('holding')
      late.pause()
      late.tell({ do: 'writeLate', companyId, fences })
      next.tell({ do: 'section', companyId, items, ttlMs: 20_000, inOne })
      await next.hear('looked')
      late.resume()
      // In one transaction the late writes wait for the row until the section has ended; in two they come between.
      if (inOne) await wait(50)
      else refused += codesRefused(await late.hear('wroteLate'))
      next.tell({ do: 'finish' })
      expect((await next.hear('finished')).left).toEqual(items.map(() => '0'))
      if (inOne) refused += codesRefused(await late.hear('wroteLate'))
      expect(await stock.audit(companyId)).toMatchObject({
        ok: true,
        onHand: 0n,
        movements: 2 * ITEMS_PER_STOP,
      })
    }
    expect(refused).toBe(STOPS * ITEMS_PER_STOP)
    console.log(`late holders: ${refused} writes refused`)
  },
)

function codesRefused({ codes }: { readonly codes: readonly string[] }): number {
  return codes.filter((code) => code === 'FENCED').length
}
