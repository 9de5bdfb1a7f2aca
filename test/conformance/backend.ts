/**
 * Where a conformance suite runs: the same cases on the double that users test with and on a real server.
 *
 * A suite is a function of a `Backend`; `<suite>-on-mock.test.ts` and `<suite>-on-redis.redis.test.ts` call it.
 */

import { closeRedis, connectRedis, type RedisClient } from '@kerp/redis'
import { mockRedis } from '@kerp/redis/testing'
import { afterAll, beforeAll, inject } from 'vitest'

/** One kind of Redis. */
export interface Backend {
  readonly name: 'mock' | 'redis'
  /** A client of it, open while the suite runs. */
  client(): RedisClient
}

/** The double, with a data set of its own. */
export function mockBackend(): Backend {
  const redis = mockRedis()
  return { name: 'mock', client: () => redis }
}

/** The server that all tests share; so each test takes a company of its own. */
export function redisBackend(): Backend {
  let redis: RedisClient | undefined
  beforeAll(async () => {
    redis = await connectRedis({ path: inject('redisSocket') }, 5_000, {})
  })
  afterAll(async () => {
    if (redis !== undefined) await closeRedis(redis)
  })
  return {
    name: 'redis',
    client() {
      if (redis === undefined) throw new Error('The backend is open only while tests run.')
      return redis
    },
  }
}
