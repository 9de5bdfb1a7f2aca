/** Plain commands with the same deadlines, outcomes and observations as scripts. */

import { InvalidInputError, InvalidOptionError } from '@kerp/core'
import { type RedisCallOptions, type RedisClient, settle } from './outcome.js'

/** What a command's argument may be: ioredis writes all three as they are. */
export type RedisArgument = string | number | Buffer

/**
 * Runs one command and answers with ioredis's reply.
 *
 * The arguments are handed over as they are, without a copy; integers that may pass 2^53 go as strings.
 * Blocking commands need a deadline longer than their own wait.
 *
 * @throws {RedisNotDoneError} `REDIS_NOT_DONE`, retryable: it had no effect.
 * @throws {RedisUnknownError} `REDIS_UNKNOWN`, retryable if repeating it does no harm: it was sent and no
 * answer came. With `effect: 'none'` this is *not done*.
 * @throws {RedisRefusedError} `REDIS_REFUSED`, not retryable: the server refuses it for good.
 * @throws {InvalidInputError} `INVALID_INPUT` for a name that is no command's.
 * @example
 * const redis = mockRedis()
 * await redisCommand(redis, 'mset', ['a', '1', 'b', '2'])
 * await redisCommand(redis, 'mget', ['a', 'b', 'c'], { deadlineMs: 100, effect: 'none' }) // ['1', '2', null]
 */
export function redisCommand(
  redis: RedisClient,
  name: string,
  args: readonly RedisArgument[],
  options: RedisCallOptions = NO_OPTIONS,
): Promise<unknown> {
  try {
    const command = commandName(name)
    refuseUnsafeClient(redis)
    return settle(redis, command, () => send(redis, command, args), options)
  } catch (error) {
    return Promise.reject(
      error instanceof Error ? error : new InvalidInputError('command', 'a command', name),
    )
  }
}

const NO_OPTIONS: RedisCallOptions = {}

/** Sends one command. A mock of ioredis has no `call`; there the command is a method. */
export function send(redis: RedisClient, command: string, args: readonly RedisArgument[]): Promise<unknown> {
  const call: unknown = Reflect.get(redis, 'call')
  const method: unknown = typeof call === 'function' ? call : Reflect.get(redis, command)
  if (typeof method !== 'function') throw new InvalidInputError('command', 'a command of the client', command)
  const reply: unknown =
    typeof call === 'function' ? call.call(redis, command, args) : method.call(redis, args)
  return Promise.resolve(reply)
}

/**
 * A key prefix changes the keys of some commands and not of others (not those inside a script), so that two halves of
 * one write would miss each other; and a replica answers with what was, under a watermark that says it is. Checked once
 * per client.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION`
 */
export function refuseUnsafeClient(redis: RedisClient): void {
  if (checked.has(redis)) return
  const { keyPrefix } = redis.options
  if (keyPrefix !== undefined && keyPrefix !== '') throw keyPrefixError(keyPrefix)
  if ('scaleReads' in redis.options) refuseReplicas(redis.options.scaleReads)
  checked.add(redis)
}

/** @throws {InvalidOptionError} `INVALID_OPTION` for a cluster client that reads from replicas. */
export function refuseReplicas(scaleReads: unknown): void {
  if (scaleReads === undefined || scaleReads === 'master') return
  const expected = 'left out or `master` (a replica may answer with what was overwritten)'
  throw new InvalidOptionError('redis client', 'scaleReads', expected, scaleReads)
}

/** The refusal of `keyPrefix`, with what to use instead. */
export function keyPrefixError(got: unknown): InvalidOptionError {
  const expected = 'left out (a namespace belongs into the keys, `createKeys({ namespace })`)'
  return new InvalidOptionError('redis client', 'keyPrefix', expected, got)
}

const checked = new WeakSet<RedisClient>()

const COMMAND = /^[a-z]{1,32}$/

/** Methods of a client that share the shape of a command's name and are none. */
const NOT_COMMANDS = new Set([
  'multi',
  'exec',
  'pipeline',
  'call',
  'connect',
  'disconnect',
  'duplicate',
  'end',
])

/** Names seen before, so that the check costs one look-up; a program uses a few dozen. */
const known = new Map<string, string>()
const KNOWN_MAX = 256

function commandName(name: string): string {
  const before = known.get(name)
  if (before !== undefined) return before
  const command = typeof name === 'string' ? name.toLowerCase() : ''
  if (!COMMAND.test(command) || NOT_COMMANDS.has(command)) {
    throw new InvalidInputError('command', 'the name of one Redis command', name)
  }
  if (known.size < KNOWN_MAX) known.set(name, command)
  return command
}
