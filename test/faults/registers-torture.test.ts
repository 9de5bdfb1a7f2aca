/**
 * Balances under everything at once, on a real redis-server and a real PostgreSQL: no answer that the database
 * never held, nothing wrong at rest, nothing older than its token.
 */

import { setTimeout as wait } from 'node:timers/promises'
import { seededRandom } from '@kerp/core/testing'
import { openPrivatePostgres, type PrivatePostgres } from '@kerp/postgres/testing'
import { openPrivateRedis } from '@kerp/redis/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LiveWorld } from '../registers/live-world.js'
import { type Sabotage, torture } from '../registers/torture.js'

const READS = process.env['KERP_TEST_FULL'] === '1' ? 200_000 : 15_000

let postgres: PrivatePostgres
beforeAll(async () => {
  postgres = await openPrivatePostgres()
})
afterAll(() => postgres.close())

async function run(seed: number, sabotage: Sabotage, args: readonly string[], reads: number): Promise<void> {
  await using server = await openPrivateRedis({ args })
  await using world = await LiveWorld.open(server.socketPath, postgres.url)
  const random = seededRandom(seed)
  const hesitate = () => wait(40 * random.fraction() ** 3)
  const clients = [world.client(hesitate), world.client(hesitate), world.client(hesitate)]
  const report = await torture(world, clients, { reads, random, sabotage })
  const { foreign, tooOld, wrongAtRest, failed, ...figures } = report
  const looker = server.client()
  const [, evicted] = /evicted_keys:(\d+)/.exec(await looker.info('stats')) ?? []
  looker.disconnect()
  console.log(`seed ${seed}`, JSON.stringify({ ...figures, evicted: Number(evicted) }))
  expect({ foreign, tooOld, wrongAtRest, failed }, `seed ${seed}`).toEqual({
    foreign: [],
    tooOld: [],
    wrongAtRest: [],
    failed: [],
  })
  expect(figures.reads).toBeGreaterThanOrEqual(reads)
  expect(figures.fromRedis).toBeGreaterThan(0)
  if (sabotage.crowd) expect(Number(evicted)).toBeGreaterThan(100)
}

test('lost keys, lost watermarks, FLUSHALL and late, doubled and reordered images change no balance', async () => {
  await run(1, { del: true, lose: true, crowd: false }, [], READS)
})

test('a Redis that evicts registers, leases and watermarks changes no balance', async () => {
  const args = ['--maxmemory', '2mb', '--maxmemory-policy', 'allkeys-lru']
  await run(2, { del: false, lose: false, crowd: true }, args, Math.ceil(READS / 3))
})
