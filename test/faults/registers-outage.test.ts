/** Reads while Redis is absent, killed or frozen, and the way back; on real servers. */

import { openPrivatePostgres, type PrivatePostgres } from '@kerp/postgres/testing'
import { openPrivateRedis } from '@kerp/redis/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Client, LiveWorld, stateOfBalance } from '../registers/live-world.js'

let postgres: PrivatePostgres
beforeAll(async () => {
  postgres = await openPrivatePostgres()
})
afterAll(() => postgres.close())

async function read(world: LiveWorld, { cache }: Client): Promise<readonly string[]> {
  const balances = await cache.getMany([world.ref('cash'), world.ref('sales')])
  return balances.map((balance) => `${balance.source} ${stateOfBalance(balance)}`)
}

/** Reads until Redis answers again with these states; nothing but the relay runs meanwhile. */
async function expectHealed(world: LiveWorld, client: Client, states: readonly string[]): Promise<void> {
  const expected = states.map((state) => `redis ${state}`)
  await expect.poll(() => read(world, client), { timeout: 20_000, interval: 20 }).toEqual(expected)
}

test('without Redis at the start the database answers; when it comes, registers fill by themselves', async () => {
  await using server = await openPrivateRedis()
  await server.kill()
  await using world = await LiveWorld.open(server.socketPath, postgres.url)
  const client = world.client()
  world.startRelay()
  await world.post('sales', 'cash', 100n)
  const states = ['cash 1 100 0', 'sales 1 0 100']
  expect(await read(world, client)).toEqual(states.map((state) => `database ${state}`))
  await server.restart()
  await expectHealed(world, client, states)
})

test('a Redis that is killed fails no read, and one that comes back empty heals without anyone touching it', async () => {
  await using server = await openPrivateRedis()
  await using world = await LiveWorld.open(server.socketPath, postgres.url)
  const client = world.client()
  world.startRelay()
  await world.post('sales', 'cash', 100n)
  await expectHealed(world, client, ['cash 1 100 0', 'sales 1 0 100'])
  const reading = Array.from({ length: 20 }, async (_, index) => {
    await new Promise((resolve) => setTimeout(resolve, 5 * index))
    return read(world, client)
  })
  await server.kill()
  for (const answers of await Promise.all(reading)) {
    expect(answers.map((answer) => answer.split(' ').slice(1).join(' '))).toEqual([
      'cash 1 100 0',
      'sales 1 0 100',
    ])
  }
  await world.post('sales', 'cash', 9_007_199_254_740_993n)
  const states = ['cash 2 9007199254741093 0', 'sales 2 0 9007199254741093']
  expect(await read(world, client)).toEqual(states.map((state) => `database ${state}`))
  await server.restart()
  await expectHealed(world, client, states)
})

test('a Redis that freezes while a thousand reads are on their way fails none, and few statements are sent', async () => {
  await using server = await openPrivateRedis()
  await using world = await LiveWorld.open(server.socketPath, postgres.url)
  let loads = 0
  const client = world.client(() => {
    loads += 1
    return Promise.resolve()
  })
  world.startRelay()
  await world.post('sales', 'cash', 100n)
  await expectHealed(world, client, ['cash 1 100 0', 'sales 1 0 100'])
  server.pause()
  loads = 0
  const answers = await Promise.all(Array.from({ length: 1_000 }, () => read(world, client)))
  expect(new Set(answers.flat())).toEqual(new Set(['database cash 1 100 0', 'database sales 1 0 100']))
  expect(loads).toBeLessThanOrEqual(10)
  const { images } = await world.post('sales', 'cash', 1n)
  expect(await client.cache.apply(images)).toMatchObject({ unreachable: 2 })
  server.resume()
  await expectHealed(world, client, ['cash 2 101 0', 'sales 2 0 101'])
})

test('a Redis that comes back with the data of yesterday is brought up to date before it is believed for long', async () => {
  await using server = await openPrivateRedis({ args: ['--save', ''] })
  await using world = await LiveWorld.open(server.socketPath, postgres.url)
  const client = world.client()
  const relay = world.startRelay()
  await world.post('sales', 'cash', 100n)
  await expectHealed(world, client, ['cash 1 100 0', 'sales 1 0 100'])
  await client.redis.save()
  await world.post('sales', 'cash', 1n)
  await relay.caughtUp()
  await server.kill()
  await server.restart({ keepData: true })
  const stored = [world.keys.watermark(world.companyId), world.keys.balance(world.ref('cash'))]
  await expect.poll(() => client.redis.exists(stored).catch(() => 0), { timeout: 10_000 }).toBe(2)
  await relay.caughtUp()
  expect(await read(world, client)).toEqual(['redis cash 2 101 0', 'redis sales 2 0 101'])
})

test('a PostgreSQL that restarts is another epoch: registers start over, tokens of before are refused by name', async () => {
  await using database = await openPrivatePostgres()
  await using server = await openPrivateRedis()
  await using world = await LiveWorld.open(server.socketPath, database.url)
  const client = world.client()
  const relay = world.startRelay()
  const { token } = await world.post('sales', 'cash', 100n)
  await expectHealed(world, client, ['cash 1 100 0', 'sales 1 0 100'])
  await database.kill()
  await database.restart()
  await relay.caughtUp({ deadlineMs: 30_000 })
  expect(await read(world, client)).toEqual(['database cash 1 100 0', 'database sales 1 0 100'])
  expect(await read(world, client)).toEqual(['redis cash 1 100 0', 'redis sales 1 0 100'])
  const late = client.cache.get(world.ref('cash'), { atLeast: token })
  await expect(late).rejects.toMatchObject({ code: 'EPOCH_CHANGED' })
})
