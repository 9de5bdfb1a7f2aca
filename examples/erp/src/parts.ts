/**
 * The servers that the app stands on: given by URL, else private ones that end with it.
 *
 * Redis may be missing: then a double in this process takes its place. The database may be down at the start:
 * then the app answers 503 until it is there.
 */

import { chmod, mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { KerpError, type Observer } from '@kerp/core'
import { openPrivatePostgres, type PrivatePostgres } from '@kerp/postgres/testing'
import {
  assertCoordinationRedis,
  closeRedis,
  createRedis,
  type RedisClient,
  redisHealth,
  RedisMissingError,
  whenReady,
} from '@kerp/redis'
import { mockRedis, openPrivateRedis, type PrivateRedis } from '@kerp/redis/testing'
import { Pool } from 'pg'
import type { ErpConfig } from './config.js'

/** Something that was opened, in words for the first lines of output, and how it is closed. */
export interface Part {
  readonly words: string
  close(): Promise<void>
}

/** Remembers a part that must be closed at the end, and hands it back. */
export type Opened = <T extends { close(): Promise<void> }>(part: T) => T

/** The Redis that figures are cached in, and the one that locks are kept in. */
export interface RedisPart extends Part {
  /** For cached figures; may evict. */
  readonly client: RedisClient
  /** For locks; must not evict. The same client unless `REDIS_CACHE_URL` names another server. */
  readonly coordination: RedisClient
  /** The server, when this process started it: only such a one may be killed on purpose. */
  readonly server: PrivateRedis | undefined
}

/** The database. */
export interface DatabasePart extends Part {
  readonly pool: Pool
  /** Where it is. */
  readonly url: string
  /** The server, when this process started it: only such a one may be killed on purpose. */
  readonly server: PrivatePostgres | undefined
}

const POOL_MAX = 12
const CONNECT_DEADLINE_MS = 2_000

/** Locks on `REDIS_URL` or a Redis of this process; figures on `REDIS_CACHE_URL` if there is one, else with the locks. */
export async function openRedis(config: ErpConfig, observer: Observer): Promise<RedisPart> {
  const main = await openCoordinationRedis(config, observer)
  if (config.redisCacheUrl === undefined) return { ...main, coordination: main.client }
  const cache = await connect(createRedis({ url: config.redisCacheUrl, observer }, {}), 'REDIS_CACHE_URL')
  return {
    client: cache.client,
    coordination: main.client,
    server: undefined,
    words: `${cache.words} for figures, ${main.words} for locks`,
    close: () => cache.close().then(() => main.close()),
  }
}

const GUARD_DEADLINE_MS = 1_000

/**
 * Makes sure at the start that locks stay where they are put. A server that cannot be reached now is looked at by
 * the locks themselves, before the first one is granted.
 *
 * @throws {RedisUnsuitableError} `REDIS_UNSUITABLE`, with the fix in its message, for a server that may evict them.
 */
export async function refuseEviction(redis: RedisClient, say: (line: string) => void): Promise<void> {
  const { reachable, maxmemoryPolicy, unreadable } = await redisHealth(redis, {
    deadlineMs: GUARD_DEADLINE_MS,
  })
  if (!reachable) return
  if (maxmemoryPolicy !== undefined) {
    await assertCoordinationRedis(redis, { deadlineMs: GUARD_DEADLINE_MS })
    return
  }
  const reason = unreadable ?? 'INFO does not say it'
  say(
    `warning: the maxmemory-policy of the Redis that keeps locks cannot be read (${reason}); it must be noeviction`,
  )
}

/** `REDIS_URL`, `REDIS_SENTINELS`, `REDIS_CLUSTER_NODES`, a private server found on PATH, or a double in this process. */
async function openCoordinationRedis(
  config: ErpConfig,
  observer: Observer,
): Promise<Omit<RedisPart, 'coordination'>> {
  const { redisUrl, redisSentinels, redisSentinelName, redisClusterNodes } = config
  if (redisUrl !== undefined)
    return {
      ...(await connect(createRedis({ url: redisUrl, observer }, {}), 'REDIS_URL')),
      server: undefined,
    }
  if (redisSentinels !== undefined) {
    const env = { REDIS_SENTINELS: redisSentinels, REDIS_SENTINEL_NAME: redisSentinelName }
    return { ...(await connect(createRedis({ observer }, env), 'REDIS_SENTINELS')), server: undefined }
  }
  if (redisClusterNodes !== undefined) {
    const client = createRedis({ observer }, { REDIS_CLUSTER_NODES: redisClusterNodes })
    return { ...(await connect(client, 'REDIS_CLUSTER_NODES')), server: undefined }
  }
  const server = await openPrivateRedis().catch((error: unknown) => {
    if (error instanceof RedisMissingError) return undefined
    throw error
  })
  if (server === undefined) {
    const words = 'ioredis-mock: no redis-server or valkey-server was found on PATH, so one process only'
    const client = mockRedis()
    return { client, server, words, close: () => closeRedis(client) }
  }
  const { client, words, close } = await connect(
    createRedis({ url: server.url, observer }, {}),
    `private redis-server (pid ${server.pid})`,
  )
  return { client, server, words, close: () => close().then(() => server.close()) }
}

/** A Redis that is not there is no reason not to start: the database answers until it is. */
async function connect(
  client: RedisClient,
  name: string,
): Promise<{ readonly client: RedisClient; readonly words: string; readonly close: () => Promise<void> }> {
  const words = await whenReady(client, CONNECT_DEADLINE_MS).then(
    () => name,
    (error: unknown) =>
      `${name}, not usable yet (${error instanceof KerpError ? error.message : 'no connection'})`,
  )
  return { client, words, close: () => closeRedis(client) }
}

/** The database: `DATABASE_URL`, else a private PostgreSQL in `DATA_DIR`, else one that leaves nothing behind. */
export async function openDatabase({ databaseUrl, dataDir }: ErpConfig): Promise<DatabasePart> {
  if (databaseUrl !== undefined) {
    const pool = openPool(databaseUrl)
    return { pool, url: databaseUrl, server: undefined, words: 'DATABASE_URL', close: () => pool.end() }
  }
  if (dataDir !== undefined) await makePassable(dataDir)
  const server = await openPrivatePostgres(
    dataDir === undefined ? {} : { dataDir: join(dataDir, 'postgres') },
  )
  const pool = openPool(server.url)
  const where = dataDir === undefined ? 'removed at the end' : `in ${server.dataDir}`
  return {
    pool,
    url: server.url,
    server,
    words: `private PostgreSQL (pid ${server.pid}), ${where}`,
    close: () => pool.end().then(() => server.close()),
  }
}

const SEARCH_FOR_ALL = 0o011

/** PostgreSQL does not run as root; the user that it then runs as must be able to pass through. */
async function makePassable(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true })
  if (process.getuid?.() === 0) await chmod(directory, (await stat(directory)).mode | SEARCH_FOR_ALL)
}

function openPool(connectionString: string): Pool {
  const pool = new Pool({
    connectionString,
    max: POOL_MAX,
    connectionTimeoutMillis: CONNECT_DEADLINE_MS,
    application_name: 'kerp-erp',
  })
  // A server that goes away ends idle connections too; without a listener that would end this process.
  pool.on('error', () => undefined)
  return pool
}
