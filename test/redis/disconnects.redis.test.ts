/** What a client leaves behind on the sockets of connections that end. */

import { closeRedis, connectRedis, redisCommand, whenReady } from '@kerp/redis'
import { openPrivateCluster, openPrivateRedis, type PrivateRedis } from '@kerp/redis/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openFaultProxy } from '../support/fault-proxy.js'

/** How long a connection may be silent, in ms. */
const READ_MS = 500

/** Warnings of Node, as it gives one for the eleventh listener of an event. */
function warnings(): readonly string[] {
  const heard: string[] = []
  const hear = (warning: Error): void => void heard.push(warning.message)
  process.on('warning', hear)
  onTestFinished(() => void process.off('warning', hear))
  return heard
}

describe('A connection that is to end', () => {
  it('is told once, however many calls were refused because its server became a replica', async () => {
    await using server = await openPrivateRedis()
    const heard = warnings()
    const redis = await connectRedis({ path: server.socketPath }, 10_000, {})
    const operator = server.client()
    await operator.replicaof('127.0.0.1', 1)
    const calls = Array.from({ length: 50 }, () => redisCommand(redis, 'set', ['a', 'b']))
    for (const call of await Promise.allSettled(calls)) expect(call.status).toBe('rejected')
    await operator.replicaof('NO', 'ONE')
    await expect
      .poll(() => redisCommand(redis, 'set', ['a', 'b']).catch(() => 'not yet'), { timeout: 20_000 })
      .toBe('OK')
    operator.disconnect()
    await closeRedis(redis)
    expect(heard).toEqual([])
  })

  it('is told once, however often a cluster client looks for another node to subscribe at', async () => {
    await using nodes = await openPrivateCluster()
    const heard = warnings()
    const redis = await connectRedis({ cluster: nodes.cluster }, 10_000, {})
    await redis.subscribe('a')
    for (const node of nodes.nodes) await node.kill()
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    expect(heard).toEqual([])
    for (const node of nodes.nodes) await node.restart({ keepData: true })
    await expect.poll(() => subscribersOf(nodes.nodes), { timeout: 30_000 }).toBe(1)
    await closeRedis(redis)
    expect(heard).toEqual([])
  })
})

describe('A connection that takes the place of a lost one', () => {
  it('is not ended for the silence of the lost one', async () => {
    await using server = await openPrivateRedis()
    await using proxy = await openFaultProxy(server.socketPath)
    const redis = await connectRedis({ path: proxy.socketPath, readTimeoutMs: READ_MS }, 10_000, {})
    proxy.plan.blackhole = 'replies'
    const lost = redisCommand(redis, 'get', ['a'])
    proxy.heal()
    proxy.cut()
    await expect(lost).rejects.toMatchObject({ code: 'REDIS_UNKNOWN' })
    await whenReady(redis, 10_000)
    let ends = 0
    redis.on('close', () => (ends += 1))
    await new Promise((resolve) => setTimeout(resolve, 2 * READ_MS))
    expect(ends).toBe(0)
    await closeRedis(redis)
  })
})

/** How many nodes have a subscriber of the channel. */
async function subscribersOf(nodes: readonly PrivateRedis[]): Promise<number> {
  const counts = await Promise.all(
    nodes.map(async (node) => {
      const client = node.client()
      const [, count] = (await client.pubsub('NUMSUB', 'a')) as [string, number]
      client.disconnect()
      return count
    }),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}
