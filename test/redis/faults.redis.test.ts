/** What a caller can rely on while the server freezes, dies, forgets its scripts, or the network eats replies. */

import { recordingObserver, seededRandom } from '@kerp/core/testing'
import {
  closeRedis,
  connectRedis,
  defineScript,
  type RedisClient,
  RedisNotDoneError,
  RedisUnknownError,
  redisCommand,
  whenReady,
} from '@kerp/redis'
import { openPrivateRedis, type PrivateRedis } from '@kerp/redis/testing'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openFaultProxy } from '../support/fault-proxy.js'

const count = defineScript({
  name: 'count-effect',
  keys: ['effect'],
  args: [],
  lua: `return redis.call('INCR', effect)`,
  parse: Number,
})

/** How one call ended, as its caller saw it. */
async function outcomeOf(call: Promise<unknown>): Promise<'done' | 'notDone' | 'unknown'> {
  try {
    await call
    return 'done'
  } catch (error) {
    if (error instanceof RedisNotDoneError) return 'notDone'
    if (error instanceof RedisUnknownError) return 'unknown'
    throw error
  }
}

let server: PrivateRedis
let redis: RedisClient
let direct: Redis
beforeEach(async () => {
  server = await openPrivateRedis()
  redis = await connectRedis({ path: server.socketPath }, 5_000, {})
  direct = server.client()
  direct.on('error', () => undefined)
})
afterEach(async () => {
  await closeRedis(redis, 300)
  direct.disconnect()
  await server.close()
})

describe('a frozen server', () => {
  it('ends every call by its deadline, then fails calls at once, and works again when it thaws', async () => {
    server.pause()
    const calls = Array.from({ length: 50 }, (_, index) =>
      outcomeOf(redisCommand(redis, 'incr', ['n'], { deadlineMs: 25 + (index % 3) * 10 })),
    )
    expect(new Set(await Promise.all(calls))).toStrictEqual(new Set(['unknown']))
    // The silent connection is given up after readTimeoutMs; without one, nothing is sent and nothing waits.
    await new Promise((resolve) => redis.once('close', resolve))
    expect(await outcomeOf(redisCommand(redis, 'incr', ['n']))).toBe('notDone')
    server.resume()
    await whenReady(redis, 5_000)
    expect(await redisCommand(redis, 'incr', ['m'])).toBe(1)
  })
})

describe('a dead server', () => {
  it('fails calls at once as not done, and is found again when it is back', async () => {
    await server.kill()
    if (redis.status === 'ready') await new Promise((resolve) => redis.once('close', resolve))
    const outcomes = await Promise.all(
      Array.from({ length: 1_000 }, () =>
        outcomeOf(count.run(redis, { effect: 'n' }, {}, { deadlineMs: 60_000 })),
      ),
    )
    expect(new Set(outcomes)).toStrictEqual(new Set(['notDone']))
    await server.restart()
    await whenReady(redis, 5_000)
    expect(await count.run(redis, { effect: 'n' }, {})).toBe(1)
  })

  it('killed under load: what is done is there, what is not done is not, and nothing is there twice', async () => {
    // Without a file of its own the server forgets all of it, and a client can only be told what was.
    await using durable = await openPrivateRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] })
    const client = await connectRedis({ path: durable.socketPath, reconnectMsMax: 10 }, 5_000, {})
    const outcomes = new Map<string, 'done' | 'notDone' | 'unknown'>()
    const worker = async (name: string): Promise<void> => {
      for (let call = 0; call < 200; call += 1) {
        if (client.status !== 'ready' && call % 20 === 0) await whenReady(client, 5_000)
        const effect = `${name}-${call}`
        outcomes.set(effect, await outcomeOf(count.run(client, { effect }, {}, { deadlineMs: 5_000 })))
      }
    }
    const load = Promise.all(Array.from({ length: 10 }, (_, index) => worker(`w${index}`)))
    while (outcomes.size < 200) await new Promise((resolve) => setTimeout(resolve, 1))
    await durable.kill()
    await durable.restart({ keepData: true })
    await load

    const values = await durableValues(durable, [...outcomes.keys()])
    const wrong = [...outcomes].filter(([effect, outcome]) => {
      const times = values.get(effect) ?? 0
      return outcome === 'unknown' ? times > 1 : times !== (outcome === 'done' ? 1 : 0)
    })
    expect(wrong).toStrictEqual([])
    expect(new Set(outcomes.values())).toStrictEqual(new Set(['done', 'unknown', 'notDone']))
    await closeRedis(client)
  })
})

async function durableValues(
  of: PrivateRedis,
  names: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const outside = of.client()
  const values = await outside.mget([...names])
  outside.disconnect()
  return new Map(names.map((name, index) => [name, Number(values[index] ?? 0)]))
}

