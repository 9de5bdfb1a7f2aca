/** What servers suffer in tests: each fault is over when its function returns. */

import type { PrivatePostgres } from '@kerp/postgres/testing'
import type { PrivateRedis } from '@kerp/redis/testing'
import type { Redis } from 'ioredis'

/** Whom it befalls. */
export interface FaultedServers {
  readonly redis: PrivateRedis
  readonly postgres: PrivatePostgres
  /** From outside, past whatever lies between; it waits for a server that is away. */
  readonly admin: Redis
  /** Lets a fault last, in ms. */
  readonly last: (ms: number) => Promise<unknown>
}

/** Names of faults, and how they are done. */
export type ServerFault = keyof ReturnType<typeof serverFaults>

/** The faults of these servers. */
export function serverFaults({ redis, postgres, admin, last }: FaultedServers) {
  return {
    killedRedis: async () => {
      await redis.kill()
      await last(400)
      await redis.restart()
    },
    frozenRedis: async () => {
      redis.pause()
      await last(1_500)
      redis.resume()
    },
    emptiedRedis: () => admin.flushall(),
    /** It refuses all writes. */
    fullRedis: async () => {
      await admin.config('SET', 'maxmemory', 1)
      await last(1_000)
      await admin.config('SET', 'maxmemory', 0)
    },
    /** Every connection is cut, three times. */
    resetConnections: async () => {
      for (let times = 3; times > 0; times -= 1) {
        await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
        await last(100)
      }
    },
    restartedDatabase: () => postgres.restart(),
    killedDatabase: async () => {
      await postgres.kill()
      await postgres.restart()
    },
  }
}
