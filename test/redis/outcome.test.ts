/** What a caller learns when no reply comes, and what nobody learns: arguments and passwords. */

import { inspect } from 'node:util'
import { recordingObserver } from '@kerp/core/testing'
import {
  connectRedis,
  createRedis,
  defineScript,
  type RedisClient,
  RedisNotDoneError,
  RedisRefusedError,
  RedisUnknownError,
  redisCommand,
} from '@kerp/redis'
import { Cluster, Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openReplyServer, type ReplyServer } from '../support/reply-server.js'

const CANARY = 'canary-7f3a'
const write = defineScript({
  name: 'write-secret',
  keys: ['key'],
  args: ['value'],
  lua: 'return 1',
  parse: Number,
})

describe('a call without a reply', () => {
  let server: ReplyServer
  let redis: RedisClient

  beforeAll(async () => {
    server = await openReplyServer()
  })
  beforeEach(async () => {
    redis = await connectRedis({ path: server.socketPath }, 5_000, {})
    return () => {
      redis.disconnect()
    }
  })
  afterAll(() => server[Symbol.asyncDispose]())

  it('may have been done, when the connection ends after it was sent', async () => {
    server.answer = () => 'close'
    await expect(redisCommand(redis, 'incr', ['n'])).rejects.toThrow(RedisUnknownError)
  })

  it('is never sent again by a client of createRedis', async () => {
    server.answer = () => 'close'
    const before = server.commands.length
    const ready = new Promise((resolve) => redis.once('reconnecting', () => redis.once('ready', resolve)))
    await expect(redisCommand(redis, 'incr', ['n'])).rejects.toThrow(RedisUnknownError)
    await ready
    server.answer = () => ({ bytes: ':1\r\n' })
    await redisCommand(redis, 'get', ['n'])
    expect(server.commands.slice(before).map(([name]) => name)).toStrictEqual(['incr', 'get'])
  })

  it('was not done, when it only reads', async () => {
    server.answer = () => 'close'
    await expect(redisCommand(redis, 'get', ['n'], { effect: 'none' })).rejects.toThrow(RedisNotDoneError)
  })

  it('ends by its deadline, and a reply that comes later disturbs nobody', async () => {
    server.answer = () => 'silence'
    const late = redisCommand(redis, 'incr', ['n'], { deadlineMs: 20 })
    await expect(late).rejects.toThrow('Redis call `incr` may have been done: no answer came within 20 ms.')
    const read = redisCommand(redis, 'get', ['n'], { deadlineMs: 20, effect: 'none' })
    await expect(read).rejects.toThrow(RedisNotDoneError)
  })

  it('was not done, when there was no connection to send it on', async () => {
    const idle = createRedis({ path: '/nowhere/redis.sock' }, {})
    await expect(redisCommand(idle, 'incr', ['n'])).rejects.toThrow(RedisNotDoneError)
    await expect(write.run(idle, { key: 'k' }, { value: 'v' })).rejects.toThrow(RedisNotDoneError)
    idle.disconnect()
    await expect(redisCommand(idle, 'incr', ['n'])).rejects.toThrow(RedisNotDoneError)
  })

  it('was not done, when the client was closed before', async () => {
    const closed = await connectRedis({ path: server.socketPath }, 5_000, {})
    const ended = new Promise((resolve) => closed.once('end', resolve))
    closed.disconnect()
    await ended
    await expect(redisCommand(closed, 'incr', ['n'])).rejects.toThrow('the connection was closed before')
  })

  it('is refused on a connection that subscribes', async () => {
    server.answer = () => ({ bytes: '*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n' })
    await redis.subscribe('c')
    await expect(redisCommand(redis, 'get', ['k'])).rejects.toThrow(RedisRefusedError)
  })

  it('is observed once, as ok, error or timeout, whatever the observer throws', async () => {
    const observer = recordingObserver()
    server.answer = () => ({ bytes: '+OK\r\n' })
    await redisCommand(redis, 'SET', ['k', 'v'], { observer })
    server.answer = () => ({ bytes: '-OOM no\r\n' })
    await redisCommand(redis, 'set', ['k', 'v'], { observer }).catch(() => undefined)
    server.answer = () => 'silence'
    await redisCommand(redis, 'set', ['k', 'v'], { observer, deadlineMs: 10 }).catch(() => undefined)
    const seen = observer.of('redisOperation').map(({ operation, status }) => [operation, status])
    expect(seen).toStrictEqual([
      ['set', 'ok'],
      ['set', 'error'],
      ['set', 'timeout'],
    ])

    server.answer = () => ({ bytes: '+OK\r\n' })
    const throwing = {
      redisOperation: () => {
        throw new Error('observer')
      },
    }
    const other = await connectRedis({ path: server.socketPath }, 5_000, {})
    expect(await redisCommand(other, 'set', ['k', 'v'], { observer: throwing })).toBe('OK')
    other.disconnect()
  })

  it('shows no key, argument or password in its error, however it is printed', async () => {
    const replies = [
      '-ERR wrong canary-7f3a\r\n',
      '-canary-7f3a\r\n',
      '-WRONGTYPE canary-7f3a\r\n',
      undefined,
    ]
    for (const bytes of replies) {
      server.answer = () => (bytes === undefined ? 'silence' : { bytes })
      const errors: unknown[] = [
        await redisCommand(redis, 'set', [CANARY, CANARY], { deadlineMs: 20 }).catch(
          (error: unknown) => error,
        ),
        await write
          .run(redis, { key: CANARY }, { value: CANARY }, { deadlineMs: 20 })
          .catch((error: unknown) => error),
      ]
      for (const error of errors) {
        const shown = [String(error), inspect(error, { depth: 10, showHidden: true }), JSON.stringify(error)]
        expect(shown.join('\n')).not.toContain(CANARY)
      }
    }
  })

  it('a plain ioredis error would show them: what the wrapping is for', async () => {
    server.answer = () => ({ bytes: '-ERR no\r\n' })
    const plain = new Redis(server.socketPath)
    const error: unknown = await plain.set(CANARY, CANARY).catch((thrown: unknown) => thrown)
    expect(inspect(error)).toContain(CANARY)
    plain.disconnect()
  })

  it('is refused before it is sent, when its name is no command', async () => {
    const before = server.commands.length
    for (const name of [
      '',
      'get k',
      'exec',
      'multi',
      'disconnect',
      '__proto__',
      'toString()',
      'x'.repeat(40),
    ]) {
      await expect(redisCommand(redis, name, [])).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    }
    expect(server.commands).toHaveLength(before)
  })

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e12])(
    'is refused with the deadline %d',
    async (deadlineMs) => {
      const before = server.commands.length
      const refused = { code: 'INVALID_INPUT', field: 'deadlineMs' }
      await expect(redisCommand(redis, 'incr', ['n'], { deadlineMs })).rejects.toMatchObject(refused)
      await expect(write.run(redis, { key: 'k' }, { value: 'v' }, { deadlineMs })).rejects.toMatchObject(
        refused,
      )
      expect(server.commands).toHaveLength(before)
    },
  )

  it('is refused on a client with a key prefix, which would hit some keys and not others', async () => {
    const prefixed = new Redis(server.socketPath, { keyPrefix: 'app:', lazyConnect: true })
    await expect(redisCommand(prefixed, 'get', ['k'])).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    await expect(write.run(prefixed, { key: 'k' }, { value: 'v' })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
    })
  })

  it('is refused on a cluster client that reads from replicas', async () => {
    const behind = new Cluster([{ host: '127.0.0.1', port: 1 }], { scaleReads: 'slave', lazyConnect: true })
    const refusal = { code: 'INVALID_OPTION', option: 'scaleReads' }
    await expect(redisCommand(behind, 'get', ['k'])).rejects.toMatchObject(refusal)
  })
})
