/** The large read answers exactly as MGET does, on a server and on the double. */

import {
  closeRedis,
  connectRedis,
  type RedisClient,
  RedisNotDoneError,
  readMany,
  redisCommand,
} from '@kerp/redis'
import { mockRedis } from '@kerp/redis/testing'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'

let server: RedisClient
const double = mockRedis()
beforeAll(async () => {
  server = await connectRedis({ path: inject('redisSocket') }, 5_000, {})
})
afterAll(() => closeRedis(server))

describe.each([
  ['a server', () => server],
  ['the double', () => double],
] as const)('readMany on %s', (_name, client) => {
  it('answers as MGET does, for any keys and values, missing ones and repeated ones', async () => {
    const texts = fc.array(
      fc.tuple(fc.string({ unit: 'grapheme' }), fc.option(fc.string({ unit: 'grapheme' }))),
      {
        minLength: 1,
        maxLength: 20,
      },
    )
    await fc.assert(
      fc.asyncProperty(texts, async (pairs) => {
        const tag = `{${freshCompany()}}`
        for (const [key, value] of pairs) if (value !== null) await client().set(`${tag}${key}`, value)
        const keys = [
          ...pairs.map(([key]) => `${tag}${key}`),
          `${tag}한글\r\n`,
          `${tag}${pairs[0]?.[0] ?? ''}`,
        ]
        const values = await readMany(client(), keys)
        const expected = await redisCommand(client(), 'mget', keys)
        expect(values.map((value) => value?.toString() ?? null)).toStrictEqual(expected)
      }),
      { numRuns: 50 },
    )
  })

  it('answers nothing for no key', async () => {
    expect(await readMany(client(), [])).toStrictEqual([])
  })
})

it('readMany on a closed client was not done', async () => {
  const redis = await connectRedis({ path: inject('redisSocket') }, 5_000, {})
  await closeRedis(redis)
  await expect(readMany(redis, ['k'])).rejects.toThrow(RedisNotDoneError)
})
