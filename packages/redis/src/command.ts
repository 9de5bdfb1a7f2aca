/** Plain commands with the same deadlines, outcomes and observations as scripts. */

import { InvalidInputError } from '@kerp/core'
import { Command } from 'ioredis'
import { refuseUnsafeClient } from './client-check.js'
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

/**
 * A command as it is sent here, whatever the client's options and the process's transformers are: by itself, since an
 * auto-pipeline that one call of the host breaks answers none of its calls, and with the reply of the server, since a
 * transformer of the host may turn lists into objects.
 */
export class PlainCommand extends Command {
  constructor(name: string, args: readonly RedisArgument[], replyEncoding: 'utf8' | null = 'utf8') {
    // Transformers are found by the name: it has none while one could be applied.
    super('', [...args], { replyEncoding })
    this.name = name
  }

  override transformReply(result: Buffer | Buffer[]): string | string[] | Buffer | Buffer[] {
    const { name } = this
    this.name = ''
    try {
      return super.transformReply(result)
    } finally {
      this.name = name
    }
  }
}

/** Sends one command. A mock of ioredis sends none; there the command is a method, or `call`. */
export function send(redis: RedisClient, command: string, args: readonly RedisArgument[]): Promise<unknown> {
  const direct: unknown = Reflect.get(redis, 'sendCommand')
  if (typeof direct === 'function') {
    return Promise.resolve(Reflect.apply(direct, redis, [new PlainCommand(command, args)]))
  }
  const call: unknown = Reflect.get(redis, 'call')
  const method: unknown = typeof call === 'function' ? call : Reflect.get(redis, command)
  if (typeof method !== 'function') throw new InvalidInputError('command', 'a command of the client', command)
  const reply: unknown =
    typeof call === 'function' ? call.call(redis, command, args) : method.call(redis, args)
  return Promise.resolve(reply)
}

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
