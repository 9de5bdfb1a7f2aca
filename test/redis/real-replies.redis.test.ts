/** Error replies as real servers give them: each is provoked, and ends as the table of replies says. */

import { dirname, join } from 'node:path'
import { readFile, rm, writeFile } from 'node:fs/promises'
import {
  closeRedis,
  connectRedis,
  type CreateRedisOptions,
  defineScript,
  REPLY_CODES,
  type RedisClient,
  RedisNotDoneError,
  RedisRefusedError,
  redisCommand,
} from '@kerp/redis'
import { openPrivateCluster, openPrivateRedis, type PrivateRedis } from '@kerp/redis/testing'
import { describe, expect, onTestFinished, test } from 'vitest'

const CLASSES = { notDone: RedisNotDoneError, refused: RedisRefusedError }

/** A client that stays where it is, whatever the server says. */
async function connect(options: CreateRedisOptions): Promise<RedisClient> {
  const ioredis = { reconnectOnError: () => false, enableReadyCheck: false }
  const redis = await connectRedis({ ...options, ioredis }, 10_000, {})
  onTestFinished(() => closeRedis(redis))
  return redis
}

async function server(...args: string[]): Promise<PrivateRedis> {
  const opened = await openPrivateRedis({ tcp: true, args })
  onTestFinished(() => opened.close())
  return opened
}

async function to(opened: PrivateRedis): Promise<RedisClient> {
  return connect({ path: opened.socketPath })
}

const write = defineScript({
  name: 'write-one',
  keys: ['stored'],
  args: [],
  lua: `redis.call('SET', stored, 'v') return 1`,
  parse: Number,
})

const spin = defineScript({ name: 'spin', keys: [], args: [], lua: 'while true do end', parse: Number })

/** Fails with the reply, as a plain command and inside a script. */
async function refuses(redis: RedisClient, code: string, key = 'k'): Promise<void> {
  await ends(redisCommand(redis, 'set', [key, 'v']), code)
  await ends(write.run(redis, { stored: key }, {}), code)
}

async function ends(call: Promise<unknown>, code: string): Promise<void> {
  const error: unknown = await call.then(
    (reply) => `answered ${String(reply)}`,
    (thrown: unknown) => thrown,
  )
  const verdict = REPLY_CODES.get(code)?.verdict === 'refused' ? 'refused' : 'notDone'
  expect(error).toBeInstanceOf(CLASSES[verdict])
  expect(error).toMatchObject({ replyCode: code })
}

/** Waits for a state that a server reaches by itself. */
async function shows(redis: RedisClient, words: string): Promise<void> {
  await expect.poll(() => redis.info(), { timeout: 20_000, interval: 20 }).toContain(words)
}

