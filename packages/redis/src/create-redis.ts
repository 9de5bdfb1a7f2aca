/** The client factory: ioredis with the settings that kept every call bounded and honest under faults. */

import { inspect } from 'node:util'
import { jitteredBackoffMs, type Observer, systemClock } from '@kerp/core'
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis'
import { disconnectOnce } from './disconnect-once.js'
import { forgetSilence } from './forget-silence.js'
import type { RedisClient } from './outcome.js'
import {
  type CreateRedisOptions,
  type RedisEnvironment,
  type ResolvedRedisOptions,
  resolveRedisOptions,
} from './redis-options.js'
import { watchRefusals } from './refused-connections.js'

/** A connection that is being closed ends by force after this time, in ms. */
const DISCONNECT_MS = 200

/** The wait before the first attempt to connect again is random below this, in ms. */
const RECONNECT_MS = 50

/**
 * Makes a client. It connects in the background; before it is ready, and whenever it is not connected, calls
 * fail at once as *not done*. `whenReady` waits for it, `connectRedis` does both, `closeRedis` ends it.
 *
 * A lost reply is never answered by sending the command again: the call ends as *unknown*. A silent connection
 * is replaced after `readTimeoutMs`. `util.inspect` and `JSON.stringify` of the client show no password.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION`, also for `keyPrefix` and auto-pipelining.
 * @throws {RedisInsecureError} `REDIS_INSECURE` for a password in clear text to another machine.
 * @example
 * const redis = createRedis({ host: '127.0.0.1', port: 6379 })
 * await whenReady(redis, 2_000)
 */
export function createRedis(
  options: CreateRedisOptions = {},
  env: RedisEnvironment = process.env,
): RedisClient {
  const resolved = resolveRedisOptions(options, env)
  return guard(open(resolved), resolved)
}

function open(resolved: ResolvedRedisOptions): RedisClient {
  const { place } = resolved
  switch (place.kind) {
    case 'cluster':
      return new Cluster([...place.nodes], clusterOptions(resolved))
    case 'sentinel':
      return new Redis({ ...connectionOptions(resolved), ...sentinelOptions(resolved), ...resolved.ioredis })
    case 'socket':
      return new Redis({ ...connectionOptions(resolved), path: place.path, ...resolved.ioredis })
    case 'single':
      return new Redis({ ...connectionOptions(resolved), ...place.node, ...resolved.ioredis })
  }
}

function connectionOptions(resolved: ResolvedRedisOptions): RedisOptions {
  const { username, password, tls, db, dialTimeoutMs, readTimeoutMs, writeTimeoutMs } = resolved
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls: { ...tls } }),
    db,
    lazyConnect: resolved.lazyConnect,
    connectTimeout: dialTimeoutMs,
    disconnectTimeout: DISCONNECT_MS,
    socketTimeout: readTimeoutMs,
    commandTimeout: readTimeoutMs + writeTimeoutMs,
    // Never sent again, never queued: the caller learns what happened and decides.
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    enableAutoPipelining: false,
    retryStrategy: reconnectWait(resolved.reconnectMsMax),
    // A replica that was the master keeps the connection open and refuses writes for ever.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  }
}

function sentinelOptions(resolved: ResolvedRedisOptions): RedisOptions {
  const { place, tls, dialTimeoutMs, sentinelUsername, sentinelPassword } = resolved
  if (place.kind !== 'sentinel') return {}
  return {
    sentinels: [...place.nodes],
    name: place.name,
    ...(sentinelUsername === undefined ? {} : { sentinelUsername }),
    ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
    ...(tls === undefined ? {} : { enableTLSForSentinelMode: true, sentinelTLS: { ...tls } }),
    // Without it a client stays on a master that was replaced, and up to 85 % of acknowledged writes were lost.
    failoverDetector: true,
    sentinelCommandTimeout: dialTimeoutMs,
    sentinelRetryStrategy: reconnectWait(resolved.reconnectMsMax),
  }
}

function clusterOptions(resolved: ResolvedRedisOptions): ClusterOptions {
  const { ioredis, ioredisCluster } = resolved
  return {
    enableOfflineQueue: false,
    lazyConnect: resolved.lazyConnect,
    // Above 0 the cluster client sends in-flight commands of a lost connection again.
    retryDelayOnFailover: 0,
    slotsRefreshInterval: 1_000,
    clusterRetryStrategy: reconnectWait(resolved.reconnectMsMax),
    ...ioredisCluster,
    redisOptions: {
      ...connectionOptions(resolved),
      // Nodes connect with their first command, whatever the cluster client itself does.
      lazyConnect: true,
      ...ioredis,
      ...ioredisCluster.redisOptions,
    },
  }
}

function reconnectWait(backoffMsMax: number): (times: number) => number {
  return (times) => 1 + jitteredBackoffMs(times, { backoffMs: RECONNECT_MS, backoffMsMax })
}

function observeFailure(observer: Observer, error: unknown): void {
  try {
    // Of what ioredis says only the system's word for it is shown: the rest may carry the password.
    const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined
    const word = typeof code === 'string' ? ` (${code.slice(0, 40)})` : ''
    const message = `A connection to Redis failed${word}; it is tried again.`
    observer.backgroundError?.({ source: 'redis', code: 'REDIS_NOT_DONE', message })
  } catch {
    // An observer that fails must not fail what it observes.
  }
}

/** The client's options hold the password in clear, and loggers walk through objects. */
function guard(client: RedisClient, resolved: ResolvedRedisOptions): RedisClient {
  disconnectOnce(client)
  forgetSilence(client)
  if (resolved.place.kind === 'sentinel' && client instanceof Redis) {
    keepAlive(client, reconnectWait(resolved.reconnectMsMax))
  }
  // ioredis prints errors that nobody listens to, and those of AUTH carry the password.
  client.on('error', (error: unknown) => observeFailure(resolved.observer, error))
  watchRefusals(client)
  const show = (): string => `RedisClient ${describe(resolved)} (${client.status})`
  const duplicate = client.duplicate.bind(client) as (...args: unknown[]) => RedisClient
  return Object.defineProperties(client, {
    [inspect.custom]: { value: show },
    toJSON: { value: show },
    duplicate: { value: (...args: unknown[]) => guard(duplicate(...args), resolved) },
  })
}

/**
 * Only who closes a client ends it. ioredis gives one up for good when it is told to connect anew while it is looking for
 * its master, as a second Sentinel or a second refused write does at a failover.
 */
function keepAlive(client: Redis, waitMs: (times: number) => number): void {
  const [disconnect, quit] = [client.disconnect.bind(client), client.quit.bind(client)]
  let isClosed = false
  let attempts = 0
  const connect = (): void => {
    if (!isClosed && client.status === 'end') client.connect().catch(() => undefined)
  }
  client.disconnect = (reconnect = false) => {
    if (!reconnect) isClosed = true
    disconnect(reconnect)
  }
  client.quit = () => {
    isClosed = true
    return quit()
  }
  client.on('ready', () => (attempts = 0))
  client.on('end', () => {
    attempts += 1
    if (!isClosed) systemClock.setTimer(waitMs(attempts), connect)
  })
}

function describe({ place }: ResolvedRedisOptions): string {
  if (place.kind === 'socket') return 'on a unix socket'
  const nodes = place.kind === 'single' ? [place.node] : place.nodes
  return `${place.kind} ${nodes.map(({ host, port }) => `${host}:${port}`).join(', ')}`
}
