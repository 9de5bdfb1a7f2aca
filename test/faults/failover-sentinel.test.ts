/** A master that three Sentinels replace: by order, killed, frozen, and with replicas that lag behind. */

import { openPrivatePostgres, type PrivatePostgres } from '@kerp/postgres/testing'
import { openPrivateReplicas, type PrivateRedis } from '@kerp/redis/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { FailoverWorld } from './failover-world.js'

let postgres: PrivatePostgres
beforeAll(async () => {
  postgres = await openPrivatePostgres()
})
afterAll(() => postgres.close())

test('through an ordered failover, one with lagging replicas, and a frozen master nothing is lost, doubled or stale', async () => {
  await using replicas = await openPrivateReplicas({ replicas: 3 })
  const redis = { sentinel: replicas.sentinel }
  await using world = await FailoverWorld.open({ redis, databaseUrl: postgres.url })
  const report: string[] = []
  const fault = async (words: string, run: (master: PrivateRedis) => Promise<unknown>): Promise<void> => {
    await expect.poll(() => world.done.writes, { timeout: 60_000 }).toBeGreaterThan(world.done.writes + 20)
    const begunMs = performance.now()
    await run(await replicas.master())
    const switchMs = Math.round(performance.now() - begunMs)
    const { lockMs, readMs } = await world.recovery()
    report.push(
      `${words}: another master after ${switchMs} ms, locks ${lockMs} ms and reads ${readMs} ms later`,
    )
  }
  await fault('SENTINEL FAILOVER', () => replicas.failover())
  await fault('killed, with replicas that lag', async (master) => {
    const others = replicas.servers.filter((server) => server !== master)
    for (const server of others) server.pause()
    // What is written from here on, no replica ever gets: it is acknowledged, and lost.
    const operator = master.client()
    await operator.client('KILL', 'TYPE', 'REPLICA')
    operator.disconnect()
    await new Promise((resolve) => setTimeout(resolve, 700))
    await master.kill()
    for (const server of others) server.resume()
    await replicas.replaced(master)
  })
  await fault('frozen', async (master) => {
    master.pause()
    await replicas.replaced(master)
    await world.recovery()
    master.resume()
  })
  const judged = await world.judge()
  console.log(`Sentinel: ${JSON.stringify(judged)}\n${report.join('\n')}`)
})
