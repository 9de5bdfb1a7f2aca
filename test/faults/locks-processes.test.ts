import type { LockResource } from '@kerp/inventory-lock'
import { type PrivateRedis, openPrivateRedis } from '@kerp/redis/testing'
import { openPrivatePostgres, type PrivatePostgres } from '@kerp/postgres/testing'
import { connectRedis, type RedisClient } from '@kerp/redis'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { listens, LockWorld } from '../inventory-lock/lock-world.js'
import { LockChild } from './lock-processes.js'

const FULL = process.env['KERP_TEST_FULL'] === '1'
/** Locks that are held by a process at each stop; each is one round. */
const LOCKS = 10
const STOPS = FULL ? 20 : 2

let server: PrivateRedis
let redis: RedisClient
let postgres: PrivatePostgres
let pool: pg.Pool

beforeAll(async () => {
  server = await openPrivateRedis()
  redis = await connectRedis({ path: server.socketPath }, 5_000, {})
  postgres = await openPrivatePostgres()
  pool = new pg.Pool({ connectionString: postgres.url, max: 2 })
  await pool.query(
    'CREATE TABLE stock (item text PRIMARY KEY, quantity integer NOT NULL, fence numeric NOT NULL)',
  )
})
afterAll(async () => {
  redis.disconnect()
  await pool.end()
  await postgres.close()
  await server.close()
})

function openWorld(): LockWorld {
  const world = new LockWorld(redis)
  onTestFinished(() => world[Symbol.asyncDispose]())
  return world
}

async function startChild(): Promise<LockChild> {
  const child = await LockChild.start(server.socketPath, postgres.url)
  onTestFinished(() => child.kill())
  return child
}

async function queued(world: LockWorld, id: string, count: number): Promise<void> {
  await expect.poll(() => redis.zcard(`${world.key(id)}:queue`), { timeout: 20_000 }).toBe(count)
}

describe('a holder that is stopped past its lease', () => {
  test(`loses no update: its late writes are refused by the database, ${LOCKS * STOPS} times of ${LOCKS * STOPS}`, async () => {
    const world = openWorld()
    const [stopped, other] = await Promise.all([startChild(), startChild()])
    let acknowledged = 0
    let refused = 0
    for (let stop = 0; stop < STOPS; stop += 1) {
      const resources: LockResource[] = Array.from({ length: LOCKS }, (_, index) =>
        world.resource(`${stop}-${index}`),
      )
      for (const { id } of resources) await pool.query('INSERT INTO stock VALUES ($1, 0, 0)', [id])
      stopped.tell({ do: 'add', resources, ttlMs: 300, pauseMs: 200 })
      await stopped.hear('read')
      stopped.pause()
      // The other one waits for the end of the leases, reads and writes.
      other.tell({ do: 'add', resources, ttlMs: 5_000, pauseMs: 0 })
      const later = await other.hear('written')
      stopped.resume()
      const late = await stopped.hear('written')
      acknowledged += later.written + late.written
      refused += LOCKS - late.written
      expect(late.stillHeld).toBe(0)
    }
    const { rows } = await pool.query<{ sum: string }>('SELECT sum(quantity)::text AS sum FROM stock')
    expect(Number(rows[0]?.sum)).toBe(acknowledged)
    expect(refused).toBe(LOCKS * STOPS)
  })
})

test('a late holder cannot write between the first read and the write of the next one', async () => {
  const world = openWorld()
  const [stopped, other] = await Promise.all([startChild(), startChild()])
  const resources = Array.from({ length: LOCKS }, (_, index) => world.resource(`between-${index}`))
  for (const { id } of resources) await pool.query('INSERT INTO stock VALUES ($1, 0, 0)', [id])
  stopped.tell({ do: 'add', resources, ttlMs: 300, pauseMs: 200 })
  await stopped.hear('read')
  stopped.pause()
  other.tell({ do: 'add', resources, ttlMs: 30_000, pauseMs: 2_000 })
  await other.hear('read')
  stopped.resume()
  expect(await stopped.hear('written')).toMatchObject({ written: 0 })
  expect(await other.hear('written')).toMatchObject({ written: LOCKS })
})