/** Reply code → how a server is brought to give it. */
const REPLIES: Readonly<Record<string, () => Promise<void>>> = {
  READONLY: async () => {
    const master = await server()
    await refuses(await to(await server('--replicaof', '127.0.0.1', String(master.port))), 'READONLY')
  },
  MASTERDOWN: async () => {
    const lost = await server('--replicaof', '127.0.0.1', '1', '--replica-serve-stale-data', 'no')
    const redis = await to(lost)
    await ends(redisCommand(redis, 'get', ['k'], { effect: 'none' }), 'MASTERDOWN')
    await ends(write.run(redis, { stored: 'k' }, {}), 'MASTERDOWN')
  },
  NOREPLICAS: async () => refuses(await to(await server('--min-replicas-to-write', '1')), 'NOREPLICAS'),
  OOM: async () => {
    const redis = await to(await server('--maxmemory', '1'))
    await refuses(redis, 'OOM')
    expect(await redisCommand(redis, 'del', ['k'])).toBe(0)
  },
  MISCONF: async () => {
    const full = await server()
    const redis = await to(full)
    await redis.config('SET', 'save', '3600 1')
    await rm(dirname(full.socketPath), { recursive: true })
    await redis.bgsave()
    await shows(redis, 'rdb_last_bgsave_status:err')
    await refuses(redis, 'MISCONF')
  },
  LOADING: async () => {
    const slow = await server()
    const before = await to(slow)
    await before.eval(`for key = 1, 20000 do redis.call('SET', key, 'v') end return 1`, 0)
    await before.save()
    const dump = await readFile(join(dirname(slow.socketPath), 'dump.rdb'))
    const loading = await openPrivateRedis({
      args: ['--key-load-delay', '1000', '--loading-process-events-interval-bytes', '1024'],
    })
    onTestFinished(() => loading.close())
    await writeFile(join(dirname(loading.socketPath), 'dump.rdb'), dump)
    // It answers while it loads, so that the restart does not wait for its end.
    await loading.restart({ keepData: true })
    await refuses(await to(loading), 'LOADING')
  },
  BUSY: async () => {
    const busy = await server('--busy-reply-threshold', '1')
    const [redis, other] = [await to(busy), await to(busy)]
    const spinning = spin.run(other, {}, {}, { deadlineMs: 60_000 })
    // It may end before the last line asks how.
    const ended = expect(spinning).rejects.toThrow(RedisNotDoneError)
    await expect
      .poll(() => redis.set('k', 'v').catch(String), { timeout: 20_000, interval: 20 })
      .toContain('BUSY')
    await refuses(redis, 'BUSY')
    await redis.script('KILL')
    await ended
  },
  WRONGTYPE: async () => {
    const redis = await to(await server())
    await redis.rpush('list', 'v')
    await ends(redisCommand(redis, 'get', ['list']), 'WRONGTYPE')
    const read = defineScript({
      name: 'read-one',
      keys: ['stored'],
      args: [],
      lua: `return redis.call('GET', stored)`,
      parse: String,
    })
    await ends(read.run(redis, { stored: 'list' }, {}), 'WRONGTYPE')
  },
  NOSCRIPT: async () => {
    const redis = await to(await server())
    await ends(redisCommand(redis, 'evalsha', ['0'.repeat(40), '0']), 'NOSCRIPT')
  },
  NOAUTH: async () => refuses(await to(await server('--requirepass', 'secret')), 'NOAUTH'),
  WRONGPASS: async () => {
    const closed = await server('--requirepass', 'secret')
    const wrong = { path: closed.socketPath, password: 'other' }
    await expect(connectRedis(wrong, 5_000, {})).rejects.toMatchObject({ replyCode: 'WRONGPASS' })
  },
  NOPERM: async () => {
    const redis = await to(await server())
    await redis.call(
      'ACL',
      'SETUSER',
      'reader',
      'on',
      'nopass',
      '~own:*',
      '+@read',
      '+evalsha',
      '+eval',
      '+info',
    )
    await redis.call('AUTH', 'reader', 'any')
    await ends(redisCommand(redis, 'set', ['own:k', 'v']), 'NOPERM')
    await ends(redisCommand(redis, 'get', ['k']), 'NOPERM')
  },
}

describe('a real server', () => {
  test.each(Object.entries(REPLIES))('answers %s', (_, provoke) => provoke())

  test('of a cluster answers MOVED, ASK, TRYAGAIN, CROSSSLOT and CLUSTERDOWN', async () => {
    const nodes = await openPrivateCluster()
    onTestFinished(() => nodes.close())
    const key = '{a}:1'
    const stranger = await to(await nodes.strangerTo(key))
    await refuses(stranger, 'MOVED', key)
    const move = await nodes.beginMove(key)
    await ends(redisCommand(await to(move.from), 'set', [key, 'v']), 'ASK')
    const target = await to(move.to)
    await target.call('ASKING')
    await target.set(key, 'v')
    await target.call('ASKING')
    await ends(redisCommand(target, 'mset', [key, '1', '{a}:2', '2']), 'TRYAGAIN')
    await move.finish()
    await ends(redisCommand(target, 'mset', ['{a}:1', '1', '{b}:1', '2']), 'CROSSSLOT')
    await target.call('CLUSTER', 'DELSLOTS', move.slot)
    await refuses(target, 'CLUSTERDOWN', key)
  })
})
