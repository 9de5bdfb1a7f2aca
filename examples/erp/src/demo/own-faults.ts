/** `--faults`: what the demo does to the one Redis, the database and the second app process that it started itself. */

import type { PrivatePostgres } from '@kerp/postgres/testing'
import type { PrivateRedis } from '@kerp/redis/testing'
import type { Fault } from './faults.js'
import { pause } from './patience.js'
import type { SecondApp } from './second-app.js'

const DOWN_MS = 600
const PAUSED_MS = 1_000
const FULL_MS = 1_000

/** Vouchers are posted in the first half of the job, goods moved in the second. */
export function ownFaults(
  redis: PrivateRedis,
  database: PrivatePostgres | undefined,
  app: SecondApp,
): readonly Fault[] {
  const faults: Fault[] = [
    {
      kind: 'kill',
      words: 'Redis is killed, and comes back empty',
      share: 0.08,
      run: async () => {
        await redis.kill()
        await pause(DOWN_MS)
        await redis.restart()
      },
    },
    {
      kind: 'memoryFull',
      words: 'the memory of Redis is full: it refuses all writes',
      share: 0.2,
      run: async () => {
        await setMemory(redis, 1)
        await pause(FULL_MS)
        await setMemory(redis, 0)
      },
    },
    {
      kind: 'pause',
      words: 'Redis is frozen',
      share: 0.55,
      run: async () => {
        redis.pause()
        await pause(PAUSED_MS)
        redis.resume()
      },
    },
    {
      kind: 'appKill',
      words: 'the second process of the app is killed, and started again',
      share: 0.75,
      run: () => app.killAndStart(),
      isOver: () => app.isReady(),
    },
  ]
  if (database === undefined) return faults
  const words = 'PostgreSQL is killed, and recovers from its log'
  const run = async (): Promise<void> => {
    await database.kill()
    await database.restart()
  }
  return [...faults, { kind: 'databaseKill', words, share: 0.35, run }]
}

async function setMemory(redis: PrivateRedis, bytes: number): Promise<void> {
  const client = redis.client()
  try {
    await client.config('SET', 'maxmemory', bytes)
  } finally {
    client.disconnect()
  }
}