describe('a process that dies', () => {
  test('while it holds a lock: the next one gets it when the lease has ended', async () => {
    const world = openWorld()
    const child = await startChild()
    child.tell({ do: 'hold', resource: world.resource('A'), ttlMs: 1_000, renew: true })
    const { fence } = await child.hear('held')
    const waiting = world.process().locks.acquire(world.resource('A'), { waitMs: 30_000 })
    await queued(world, 'A', 1)
    await child.kill()
    const lock = await waiting
    expect(BigInt(lock.fence)).toBeGreaterThan(BigInt(fence))
  })

  test('while it waits: whoever stands behind it gets the lock as soon as it is given back', async () => {
    const world = openWorld()
    const holder = await world.process().locks.acquire(world.resource('A'), { ttlMs: 60_000 })
    const child = await startChild()
    child.tell({ do: 'hold', resource: world.resource('A'), ttlMs: 60_000, renew: true })
    await queued(world, 'A', 1)
    await listens(world)
    const behind = world.process()
    const waiting = behind.locks.acquire(world.resource('A'), { waitMs: 30_000 })
    await queued(world, 'A', 2)
    const [owner = ''] = await redis.zrange(`${world.key('A')}:queue`, 0, 0)
    const channel = `lock-wake:${owner.split(':')[0] ?? ''}`
    expect(await redis.pubsub('NUMSUB', channel)).toEqual([channel, 1])
    await child.kill()
    await expect.poll(() => redis.pubsub('NUMSUB', channel), { timeout: 20_000 }).toEqual([channel, 0])
    expect(await holder.release()).toBe('released')
    await waiting
    // Not found after the lease of a dead process had ended, but handed over in place of it.
    expect(behind.observer.of('lockAcquire')).toMatchObject([{ result: 'acquired', via: 'handed' }])
  })

  test('or is stopped while it waits: the others go on when its short lease has ended', async () => {
    const world = openWorld()
    const holder = await world.process().locks.acquire(world.resource('A'), { ttlMs: 60_000 })
    const child = await startChild()
    child.tell({ do: 'hold', resource: world.resource('A'), ttlMs: 60_000, renew: true })
    await queued(world, 'A', 1)
    const waiting = world.process().locks.acquire(world.resource('A'), { waitMs: 30_000 })
    await queued(world, 'A', 2)
    child.pause()
    await holder.release()
    const lock = await waiting
    child.resume()
    // It finds out that its turn has passed and waits again.
    await queued(world, 'A', 1)
    expect(await lock.release()).toBe('released')
    expect(BigInt((await child.hear('held')).fence)).toBeGreaterThan(BigInt(lock.fence))
  })
})

describe('fifty greedy workers in two processes', () => {
  test('take turns: nobody starves, and no two of them work at the same time', async () => {
    const world = openWorld()
    const children = await Promise.all([startChild(), startChild()])
    const resource = world.resource('A')
    const order = { do: 'greedy', resource, workers: 25, forMs: FULL ? 20_000 : 4_000, holdMs: 2 } as const
    for (const child of children) child.tell(order)
    const counted = await Promise.all(children.map((child) => child.hear('counted')))
    const sections = counted.flatMap((each) => each.sections)
    expect(counted.map(({ overlaps }) => overlaps)).toEqual([0, 0])
    expect(sections).toHaveLength(50)
    const sum = sections.reduce((total, count) => total + count, 0)
    const squares = sections.reduce((total, count) => total + count * count, 0)
    expect(Math.min(...sections)).toBeGreaterThan(0)
    // Jain's index: 1 when all got the same, 1/50 when one got all.
    expect((sum * sum) / (sections.length * squares)).toBeGreaterThan(0.95)
  })
})