describe('lost replies', () => {
  const CALLS = 4_000
  const WORKERS = 10

  it('are told as unknown, and no effect happens twice', async () => {
    await using proxy = await openFaultProxy(server.socketPath)
    const cut = await connectRedis({ path: proxy.socketPath, reconnectMsMax: 10 }, 5_000, {})
    const random = seededRandom(20_261)
    proxy.plan.losesReply = () => random.fraction() < 0.05
    const outcomes = new Map<string, 'done' | 'notDone' | 'unknown'>()
    const worker = async (name: string): Promise<void> => {
      for (let call = 0; call < CALLS / WORKERS; call += 1) {
        if (cut.status !== 'ready') await whenReady(cut, 5_000)
        const effect = `${name}-${call}`
        outcomes.set(effect, await outcomeOf(count.run(cut, { effect }, {}, { deadlineMs: 5_000 })))
      }
    }
    await Promise.all(Array.from({ length: WORKERS }, (_, index) => worker(`w${index}`)))
    await closeRedis(cut)

    const values = await direct.mget([...outcomes.keys()])
    const seen = {
      done: new Set<string | null>(),
      notDone: new Set<string | null>(),
      unknown: new Set<string | null>(),
    }
    for (const [index, outcome] of [...outcomes.values()].entries()) seen[outcome].add(values[index] ?? null)
    expect(proxy.lostReplies).toBeGreaterThan(5)
    expect([...outcomes.values()].filter((outcome) => outcome === 'unknown').length).toBeGreaterThan(0)
    expect(seen.done).toStrictEqual(new Set(['1']))
    expect([...seen.notDone].filter((value) => value !== null)).toStrictEqual([])
    expect([...seen.unknown].filter((value) => value !== null && value !== '1')).toStrictEqual([])
  })

  it('of a client with settings of its own are sent again by it: such a call must be idempotent', async () => {
    await using proxy = await openFaultProxy(server.socketPath)
    const own = new Redis(proxy.socketPath)
    own.on('error', () => undefined)
    await count.run(own, { effect: 'warm' }, {})
    let losses = 1
    proxy.plan.losesReply = () => losses-- > 0
    expect(await count.run(own, { effect: 'n' }, {}, { deadlineMs: 5_000 })).toBe(2)
    own.disconnect()
  })

  it('swallowed by a network that keeps the connection open end by the deadline', async () => {
    await using proxy = await openFaultProxy(server.socketPath)
    const far = await connectRedis({ path: proxy.socketPath, readTimeoutMs: 200 }, 5_000, {})
    await count.run(far, { effect: 'warm' }, {})
    for (const blackhole of ['requests', 'replies', 'both'] as const) {
      proxy.plan.blackhole = blackhole
      const effect = `hole-${blackhole}`
      expect(await outcomeOf(count.run(far, { effect }, {}, { deadlineMs: 50 }))).toBe('unknown')
      if (far.status === 'ready') await new Promise((resolve) => far.once('close', resolve))
      proxy.heal()
      await whenReady(far, 5_000)
      expect(await direct.get(effect)).toBe(blackhole === 'replies' ? '1' : null)
    }
    await closeRedis(far)
  })
})

describe('a server that forgets its scripts', () => {
  it('is sent them again; every call is done exactly once', async () => {
    const observer = recordingObserver()
    const flushing = setInterval(() => void direct.script('FLUSH'), 2)
    const replies: number[] = []
    for (let round = 0; round < 300; round += 1) {
      const calls = Array.from({ length: 10 }, () => count.run(redis, { effect: 'n' }, {}, { observer }))
      replies.push(...(await Promise.all(calls)))
    }
    clearInterval(flushing)
    expect(replies.sort((a, b) => a - b)).toStrictEqual(
      Array.from({ length: 3_000 }, (_, index) => index + 1),
    )
    expect(observer.of('scriptFallback').length).toBeGreaterThan(3)
    expect(observer.of('redisOperation')).toHaveLength(3_000)
  })
})

describe('a server that is full', () => {
  it('refuses what writes and keeps answering what reads', async () => {
    await direct.set('kept', '1')
    await direct.config('SET', 'maxmemory', '1')
    await expect(redisCommand(redis, 'set', ['k', 'v'])).rejects.toMatchObject({
      code: 'REDIS_REFUSED',
      replyCode: 'OOM',
    })
    await expect(count.run(redis, { effect: 'n' }, {})).rejects.toMatchObject({ replyCode: 'OOM' })
    expect(await redisCommand(redis, 'get', ['kept'], { effect: 'none' })).toBe('1')
  })
})
