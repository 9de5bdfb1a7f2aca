import { openPrivateRedis } from '@kerp/redis/testing'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { freshDatabase } from './erp-database.js'
import {
  type Answer,
  type CompanyClient,
  type ErpProcess,
  fieldOf,
  refusalIn,
  startErp,
} from './erp-process.js'

let erp: ErpProcess
let client: CompanyClient
let other: CompanyClient
beforeAll(async () => {
  erp = await startErp({ DATABASE_URL: await freshDatabase(inject('databaseUrl')) })
  client = await erp.as('c1')
  other = await erp.as('c2')
})
afterAll(() => erp.stop())

const move = (kind: string, body: object): Promise<Answer> => client.post(`/stock/${kind}`, body)
const arrive = (movementId: string, item: string, quantity: string, warehouse = 'W1'): Promise<Answer> =>
  move('adjust', { movementId, item, warehouse, quantity })

/** Quantity and version by warehouse. */
async function stockOf(item: string): Promise<Readonly<Record<string, string>>> {
  const read = await client.get(`/stock?item=${encodeURIComponent(item)}`)
  expect(read.status).toBe(200)
  const rows = fieldOf(read.body, 'stock') as readonly unknown[]
  const figure = (row: unknown): string =>
    `${String(fieldOf(row, 'quantity'))} v${String(fieldOf(row, 'version'))}`
  return Object.fromEntries(rows.map((row) => [String(fieldOf(row, 'warehouse')), figure(row)]))
}

describe('Stock that is adjusted', () => {
  it('is answered with the row right after it, and the same movement again with the same answer', async () => {
    const first = await arrive('in-1', 'adjusted', '12.500')
    expect([first.status, first.body]).toEqual([
      200,
      { item: 'adjusted', warehouse: 'W1', quantity: '12.5', version: 1 },
    ])
    const out = await arrive('out-1', 'adjusted', '-12.5')
    expect(out.body).toEqual({ item: 'adjusted', warehouse: 'W1', quantity: '0', version: 2 })
    const again = await arrive('in-1', 'adjusted', '12.5')
    expect([again.status, again.text]).toEqual([200, first.text])
    expect(await stockOf('adjusted')).toEqual({ W1: '0 v2' })
  })

  it('is never less than nothing: 409 with what is there, and the same id works when goods have come', async () => {
    await arrive('short-in', 'short', '3')
    const refused = await arrive('short-out', 'short', '-5')
    expect([refused.status, refused.body]).toEqual([
      409,
      {
        error: {
          code: 'INSUFFICIENT_STOCK',
          message: expect.stringMatching(/5 of "short" in "W1" asked for, 3 available/) as string,
          retryable: false,
          shortages: [
            {
              item: 'short',
              warehouse: 'W1',
              requested: '5',
              quantity: '3',
              reserved: '0',
              available: '3',
            },
          ],
        },
      },
    ])
    await arrive('short-in-2', 'short', '2')
    expect((await arrive('short-out', 'short', '-5')).body).toMatchObject({ quantity: '0', version: 3 })
  })

  it('keeps an id for one movement: another content under it is refused with 409', async () => {
    await arrive('one-id', 'conflict', '1')
    expect(refusalIn(await arrive('one-id', 'conflict', '2'))).toEqual([409, 'MOVEMENT_CONFLICT'])
    const transfer = { movementId: 'one-id', item: 'conflict', from: 'W1', to: 'W2', quantity: '1' }
    expect(refusalIn(await move('transfer', transfer))).toEqual([409, 'MOVEMENT_CONFLICT'])
    expect(await stockOf('conflict')).toEqual({ W1: '1 v1' })
  })

  it('belongs to one company', async () => {
    await arrive('same-id', 'shared', '7')
    const body = { movementId: 'same-id', item: 'shared', warehouse: 'W2', quantity: '9' }
    expect((await other.post('/stock/adjust', body)).body).toMatchObject({ quantity: '9', version: 1 })
    expect(await stockOf('shared')).toEqual({ W1: '7 v1' })
  })
})

