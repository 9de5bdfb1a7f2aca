/** What a process says of its relay beside what else is wrong. */

import type { DatabaseClient, DatabasePool } from '@kerp/postgres'
import { realtimeHealth, type RealtimeHealthParts } from '@kerp/realtime'
import type { RedisClient } from '@kerp/redis'
import { mockRedis } from '@kerp/redis/testing'
import { expect, test } from 'vitest'

/** A Redis that says this of itself. */
function redisSaying(...lines: readonly string[]): RedisClient {
  const info = ['role:master', 'maxmemory_policy:noeviction', 'aof_enabled:0', 'loading:0', ...lines].join(
    '\n',
  )
  return Object.assign(mockRedis(), { info: () => Promise.resolve(info) })
}

const client: DatabaseClient = {
  query: () => Promise.resolve({ rows: [], command: 'SELECT' }),
  release: () => undefined,
  on: () => undefined,
  removeListener: () => undefined,
}
const pool: DatabasePool = { connect: () => Promise.resolve(client) }
const unreachable: DatabasePool = { connect: () => Promise.reject(new Error('no database')) }

/** The parts that something is wrong with, of a process whose relay is an hour behind. */
async function partsOf(
  parts: Pick<RealtimeHealthParts, 'redis' | 'more'>,
  from = pool,
): Promise<readonly string[]> {
  const registers = { freshness: () => undefined }
  const report = await realtimeHealth({ ...parts, pool: from, registers, relay: { lagMs: 3_600_000 } })
  return report.causes.map(({ part }) => part)
}

test('a relay that is behind is named beside what does not hold it up', async () => {
  expect(await partsOf({ redis: redisSaying() })).toEqual(['relay'])
  expect(await partsOf({ redis: redisSaying('redis_version:7.0.11') })).toEqual(['cache', 'relay'])
  const more = { mail: () => [{ level: 'degraded', cause: 'the mail server is slow' } as const] }
  expect(await partsOf({ redis: redisSaying(), more })).toEqual(['mail', 'relay'])
})

test('where database or Redis hold up the relay, only they are named', async () => {
  expect(await partsOf({ redis: redisSaying() }, unreachable)).toEqual(['database'])
  expect(await partsOf({ redis: redisSaying('role:slave') })).toEqual(['cache'])
  expect(await partsOf({ redis: redisSaying('loading:1') })).toEqual(['cache'])
})
