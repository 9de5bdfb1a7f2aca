/** How those who start several private servers ask them questions, and wait for what must come. */

import { setTimeout as wait } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { RedisMissingError } from './errors.js'
import type { PrivateRedis } from './private-redis.js'

const ANSWER_MS = 5_000
const LOOK_EVERY_MS = 20

/** One question over a connection of its own; undefined when there is no answer, or an error. */
export async function talk<T>(
  server: PrivateRedis,
  question: (client: Redis) => Promise<T>,
): Promise<T | undefined> {
  try {
    return await order(server, question)
  } catch {
    return undefined
  }
}

/** `talk` that throws what the server answered with. */
export async function order<T>(server: PrivateRedis, command: (client: Redis) => Promise<T>): Promise<T> {
  const client = server.client({
    enableReadyCheck: false,
    commandTimeout: ANSWER_MS,
    retryStrategy: () => null,
  })
  client.on('error', () => undefined)
  try {
    return await command(client)
  } finally {
    client.disconnect()
  }
}

/**
 * Waits until something holds.
 *
 * @throws {RedisMissingError} `REDIS_MISSING` with `words`, when it does not within `deadlineMs`.
 */
export async function becomes(
  words: string,
  holds: () => Promise<unknown>,
  deadlineMs: number,
): Promise<void> {
  const endMs = Date.now() + deadlineMs
  while (!(await holds())) {
    if (Date.now() > endMs) throw new RedisMissingError(`It did not happen in ${deadlineMs} ms: ${words}.`)
    await wait(LOOK_EVERY_MS)
  }
}
