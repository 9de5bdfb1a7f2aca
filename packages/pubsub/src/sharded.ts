/** Whether channels are sharded: in a cluster a message of a sharded channel stays on the nodes of its company's slot. */

import { InvalidOptionError } from '@kerp/core'
import type { RedisClient } from '@kerp/redis'

/** By which command scripts tell. */
export type TellCommand = 'PUBLISH' | 'SPUBLISH'

/** Sharded channels, for those who publish and those who hear: the same on all sides. */
export interface ShardedOption {
  /**
   * Use sharded channels, of Redis 7. The same for all who publish and hear; where it is not, events come with the
   * look at the end of the stream, a second late. @defaultValue false
   */
  readonly sharded?: boolean | undefined
}

/**
 * @throws {InvalidOptionError} `INVALID_OPTION` for a client that cannot hear sharded channels: the double, and a
 * cluster client that was made without `shardedSubscribers: true`.
 */
export function resolveSharded(owner: string, redis: RedisClient, sharded: unknown): boolean {
  if (sharded === undefined || sharded === false) return false
  if (sharded !== true) throw new InvalidOptionError(owner, 'sharded', 'true or false', sharded)
  if (typeof Reflect.get(redis, 'ssubscribe') !== 'function') {
    throw new InvalidOptionError(owner, 'sharded', 'left out: this client has no sharded channels', sharded)
  }
  if ('nodes' in redis && Reflect.get(redis.options, 'shardedSubscribers') !== true) {
    const expected = 'left out, or used with a cluster client of `shardedSubscribers: true`'
    throw new InvalidOptionError(owner, 'sharded', expected, sharded)
  }
  return true
}

/** The command of a choice. */
export function tellCommand(isSharded: boolean): TellCommand {
  return isSharded ? 'SPUBLISH' : 'PUBLISH'
}
