/**
 * The servers that the app stands on: given by URL, else private ones that end with it.
 *
 * Redis may be missing: then a double in this process takes its place. The database may be down at the start:
 * then the app answers 503 until it is there.
 */

import { chmod, mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { KerpError, type Observer } from '@kerp/core'
import { openPrivatePostgres } from '@kerp/postgres/testing'
import { closeRedis, createRedis, type RedisClient, RedisMissingError, whenReady } from '@kerp/redis'
import { mockRedis, openPrivateRedis, type PrivateRedis } from '@kerp/redis/testing'
import { Pool } from 'pg'
import type { ErpConfig } from './config.js'

/** Something that was opened, in words for the first lines of output, and how it is closed. */
export interface Part {
  readonly words: string
  close(): Promise<void>
}

/** The Redis that balances are cached in. */
export interface RedisPart extends Part {
  readonly client: RedisClient
  /** The server, when this process started it: only such a one may be killed on purpose. */
  readonly server: PrivateRedis | undefined
}

/** The database. */
export interface DatabasePart extends Part {
  readonly pool: Pool
}

const POOL_MAX = 12
const CONNECT_DEADLINE_MS = 2_000

/** Redis: `REDIS_CACHE_URL`, `REDIS_URL`, a private server found on PATH, or a double in this process. */
export async function openRedis(config: ErpConfig, observer: Observer): Promise<RedisPart> {
  const url = config.redisCacheUrl ?? config.redisUrl
  if (url !== undefined) {
    const name = config.redisCacheUrl === undefined ? 'REDIS_URL' : 'REDIS_CACHE_URL'
    return { ...(await connect(url, name, observer)), server: undefined }
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
    server.url,
    `private redis-server (pid ${server.pid})`,
    observer,
  )
  return { client, server, words, close: () => close().then(() => server.close()) }
}

/** A Redis that is not there is no reason not to start: the database answers until it is. */
async function connect(url: string, name: string, observer: Observer): Promise<Omit<RedisPart, 'server'>> {
  const client = createRedis({ url, observer }, {})
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
    return { pool, words: 'DATABASE_URL', close: () => pool.end() }
  }
  if (dataDir !== undefined) await makePassable(dataDir)
  const server = await openPrivatePostgres(
    dataDir === undefined ? {} : { dataDir: join(dataDir, 'postgres') },
  )
  const pool = openPool(server.url)
  const where = dataDir === undefined ? 'removed at the end' : `in ${server.dataDir}`
  return {
    pool,
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
