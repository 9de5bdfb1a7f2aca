/** Locks that Redis may evict are no locks: reads the policy before the first one is granted. */

import { assertCoordinationRedis, redisHealth, type RedisClient, RedisUnsuitableError } from '@kerp/redis'

/** What the guard found. */
export type EvictionFinding = 'safe' | 'unreadable' | 'unsafe'

/**
 * Reads the policy from INFO, since managed servers deny CONFIG.
 *
 * @throws {RedisUnsuitableError} `REDIS_UNSUITABLE`, with the fix in its message, unless `eviction` is `warn`.
 * @throws {RedisNotDoneError} `REDIS_NOT_DONE`, retryable, when Redis does not answer.
 */
export async function checkEviction(
  redis: RedisClient,
  eviction: 'refuse' | 'warn',
  deadlineMs: number,
): Promise<EvictionFinding> {
  const { reachable, maxmemoryPolicy } = await redisHealth(redis, { deadlineMs })
  if (reachable && maxmemoryPolicy === undefined) return 'unreadable'
  try {
    await assertCoordinationRedis(redis, { deadlineMs })
    return 'safe'
  } catch (error) {
    if (eviction === 'warn' && error instanceof RedisUnsuitableError) return 'unsafe'
    throw error
  }
}
