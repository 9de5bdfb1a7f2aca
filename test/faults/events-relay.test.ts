/** Events on a real database and a real Redis that is flushed, killed, frozen, and put back to an older dump. */

import { setTimeout as wait } from 'node:timers/promises'
import { recordingObserver } from '@kerp/core/testing'
import { createKeys } from '@kerp/keys'
import { EventLog } from '@kerp/postgres'
import { openPrivatePostgres, type PrivatePostgres } from '@kerp/postgres/testing'
import { EventRelay } from '@kerp/pubsub'
import { createRedis } from '@kerp/redis'
import { openPrivateRedis, type PrivateRedis } from '@kerp/redis/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type OwnDatabase, ownDatabase, twoLines } from '../postgres/own-database.js'
import { StreamReader, upTo } from '../pubsub/stream-reader.js'
import { freshCompany } from '../support/fresh-company.js'

const FULL = process.env['KERP_TEST_FULL'] === '1'
const ROUNDS = FULL ? 40 : 6
const PATIENCE = { timeout: 30_000, interval: 20 }

let postgres: PrivatePostgres

beforeAll(async () => {
  postgres = await openPrivatePostgres()
})

afterAll(() => postgres.close())

/** A database whose vouchers two relays publish into one Redis, and a receiver that knows events by their ids. */
function openWorld(database: OwnDatabase, server: PrivateRedis) {
  const companyId = freshCompany()
  const redis = createRedis({ path: server.socketPath })
  const observer = recordingObserver()
  const log = new EventLog({ pool: database.pool })
  const ledger = database.ledger()
  const relays = [1, 2].map(
    () => new EventRelay({ redis, keys: createKeys(), source: log, observer, checkMs: 100 }),
  )
  for (const relay of relays) relay.start()
  let last = 0
  return {
    companyId,
    redis,
    observer,
    log,
    relays,
    reader: new StreamReader(redis, companyId),
    post: async (count: number): Promise<void> => {
      const ids = Array.from({ length: count }, () => `V-${(last += 1)}`)
      await Promise.all(ids.map((id) => ledger.post(twoLines(companyId, id, 1n))))
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(relays.map((relay) => relay.close()))
      redis.disconnect()
    },
  }
}

type World = ReturnType<typeof openWorld>

/** Until the receiver has all that the log has; then every event came, in the order of the log. */
async function expectAllHeard({ log, companyId, reader }: World): Promise<void> {
  for (let isMore = true; isMore; ) isMore = (await log.advance({ limit: 1_000 })).isMore
  const { position, ok, differences } = await log.audit(companyId)
  expect({ ok, differences }).toEqual({ ok: true, differences: [] })
  await expect
    .poll(
      () =>
        reader.read().then(
          (seen) => seen.length,
          () => -1,
        ),
      PATIENCE,
    )
    .toBe(Number(position))
  expect(reader.seen).toEqual(upTo(Number(position)))
}

test('a Redis that is flushed, killed empty or put back to an older dump loses no event, and no receiver hears one twice or out of order', {
  timeout: 600_000,
}, async () => {
  const database = await ownDatabase(postgres.url)
  try {
    await using server = await openPrivateRedis({ args: ['--save', ''] })
    await using world = openWorld(database, server)
    const faults = [
      () => world.redis.flushall(),
      async () => {
        await server.kill()
        await server.restart()
      },
      async () => {
        await world.redis.save()
        await world.post(3)
        await expectAllHeard(world)
        await server.kill()
        await server.restart({ keepData: true })
      },
      async () => {
        server.pause()
        await wait(300)
        server.resume()
      },
    ]
    await world.post(5)
    await expectAllHeard(world)
    for (let round = 0; round < ROUNDS; round += 1) {
      const writing = world.post(20)
      await faults[round % faults.length]?.()
      await Promise.all([writing, world.post(5)])
      await expectAllHeard(world)
    }
    expect(world.reader.resets).toBeGreaterThanOrEqual(2)
    console.log(`events through faults: ${world.reader.seen.length}, again ${world.reader.again}`)
  } finally {
    await database.close()
  }
})

test('a Redis that forgot an idle company is noticed without any new event', async () => {
  const database = await ownDatabase(postgres.url)
  try {
    await using server = await openPrivateRedis()
    await using world = openWorld(database, server)
    await world.post(2)
    await expectAllHeard(world)
    await world.redis.flushall()
    const key = createKeys().eventsWatermark(world.companyId)
    await expect.poll(() => world.redis.exists(key).catch(() => 0), PATIENCE).toBe(1)
    await world.post(1)
    await expectAllHeard(world)
  } finally {
    await database.close()
  }
})
