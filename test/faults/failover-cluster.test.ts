/** A cluster whose slot moves while it is in use, whose masters change by order and are killed. */

import { createKeys } from '@kerp/keys'
import { openPrivatePostgres, type PrivatePostgres } from '@kerp/postgres/testing'
import { openPrivateCluster, type PrivateRedis } from '@kerp/redis/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { FailoverWorld } from './failover-world.js'

const SLOT_MOVES = process.env['KERP_TEST_FULL'] === '1' ? 5 : 1

let postgres: PrivatePostgres
beforeAll(async () => {
  postgres = await openPrivatePostgres()
})
afterAll(() => postgres.close())

test('while the slot of a company moves and its master changes and is killed, nothing is lost, doubled or stale', async () => {
  await using nodes = await openPrivateCluster()
  const redis = { cluster: nodes.cluster, ioredisCluster: { shardedSubscribers: true } }
  await using world = await FailoverWorld.open({ redis, databaseUrl: postgres.url, sharded: true })
  const key = createKeys().watermark(world.companyId)
  const report: string[] = []
  const fault = async (words: string, run: (master: PrivateRedis) => Promise<unknown>): Promise<void> => {
    await expect.poll(() => world.done.writes, { timeout: 60_000 }).toBeGreaterThan(world.done.writes + 20)
    const begunMs = performance.now()
    await run(await nodes.masterOf(key))
    const switchMs = Math.round(performance.now() - begunMs)
    const { lockMs, readMs } = await world.recovery()
    report.push(`${words}: done after ${switchMs} ms, locks ${lockMs} ms and reads ${readMs} ms later`)
  }
  for (let move = 1; move <= SLOT_MOVES; move += 1) {
    await fault(`slot moved, ${move}`, async () => {
      const move = await nodes.beginMove(key)
      // For a while the slot has two nodes, and its keys are on either.
      await new Promise((resolve) => setTimeout(resolve, 300))
      await move.finish()
    })
  }
  await fault('CLUSTER FAILOVER', () => nodes.failover(key))
  await fault('killed', async (master) => {
    await master.kill()
    await nodes.replaced(key, master)
    await world.recovery()
    await master.restart({ keepData: true })
  })
  const judged = await world.judge()
  console.log(`Cluster: ${JSON.stringify(judged)}\n${report.join('\n')}`)
})
