/**
 * Random movements from several processes, sent again and again, while processes are killed and Redis is emptied:
 * nothing is ever negative, nothing is lost or done twice, and what is cached is what the movements add up to.
 */

import { seededRandom } from '@kerp/core/testing'
import { anyWarehouse, migrate, StockLedger } from '@kerp/postgres'
import { openPrivatePostgres } from '@kerp/postgres/testing'
import { openPrivateRedis } from '@kerp/redis/testing'
import pg from 'pg'
import { test } from 'vitest'
import { judgeStock, openStock } from './stock-judge.js'
import { Sender, strike, Told } from './torture-senders.js'

const FULL = process.env['KERP_TEST_FULL'] === '1'
const MOVEMENTS = FULL ? 1_000_000 : 4_000
const PROCESSES = 3
const KILLS = FULL ? 40 : 2
const FLUSHES = FULL ? 10 : 1
const SEED = 20_261_123

test('never negative, conserved, each id once, and cached figure = row = Σ movements, whatever is killed', {
  timeout: 7_200_000,
}, async () => {
  await using server = await openPrivatePostgres({ settings: { max_connections: 80 } })
  await using redisServer = await openPrivateRedis()
  const redis = redisServer.client()
  redis.on('error', () => undefined)
  const pool = new pg.Pool({ connectionString: server.url, max: 8 })
  pool.on('error', () => undefined)
  await migrate(pool)
  const companyId = 'torture'
  const store = new StockLedger({ pool, warehouses: anyWarehouse })
  await openStock(store, companyId)
  const seeds = Array.from({ length: PROCESSES }, (_, index) => SEED + index)
  const told = new Told()
  const each = Math.ceil(MOVEMENTS / PROCESSES)
  const senders = seeds.map((seed) => {
    const common = { databaseUrl: server.url, redisPath: redisServer.socketPath, companyId, seeds }
    return new Sender({ ...common, seed, voucherShare: 0, from: 0, to: each, callers: FULL ? 400 : 25 }, told)
  })
  const random = seededRandom(SEED)
  const running = Promise.all(senders.map((sender) => sender.run()))
  const kill = () => senders[Math.floor(random.fraction() * senders.length)]?.kill()
  const every = Math.ceil((KILLS + FLUSHES) / FLUSHES)
  const blows = Array.from({ length: KILLS + FLUSHES }, (_, at) =>
    (at + 1) % every === 0 ? () => redis.flushall() : kill,
  )
  await strike(senders, blows)
  await running

  const movements = await judgeStock({ pool, redis, store, companyId, told })
  const refused = JSON.stringify(Object.fromEntries(told.refusals))
  console.log(
    `seed ${SEED}: ${MOVEMENTS} movements, ${told.sendings} sendings, ${told.retries} retried, ${movements} done, refused ${refused}, ${KILLS} kills, ${FLUSHES} FLUSHALL`,
  )
  await store.close()
  await pool.end()
  redis.disconnect()
})
