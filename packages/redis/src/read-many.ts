/**
 * MGET for large reads: one command whose cost is the server's, not the client's bookkeeping.
 *
 * For a thousand keys ioredis spends more time on copying, measuring and converting arguments and replies than
 * Redis on answering. This command writes its keys at once and answers with the bytes as they came.
 */

import { refuseUnsafeClient } from './client-check.js'
import { PlainCommand, send } from './command.js'
import { type RedisCallOptions, type RedisClient, settle } from './outcome.js'

/**
 * The values of `keys`, in their order; null for a key that is missing or holds no string.
 *
 * The buffers are slices of what the socket delivered: whoever keeps one keeps up to 64 KiB. In a cluster all
 * keys must lie in one slot.
 *
 * @throws {RedisNotDoneError} `REDIS_NOT_DONE`, retryable.
 * @throws {RedisRefusedError} `REDIS_REFUSED`, not retryable.
 * @example
 * const redis = mockRedis()
 * await redis.set('{c1}:a', 'v')
 * const [first, second] = await readMany(redis, ['{c1}:a', '{c1}:b'], { deadlineMs: 100 })
 * String(first) // 'v'
 * second === null // true
 */
export async function readMany(
  redis: RedisClient,
  keys: readonly string[],
  options: RedisCallOptions = {},
): Promise<readonly (Buffer | null)[]> {
  refuseUnsafeClient(redis)
  if (keys.length === 0) return []
  const reply = await settle(redis, 'mget', () => sendMany(redis, keys), { ...options, effect: 'none' })
  if (!Array.isArray(reply)) return keys.map(() => null)
  const values = reply as readonly unknown[]
  // A mock answers with texts, a real client with bytes; one look tells, for no reply mixes them.
  return isReplyOfBytes(values) ? values : values.map(bytesOf)
}

function sendMany(redis: RedisClient, keys: readonly string[]): Promise<unknown> {
  const direct: unknown = Reflect.get(redis, 'sendCommand')
  if (typeof direct !== 'function') return send(redis, 'mget', keys)
  return Promise.resolve(Reflect.apply(direct, redis, [new ManyGet(keys)]))
}

/** Carries only its first key as an argument, which is enough to find the slot; the rest it writes itself. */
class ManyGet extends PlainCommand {
  readonly #keys: readonly string[]

  constructor(keys: readonly string[]) {
    super('mget', keys.slice(0, 1), null)
    this.#keys = keys
  }

  override toWritable(): string {
    const text = this.#write((key) => key.length)
    return Buffer.byteLength(text) === text.length ? text : this.#write((key) => Buffer.byteLength(key))
  }

  #write(lengthOf: (key: string) => number): string {
    let text = `*${this.#keys.length + 1}\r\n$4\r\nmget`
    for (const key of this.#keys) text += (LENGTH_LINES[lengthOf(key)] ?? lengthLine(lengthOf(key))) + key
    return `${text}\r\n`
  }
}

/** What stands between two arguments, by the length of the second: writing a number is dearer than looking it up. */
const LENGTH_LINES = Array.from({ length: 1_024 }, (_, length) => lengthLine(length))

function lengthLine(length: number): string {
  return `\r\n$${length}\r\n`
}

function isReplyOfBytes(values: readonly unknown[]): values is readonly (Buffer | null)[] {
  return typeof values.find((value) => value !== null) !== 'string'
}

function bytesOf(value: unknown): Buffer | null {
  return typeof value === 'string' ? Buffer.from(value) : null
}