describe('Stock that is transferred', () => {
  it('leaves one warehouse and is in the other, once', async () => {
    await arrive('t-in', 'moved', '10')
    const body = { movementId: 't-1', item: 'moved', from: 'W1', to: 'W3', quantity: '4.25' }
    const first = await move('transfer', body)
    expect([first.status, first.body]).toEqual([
      200,
      {
        movementId: 't-1',
        stock: [
          { item: 'moved', warehouse: 'W1', quantity: '5.75', version: 2 },
          { item: 'moved', warehouse: 'W3', quantity: '4.25', version: 1 },
        ],
      },
    ])
    expect((await move('transfer', body)).text).toBe(first.text)
    expect(await stockOf('moved')).toEqual({ W1: '5.75 v2', W3: '4.25 v1' })
  })

  it('stays where it is when there is too little: both rows change, or none', async () => {
    await arrive('t-in-2', 'stuck', '1')
    const body = { movementId: 't-2', item: 'stuck', from: 'W1', to: 'W2', quantity: '1.001' }
    expect(refusalIn(await move('transfer', body))).toEqual([409, 'INSUFFICIENT_STOCK'])
    expect(await stockOf('stuck')).toEqual({ W1: '1 v1' })
  })
})

describe('Stock that is reserved', () => {
  const reserve = (
    reservationId: string,
    item: string,
    quantity: string,
    ttlSeconds = 600,
  ): Promise<Answer> =>
    move('reserve', { reservationId, ttlSeconds, lines: [{ item, warehouse: 'W1', quantity }] })

  it('is kept from others until it is cancelled, and leaves when it is confirmed', async () => {
    await arrive('r-in', 'kept', '10')
    const held = await reserve('r-1', 'kept', '8')
    expect(held.body).toEqual({
      reservationId: 'r-1',
      state: 'held',
      expiresAt: expect.any(String) as string,
      stock: [{ item: 'kept', warehouse: 'W1', quantity: '10', reserved: '8', available: '2', version: 2 }],
    })
    expect((await reserve('r-1', 'kept', '8')).text).toBe(held.text)
    const refused = await arrive('r-out', 'kept', '-3')
    expect(fieldOf(refused.body, 'error', 'shortages', 0)).toMatchObject({ quantity: '10', available: '2' })
    const cancelled = await move('cancel', { reservationId: 'r-1' })
    expect(cancelled.body).toMatchObject({ state: 'cancelled', stock: [{ quantity: '10', reserved: '0' }] })
    await reserve('r-2', 'kept', '10')
    const confirmed = await move('confirm', { reservationId: 'r-2' })
    expect(confirmed.body).toMatchObject({ state: 'confirmed', stock: [{ quantity: '0', available: '0' }] })
    expect((await move('confirm', { reservationId: 'r-2' })).text).toBe(confirmed.text)
    expect(refusalIn(await move('cancel', { reservationId: 'r-2' }))).toEqual([409, 'RESERVATION_SETTLED'])
    expect(refusalIn(await move('confirm', { reservationId: 'r-1' }))).toEqual([409, 'RESERVATION_SETTLED'])
  })

  it('is all lines or none, and lines of one row are summed', async () => {
    await arrive('rl-in', 'line-a', '5')
    const lines = [
      { item: 'line-a', warehouse: 'W1', quantity: '3' },
      { item: 'line-b', warehouse: 'W1', quantity: '1' },
    ]
    expect(refusalIn(await move('reserve', { reservationId: 'rl-1', ttlSeconds: 60, lines }))).toEqual([
      409,
      'INSUFFICIENT_STOCK',
    ])
    const [line] = lines
    const twice = { reservationId: 'rl-2', ttlSeconds: 60, lines: [line, line] }
    expect(refusalIn(await move('reserve', twice))).toEqual([409, 'INSUFFICIENT_STOCK'])
    expect(await stockOf('line-a')).toEqual({ W1: '5 v1' })
    expect(await stockOf('line-b')).toEqual({})
  })

  it('is free again when its time is up, without anyone asking, and cannot be confirmed any more', async () => {
    await arrive('rx-in', 'expiring', '2')
    await reserve('rx-1', 'expiring', '2', 1)
    await expect.poll(() => stockOf('expiring'), { timeout: 20_000, interval: 50 }).toEqual({ W1: '2 v3' })
    expect(refusalIn(await move('confirm', { reservationId: 'rx-1' }))).toEqual([409, 'RESERVATION_EXPIRED'])
    expect((await arrive('rx-out', 'expiring', '-2')).body).toMatchObject({ quantity: '0' })
    expect(refusalIn(await move('confirm', { reservationId: 'none' }))).toEqual([
      404,
      'RESERVATION_NOT_FOUND',
    ])
  })
})

