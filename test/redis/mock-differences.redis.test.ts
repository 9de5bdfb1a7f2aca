/** The list of what the double is not, in README.md of `@kerp/redis`, is true, and the same as the list here. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RedisClient } from '@kerp/redis'
import { mockRedis, openPrivateRedis, type PrivateRedis } from '@kerp/redis/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Asked, type Asking, DIFFERENCES, PREPARED, REFUSED, SAME } from './mock-probes.js'

const README = join(import.meta.dirname, '..', '..', 'packages', 'redis', 'README.md')

let server: PrivateRedis
let real: RedisClient
const double = mockRedis()

beforeAll(async () => {
  server = await openPrivateRedis()
  real = server.client()
})
afterAll(async () => {
  real.disconnect()
  await server.close()
})

/** An answer, or the first word of the error. */
async function answer(redis: RedisClient, [name = '', ...args]: Asked): Promise<unknown> {
  try {
    return await redis.call(name, ...args)
  } catch (error) {
    if (!(error instanceof Error)) throw error
    return error.message.split(' ')[0]
  }
}

async function empty(redis: RedisClient): Promise<void> {
  await answer(redis, ['CONFIG', 'SET', 'maxmemory', '0'])
  await redis.flushall()
}

/** The answer to the last of them. */
async function lastAnswer(redis: RedisClient, ask: readonly Asked[] | Asking): Promise<unknown> {
  if (typeof ask !== 'function') return (await answers(redis, ask)).at(-1)
  await empty(redis)
  return ask(redis)
}

/** The answers to all of them, one after the other, in an empty data set. */
async function answers(redis: RedisClient, asked: readonly Asked[]): Promise<readonly unknown[]> {
  await empty(redis)
  const all: unknown[] = []
  for (const each of asked) all.push(await answer(redis, each))
  return all
}

/** First cells of the table below a heading row. */
function listed(heading: string): readonly string[] {
  const lines = readFileSync(README, 'utf8').split('\n')
  const from = lines.findIndex((line) => line.startsWith(heading)) + 2
  const rows = lines.slice(from, lines.indexOf('', from))
  return rows.map((row) => /^\| (.*?) \|/.exec(row)?.[1] ?? '')
}

describe('what the double answers otherwise', () => {
  it.each(Object.entries(DIFFERENCES))('%s', async (_, { ask, server: expected, double: given }) => {
    expect(await lastAnswer(real, ask)).toEqual(expected)
    expect(await lastAnswer(double, ask)).toEqual(given)
    expect(given).not.toEqual(expected)
  })

  it('stands in the README, and nothing else does', () => {
    expect(listed('| what is asked | a server | the double |')).toEqual(Object.keys(DIFFERENCES))
  })
})

async function askOrThrow(redis: RedisClient, ask: Asked | Asking): Promise<unknown> {
  if (typeof ask === 'function') return ask(redis)
  const [name = '', ...args] = ask
  return redis.call(name, ...args)
}

describe('what the double refuses', () => {
  it.each(Object.entries(REFUSED))('%s', async (_, asked) => {
    for (const each of asked) {
      await answers(real, PREPARED)
      await askOrThrow(real, each)
      await answers(double, PREPARED)
      await expect(askOrThrow(double, each)).rejects.toThrow()
    }
  })

  it('stands in the README, and nothing else does', () => {
    expect(listed('| what the double refuses |')).toEqual(Object.keys(REFUSED))
  })

  it('is every other command of a server that it does not have', async () => {
    const commands = (await real.call('COMMAND', 'LIST')) as string[]
    const missing = commands.filter((name) => typeof Reflect.get(double, name) !== 'function')
    for (const name of missing) await expect(askOrThrow(double, [name])).rejects.toThrow()
  })
})

describe('what is the same', () => {
  it.each(Object.entries(SAME))('%s', async (_, asked) => {
    expect(await answers(double, asked)).toEqual(await answers(real, asked))
  })

  it('stands in the README, and nothing else does', () => {
    expect(listed('| what is the same |')).toEqual(Object.keys(SAME))
  })
})
