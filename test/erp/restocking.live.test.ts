import { LockLostError, type Locks } from '@kerp/inventory-lock'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { readConfig } from '../../examples/erp/src/config.js'
import { type Erp, openErp } from '../../examples/erp/src/main.js'
import { freshDatabase, sql } from './erp-database.js'
import { Restocking } from '../../examples/erp/src/restocking.js'
import { fieldOf } from './erp-process.js'

let erp: Erp
let databaseUrl: string
let token: string
beforeAll(async () => {
  databaseUrl = await freshDatabase(inject('databaseUrl'))
  erp = await openErp(readConfig({ PORT: '0', DATABASE_URL: databaseUrl }), { say: () => undefined })
  const body = JSON.stringify({ company: 'c1', user: 'tester' })
  const headers = { 'content-type': 'application/json' }
  const opened: unknown = await (await fetch(`${erp.url}/session`, { method: 'POST', body, headers })).json()
  token = String(fieldOf(opened, 'token'))
})
afterAll(() => erp.close())

async function locksOnDashboard(): Promise<readonly unknown[]> {
  const headers = { authorization: `Bearer ${token}` }
  const answer = await fetch(`${erp.url}/companies/c1/dashboard?fiscalYear=2026`, { headers })
  return fieldOf(await answer.json(), 'locks') as readonly unknown[]
}

async function onHand(item: string): Promise<readonly (readonly [string, bigint])[]> {
  const levels = await erp.stock.getMany('c1', [
    { item, warehouse: 'W1' },
    { item, warehouse: 'W2' },
    { item, warehouse: 'W3' },
  ])
  return levels.map((level) => [level.warehouse, level.onHand])
}

const arrive = (item: string, warehouse: string, quantity: bigint): Promise<unknown> =>
  erp.stock.adjust({ companyId: 'c1', movementId: `in-${item}-${warehouse}`, item, warehouse, quantity })

describe('A section under a lock', () => {
  it('is on the dashboard with its holder and fence while it runs, and gone afterwards', async () => {
    const resource = { companyId: 'c1', type: 'stocktaking', id: 'W1' }
    const seen = await erp.locks.withLock(resource, { ttlMs: 20_000 }, async (lock) => {
      const [first] = await locksOnDashboard()
      expect(first).toEqual({
        resource: 'stocktaking:W1',
        holder: expect.stringContaining(`erp-${process.pid}.`) as string,
        fence: lock.fence,
        remainingMs: expect.any(Number) as number,
      })
      expect(fieldOf(first, 'remainingMs')).toBeGreaterThan(0)
      expect(fieldOf(first, 'remainingMs')).toBeLessThanOrEqual(20_000)
      return lock.fence
    })
    await expect.poll(locksOnDashboard, { timeout: 20_000 }).toEqual([])
    const again = await erp.locks.withLock(resource, {}, (lock) => lock.fence)
    expect(BigInt(again)).toBeGreaterThan(BigInt(seen))
  })
})

describe('A sale that is short in its warehouse', () => {
  it('is filled from the others in a fenced section, and nothing is lost on the way', async () => {
    await arrive('split', 'W1', 4_000n)
    await arrive('split', 'W2', 3_000n)
    await arrive('split', 'W3', 1_000n)
    const sale = { companyId: 'c1', movementId: 'sale-1', item: 'split', warehouse: 'W3', quantity: -8_000n }
    const sold = await erp.restocking.withdraw(sale)
    expect(sold).toMatchObject({ wasShort: true, transfers: 2, movement: { replayed: false } })
    expect(await onHand('split')).toEqual([
      ['W1', 0n],
      ['W2', 0n],
      ['W3', 0n],
    ])
    const fences = await sql(databaseUrl, `SELECT fence > 0 AS fenced FROM kerp.stock WHERE item = 'split'`)
    expect(fences).toEqual([{ fenced: true }, { fenced: true }, { fenced: true }])
    expect((await erp.restocking.withdraw(sale)).movement.replayed).toBe(true)
  })

  it('is told as its own when the lock is lost right after the goods were taken', async () => {
    await arrive('late', 'W1', 3_000n)
    let sections = 0
    const locks = Object.create(erp.locks) as Locks
    locks.withLock = async (resource, options, work) => {
      sections += 1
      const done = await erp.locks.withLock(resource, options, work)
      if (sections === 1) throw new LockLostError('restock:late', 'expired', undefined)
      return done
    }
    const sale = { companyId: 'c1', movementId: 'sale-3', item: 'late', warehouse: 'W2', quantity: -2_000n }
    const sold = await new Restocking({ stock: erp.stock, locks }).withdraw(sale)
    expect(sold).toMatchObject({ wasShort: true, movement: { replayed: false } })
    expect(sections).toBe(1)
  })

  it('is refused when all warehouses together have too little', async () => {
    await arrive('scarce', 'W1', 2_000n)
    await arrive('scarce', 'W2', 2_000n)
    const sale = { companyId: 'c1', movementId: 'sale-2', item: 'scarce', warehouse: 'W2', quantity: -5_000n }
    await expect(erp.restocking.withdraw(sale)).rejects.toMatchObject({ code: 'INSUFFICIENT_STOCK' })
    const left = await onHand('scarce')
    expect(left.reduce((sum, [, quantity]) => sum + quantity, 0n)).toBe(4_000n)
  })

  it('gets its goods among fifty that want the same, as long as there are any', async () => {
    await arrive('wanted', 'W1', 50_000n)
    const sales = Array.from({ length: 60 }, (_, index) => ({
      companyId: 'c1',
      movementId: `wanted-${index}`,
      item: 'wanted',
      warehouse: `W${1 + (index % 3)}`,
      quantity: -1_000n,
    }))
    const results = await Promise.allSettled(sales.map((sale) => erp.restocking.withdraw(sale)))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(50)
    expect((await onHand('wanted')).every(([, quantity]) => quantity === 0n)).toBe(true)
  })
})

it('Items that are evened out lie in all warehouses, in the same number', async () => {
  await arrive('even', 'W1', 9_000n)
  for (let round = 0; round < 4; round += 1) await erp.restocking.redistribute('c1', ['even', 'never'])
  const quantities = (await onHand('even')).map(([, quantity]) => quantity)
  expect(quantities.reduce((sum, quantity) => sum + quantity, 0n)).toBe(9_000n)
  expect(Math.max(...quantities.map(Number)) - Math.min(...quantities.map(Number))).toBeLessThanOrEqual(2_000)
  const audit = await erp.audit.exactness('c1')
  expect(audit.filter(({ ok }) => !ok)).toEqual([])
})

it('While Redis is frozen the dashboard shows the locks of its own process', async () => {
  const lock = await erp.locks.acquire({ companyId: 'c1', type: 'count', id: 'own' }, { ttlMs: 30_000 })
  erp.redisServer?.pause()
  try {
    expect(await locksOnDashboard()).toMatchObject([{ resource: 'count:own', fence: lock.fence }])
  } finally {
    erp.redisServer?.resume()
  }
  await lock.release()
})
