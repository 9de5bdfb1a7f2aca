/** Every read of stock against a plain oracle: movements of eight companies that use the same ids, items and warehouses. */

import type { RegisterImage } from '@kerp/core'
import { byBytes, seededRandom } from '@kerp/core/testing'
import { EventLog, RegisterRows, type StockLedger } from '@kerp/postgres'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { allPages, CODES, COMPANIES, expectSame, PAGE_SIZES, together } from './oracle.js'
import { type OwnStock, ownStock } from './own-stock.js'

const SEED = 20_261_202
const WAREHOUSES = ['W1', 'W10', 'W2', '본사'] as const
const ITEMS = [...CODES, ...Array.from({ length: 60 }, (_, n) => `i${n}`)]
const MOVEMENTS = 150

/** What a row comes to, and how often it changed. */
interface Row {
  onHand: bigint
  reserved: bigint
  version: number
}

/** Rows of one company by item and warehouse, added to and taken from as a clerk would on paper. */
class StockBook {
  readonly rows = new Map<string, Row>()
  movements = 0
  transfers = 0
  lines = 0
  readonly held = new Map<string, readonly (readonly [string, bigint])[]>()

  constructor(readonly companyId: string) {}

  row(name: string): Row {
    return this.rows.get(name) ?? { onHand: 0n, reserved: 0n, version: 0 }
  }

  /** The rows after one movement, in the order in which it names them. */
  change(
    changes: readonly (readonly [name: string, onHand: bigint, reserved: bigint])[],
  ): readonly RegisterImage[] {
    this.movements += 1
    this.lines += changes.length
    return changes.map(([name, onHand, reserved]) => {
      const { onHand: before, reserved: held, version } = this.row(name)
      this.rows.set(name, { onHand: before + onHand, reserved: held + reserved, version: version + 1 })
      return this.imageOf(name)
    })
  }

  imageOf(name: string): RegisterImage {
    const { onHand, reserved, version } = this.row(name)
    const [item = '', warehouse = ''] = name.split('\n')
    const ref = { companyId: this.companyId, family: 'inventory' as const, parts: [item, warehouse] as const }
    return { ref, version, fields: [String(onHand), String(reserved)] }
  }

  listed(warehouse?: string): readonly RegisterImage[] {
    return [...this.rows.keys()]
      .map((name) => this.imageOf(name))
      .filter(({ ref }) => warehouse === undefined || ref.parts[1] === warehouse)
      .sort((a, b) => byBytes(a.ref.parts[0], b.ref.parts[0]) || byBytes(a.ref.parts[1], b.ref.parts[1]))
  }
}

let database: OwnStock
let stock: StockLedger
const books = COMPANIES.map((companyId) => new StockBook(companyId))

beforeAll(async () => {
  database = await ownStock(inject('databaseUrl'))
  stock = database.stock()
  await Promise.all(books.map((book, index) => moveGoods(book, SEED + index)))
}, 120_000)

afterAll(() => database.close())

/** Moves goods one after the other, and compares each answer with the book. */
async function moveGoods(book: StockBook, seed: number): Promise<void> {
  const { companyId } = book
  const random = seededRandom(seed)
  const below = (bound: number): number => Math.floor(random.fraction() * bound)
  const oneOf = <T>(list: readonly T[]): T => list[below(list.length)] as T
  const quantity = (): bigint => BigInt(1 + below(9_000)) * (below(20) === 0 ? 10n ** 12n : 1n)
  for (let n = 0; n < MOVEMENTS; n += 1) {
    const fresh = `${oneOf(ITEMS)}\n${oneOf(WAREHOUSES)}`
    const name = n < 60 || below(4) === 0 ? fresh : oneOf([...book.rows.keys()])
    const [item = '', warehouse = ''] = name.split('\n')
    const { onHand, reserved } = book.row(name)
    const free = onHand - reserved
    const kind = free === 0n ? 0 : below(4)
    const movementId = `m${n}`
    if (kind === 0) {
      const added = quantity()
      const { images } = await stock.adjust({ companyId, movementId, item, warehouse, quantity: added })
      expectSame(images, book.change([[name, added, 0n]]))
    } else if (kind === 1) {
      const refused = stock.adjust({ companyId, movementId, item, warehouse, quantity: -free - 1n })
      await expect(refused).rejects.toMatchObject({ code: 'INSUFFICIENT_STOCK' })
      const { images } = await stock.adjust({ companyId, movementId, item, warehouse, quantity: -free })
      expectSame(images, book.change([[name, -free, 0n]]))
    } else if (kind === 2) {
      const to = oneOf(WAREHOUSES.filter((other) => other !== warehouse))
      const moved = (free + 1n) / 2n
      const { images } = await stock.transfer({
        companyId,
        movementId,
        item,
        from: warehouse,
        to,
        quantity: moved,
      })
      expectSame(
        images,
        book.change([
          [name, -moved, 0n],
          [`${item}\n${to}`, moved, 0n],
        ]),
      )
      book.transfers += 1
    } else {
      const lines = [{ item, warehouse, quantity: free }]
      const reservationId = `h${n}`
      const { images } = await stock.reserve({ companyId, reservationId, lines, ttlMs: 3_600_000 })
      expectSame(images, book.change([[name, 0n, free]]))
      const end = below(3)
      if (end === 0) book.held.set(reservationId, [[name, free]])
      if (end === 1)
        expectSame(
          (await stock.confirm({ companyId, reservationId })).images,
          book.change([[name, -free, -free]]),
        )
      if (end === 2)
        expectSame(
          (await stock.cancel({ companyId, reservationId })).images,
          book.change([[name, 0n, -free]]),
        )
    }
  }
}

