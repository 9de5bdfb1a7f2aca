/** A client of Sentinels, at the moments at which ioredis gives one up. */

import { closeRedis, connectRedis, createRedis, type RedisClient } from '@kerp/redis'
import { openPrivateReplicas } from '@kerp/redis/testing'
import { expect, onTestFinished, test } from 'vitest'

async function becomes(redis: RedisClient, status: string): Promise<void> {
  await expect.poll(() => redis.status, { timeout: 20_000, interval: 1 }).toBe(status)
}

test('a client that is told to connect anew while it looks for its master is not given up, and ends when it is closed', async () => {
  await using replicas = await openPrivateReplicas({ replicas: 1 })
  const redis = await connectRedis({ sentinel: replicas.sentinel }, 20_000, {})
  onTestFinished(() => closeRedis(redis))
  let ends = 0
  redis.on('end', () => (ends += 1))
  for (let round = 0; round < 3; round += 1) {
    // As two Sentinels do that tell of the same failover one after the other.
    redis.once('connecting', () => redis.disconnect(true))
    redis.disconnect(true)
    await expect.poll(() => ends, { timeout: 20_000, interval: 1 }).toBe(round + 1)
    await becomes(redis, 'ready')
    expect(await redis.ping()).toBe('PONG')
  }
  await closeRedis(redis)
  expect(redis.status).toBe('end')
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect(redis.status).toBe('end')
})

test('a client that is closed between two of its attempts makes no other one', async () => {
  const nodes = [{ host: '127.0.0.1', port: 1 }]
  const redis = createRedis({ sentinel: { nodes } }, {})
  redis.disconnect(true)
  await becomes(redis, 'end')
  await closeRedis(redis)
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect(redis.status).toBe('end')
})
