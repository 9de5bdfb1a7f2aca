/** Which clients can be served: what others would answer wrongly is refused in words, before anything is sent. */

import { InvalidOptionError } from '@kerp/core'
import type { RedisClient } from './outcome.js'
import { watchRefusals } from './refused-connections.js'

/**
 * The client that a constructor was given.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION` for what is no client of ioredis, and for a client whose options
 * (`keyPrefix`, `scaleReads`, `role: 'slave'`, `readOnly`, `monitor`) make right answers impossible.
 */
export function redisClientOption(owner: string, redis: unknown, option = 'redis'): RedisClient {
  if (!isClient(redis)) throw noClientError(owner, option, redis)
  const unfit = unfitOption(redis.options)
  if (unfit !== undefined) {
    const { name, instead, got } = unfit
    throw new InvalidOptionError(owner, option, `a client without the option \`${name}\` (${instead})`, got)
  }
  checked.add(redis)
  // Of a client whose errors nobody hears, ioredis itself prints what the server refused: a listener would silence it.
  if (redis.listenerCount('error') > 0) watchRefusals(redis)
  return redis
}

/**
 * The same check of a client that is used without a constructor, once per client.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION`
 */
export function refuseUnsafeClient(redis: RedisClient): void {
  if (checked.has(redis)) return
  if (!isClient(redis)) throw noClientError('call', 'redis', redis)
  refuseUnfitOptions('redis client', redis.options)
  checked.add(redis)
}

/** @throws {InvalidOptionError} `INVALID_OPTION` for options of ioredis that cannot be served. */
export function refuseUnfitOptions(owner: string, options: object | undefined): void {
  const unfit = options === undefined ? undefined : unfitOption(options)
  if (unfit !== undefined) {
    throw new InvalidOptionError(owner, unfit.name, `left out (${unfit.instead})`, unfit.got)
  }
}

function noClientError(owner: string, option: string, got: unknown): InvalidOptionError {
  // A text may be a URL with a password.
  const shown = typeof got === 'string' ? '(a text, not shown)' : got
  return new InvalidOptionError(owner, option, 'a client of ioredis (`createRedis()` makes one)', shown)
}

const checked = new WeakSet<RedisClient>()

/** A client of ioredis, or a mock of it; node-redis says `isOpen`, and a pipeline or a URL has no such members. */
function isClient(value: unknown): value is RedisClient {
  if (typeof value !== 'object' || value === null || 'isOpen' in value) return false
  const options: unknown = Reflect.get(value, 'options')
  const hasMethods = ['on', 'disconnect'].every((name) => typeof Reflect.get(value, name) === 'function')
  return typeof options === 'object' && options !== null && hasMethods
}

const OF_REPLICA = 'a replica may answer with what was overwritten'

/**
 * Name → what it must not be, and why. A key prefix changes the keys of some commands and not of others (not those
 * inside a script), so that two halves of one write would miss each other; a replica answers with what was, under a
 * watermark that says it is.
 */
const UNFIT: readonly (readonly [string, (value: unknown) => boolean, string])[] = [
  [
    'keyPrefix',
    (value) => value !== undefined && value !== null && value !== '',
    'a namespace belongs into the keys, `createKeys({ namespace })`',
  ],
  ['scaleReads', (value) => value !== undefined && value !== 'master', OF_REPLICA],
  ['role', (value) => value === 'slave', OF_REPLICA],
  ['readOnly', (value) => value === true, OF_REPLICA],
  ['monitor', (value) => value === true, 'a connection that monitors takes no commands'],
]

function unfitOption(
  options: object,
): { readonly name: string; readonly instead: string; readonly got: unknown } | undefined {
  for (const [name, isUnfit, instead] of UNFIT) {
    const got: unknown = Reflect.get(options, name)
    if (isUnfit(got)) return { name, instead, got }
  }
  return undefined
}