describe('What is there', () => {
  it('is listed by warehouse with version and moment, and nothing for an item that was never seen', async () => {
    await arrive('l-1', 'listed item', '1', 'W3')
    await arrive('l-2', 'listed item', '2', 'W1')
    const all = await client.get('/stock?item=listed%20item')
    expect(all.body).toEqual({
      stock: [
        {
          item: 'listed item',
          warehouse: 'W1',
          quantity: '2',
          version: 1,
          asOf: expect.any(String) as string,
        },
        {
          item: 'listed item',
          warehouse: 'W3',
          quantity: '1',
          version: 1,
          asOf: expect.any(String) as string,
        },
      ],
    })
    const asOf = String(fieldOf(all.body, 'stock', 0, 'asOf'))
    expect(new Date(asOf).toISOString()).toBe(asOf)
    const one = await client.get('/stock?item=listed%20item&warehouse=W3')
    expect(fieldOf(one.body, 'stock')).toMatchObject([{ warehouse: 'W3', quantity: '1' }])
    for (const query of ['item=never', 'item=never&warehouse=W1', 'item=listed%20item&warehouse=W2']) {
      expect((await client.get(`/stock?${query}`)).body).toEqual({ stock: [] })
    }
  })

  it('is in the audit, with the transfers', async () => {
    const audit = await client.get('/audit')
    expect(fieldOf(audit.body, 'ok'), audit.text).toBe(true)
    const lines = fieldOf(audit.body, 'lines') as readonly unknown[]
    expect(lines).toEqual(
      expect.arrayContaining(
        [
          'every stock figure = Σ of its movements and ≥ 0',
          'transfers conserve',
          'every cached stock figure = its row',
        ].map((name) => expect.objectContaining({ name, ok: true, differences: 0 }) as unknown),
      ),
    )
  })
})

describe('The Redis that keeps the locks', () => {
  it('is refused at the start when it may evict them, with the fix in the message', async () => {
    await using redis = await openPrivateRedis({ args: ['--maxmemory-policy', 'allkeys-lru'] })
    const databaseUrl = await freshDatabase(inject('databaseUrl'))
    const starting = startErp({ DATABASE_URL: databaseUrl, REDIS_URL: redis.url })
    await expect(starting).rejects.toThrow(/allkeys-lru.*CONFIG SET maxmemory-policy noeviction/)
  })

  it('may be another than the one of the figures, which may evict', async () => {
    await using cache = await openPrivateRedis({ args: ['--maxmemory-policy', 'allkeys-lru'] })
    await using redis = await openPrivateRedis()
    const DATABASE_URL = await freshDatabase(inject('databaseUrl'))
    const two = await startErp({ DATABASE_URL, REDIS_URL: redis.url, REDIS_CACHE_URL: cache.url })
    try {
      const session = await two.as('c1')
      expect((await session.get('/dashboard?fiscalYear=2026')).status).toBe(200)
    } finally {
      await two.stop()
    }
  })

  it('is used with a warning when it does not show its policy', async () => {
    await using redis = await openPrivateRedis({ tcp: true })
    const admin = redis.client()
    await admin.acl('SETUSER', 'app', 'on', '>secret-of-app', '~*', '&*', '+@all', '-info')
    admin.disconnect()
    const url = new URL(redis.url)
    url.username = 'app'
    url.password = 'secret-of-app'
    const DATABASE_URL = await freshDatabase(inject('databaseUrl'))
    const shy = await startErp({ DATABASE_URL, REDIS_URL: url.href })
    try {
      expect(shy.output()).toMatch(/warning: the maxmemory-policy .*must be noeviction/)
      expect(shy.output()).not.toContain('secret-of-app')
    } finally {
      await shy.stop()
    }
  })
})