test(`movements, reservations and their ends left rows in every company (seed ${SEED})`, () => {
  for (const { rows, held, transfers } of books) {
    expect(rows.size).toBeGreaterThan(50)
    expect(Math.min(held.size, transfers)).toBeGreaterThan(0)
  }
})

test.each(PAGE_SIZES)('rows of stock in pages of %i: each once, in the order of bytes', async (limit) => {
  const source = new RegisterRows({ pool: database.pool })
  await together(books, async (book) => {
    const { companyId } = book
    for (const warehouse of [undefined, ...WAREHOUSES]) {
      const secondPart = warehouse === undefined ? {} : { secondPart: warehouse }
      const found = await allPages<RegisterImage>(limit, async (last) => {
        const after = last === undefined ? {} : { after: last.ref }
        return (await source.list({ companyId, family: 'inventory', ...secondPart, ...after, limit })).images
      })
      expectSame(found, book.listed(warehouse))
    }
  })
})

test('audits of stock count what was moved, and what is still held', async () => {
  for (const book of books) {
    const { companyId, movements, transfers, lines, held } = book
    const rows = [...book.rows.values()]
    expect(await stock.audit(companyId)).toMatchObject({
      ...{ companyId, ok: true, rows: rows.length, movements, transfers, lines, heldReservations: held.size },
      onHand: rows.reduce((sum, { onHand }) => sum + onHand, 0n),
      reserved: rows.reduce((sum, { reserved }) => sum + reserved, 0n),
    })
  }
})

test('the events of a row end with the row as it stands', async () => {
  const log = new EventLog({ pool: database.pool, deadlineMs: 60_000 })
  while ((await log.advance({ limit: 99 })).isMore);
  await together(books, async (book) => {
    const { events } = await log.read({ companyId: book.companyId, after: '0', limit: 10_000 })
    const last = new Map(
      events.map(({ payload }) => {
        const { item, warehouse, quantity, reserved, version } = payload as Record<string, unknown>
        return [`${String(item)}\n${String(warehouse)}`, { version, fields: [quantity, reserved] }]
      }),
    )
    expect(last.size).toBe(book.rows.size)
    for (const [name, state] of last) {
      const { version, fields } = book.imageOf(name)
      expectSame(state, { version, fields })
    }
    expect(await log.audit(book.companyId)).toMatchObject({ ok: true, position: String(events.length) })
  })
})

test('reservations of all companies expire once each, by moment and name, however many one sweep may end', async () => {
  const due = books.flatMap((book) => [...book.held].map(([id, changes]) => ({ book, id, changes })))
  due.sort((a, b) => byBytes(a.book.companyId, b.book.companyId) || byBytes(a.id, b.id))
  await database.pool.query(`UPDATE kerp.reservation SET expires_at = $1 WHERE state = 'held'`, [new Date(0)])
  let at = 0
  for (const limit of [...PAGE_SIZES, ...PAGE_SIZES]) {
    const { expired, isMore } = await stock.expire({ limit })
    const expected = due.slice(at, at + limit)
    at += expected.length
    expect(isMore).toBe(expected.length === limit)
    expectSame(
      expired.map(({ companyId, reservationId, state }) => [companyId, reservationId, state]),
      expected.map(({ book, id }) => [book.companyId, id, 'expired']),
    )
    for (const { book, changes } of expected) book.change(changes.map(([name, held]) => [name, 0n, -held]))
  }
  expect(at).toBe(due.length)
  for (const book of books) {
    const { images } = await new RegisterRows({ pool: database.pool }).list({
      ...{ companyId: book.companyId, family: 'inventory' as const, limit: 1_000 },
    })
    expectSame(images, book.listed())
  }
})
