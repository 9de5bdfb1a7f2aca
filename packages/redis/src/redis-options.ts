/** What `createRedis` is told, by options and by environment, resolved into one frozen description. */

import type { ConnectionOptions } from 'node:tls'
import {
  InvalidOptionError,
  objectOptions,
  type Observer,
  observerOfPart,
  wholeNumberOption,
} from '@kerp/core'
import type { ClusterOptions, RedisOptions } from 'ioredis'
import { refuseUnfitOptions } from './client-check.js'
import { RedisInsecureError } from './errors.js'
import {
  checkNodes,
  isLoopback,
  type NodeAddress,
  REDIS_PORT,
  readNodes,
  readNumber,
  readServiceLink,
  readSwitch,
  readUrl,
  SENTINEL_PORT,
} from './redis-address.js'

/** One server's address. */
export interface RedisNode {
  readonly host: string
  /** @defaultValue 6379, for a Sentinel 26379 */
  readonly port?: number | undefined
}

/** Masters found by asking Sentinels. */
export interface SentinelOptions {
  /** The name under which the Sentinels watch the master. @defaultValue `mymaster` */
  readonly name?: string | undefined
  readonly nodes: readonly RedisNode[]
  readonly username?: string | undefined
  readonly password?: string | undefined
}

/** Nodes of a Redis Cluster; the others are found from these. */
export interface ClusterNodes {
  readonly nodes: readonly RedisNode[]
}

/** Where Redis is and how long it may take. Each group stands for one way to say where; the first given wins. */
export interface CreateRedisOptions {
  /** `redis://…`, `rediss://…` (TLS) or the path of a unix socket. Environment: REDIS_URL. */
  readonly url?: string | undefined
  /** Environment: REDIS_CLUSTER_NODES, `host:port,host:port`. */
  readonly cluster?: ClusterNodes | undefined
  /** Environment: REDIS_SENTINELS (`host:port,…`), REDIS_SENTINEL_NAME, REDIS_SENTINEL_USERNAME, REDIS_SENTINEL_PASSWORD. */
  readonly sentinel?: SentinelOptions | undefined
  /** Path of a unix socket. */
  readonly path?: string | undefined
  /** Environment: REDIS_HOST. @defaultValue `127.0.0.1` */
  readonly host?: string | undefined
  /**
   * Environment: REDIS_PORT. The `tcp://ADDRESS:PORT` that Kubernetes puts there for a Service named `redis` counts for that
   * Service only. @defaultValue 6379
   */
  readonly port?: number | undefined

  /** Environment: REDIS_USERNAME. */
  readonly username?: string | undefined
  /** Environment: REDIS_PASSWORD. */
  readonly password?: string | undefined
  /** Environment: REDIS_DB. @defaultValue 0, the only one of a cluster */
  readonly db?: number | undefined
  /** Encrypts; an object adds to Node's TLS options. Environment: REDIS_TLS, `true` or `false`. @defaultValue false */
  readonly tls?: boolean | ConnectionOptions | undefined
  /** Lets a password cross the network in clear text. @defaultValue false: refused */
  readonly allowPlaintextPassword?: boolean | undefined

  /** How long opening a connection may take. Environment: REDIS_DIAL_TIMEOUT_MS. @defaultValue 500 */
  readonly dialTimeoutMs?: number | undefined
  /**
   * How long a connection with calls in flight may be silent; then it is destroyed, the calls end as *unknown*
   * and a new one is opened. Longer than any blocking command. Environment: REDIS_READ_TIMEOUT_MS. @defaultValue 1_000
   */
  readonly readTimeoutMs?: number | undefined
  /**
   * How long a call may wait for its turn to be written, on top of `readTimeoutMs`; the sum ends every call of
   * this client, also those that are not made through this library. Environment: REDIS_WRITE_TIMEOUT_MS. @defaultValue 500
   */
  readonly writeTimeoutMs?: number | undefined
  /** The longest wait before the next attempt to connect; waits are random below it. @defaultValue 1_000 */
  readonly reconnectMsMax?: number | undefined

  /** Waits for the first call before it connects. @defaultValue false */
  readonly lazyConnect?: boolean | undefined
  /** Hears of connections that fail, as `backgroundError` of source `redis`. @defaultValue the default logger */
  readonly observer?: Observer | undefined
  /** Anything else that ioredis knows; wins over the defaults. `keyPrefix` and auto-pipelining are refused. */
  readonly ioredis?: RedisOptions | undefined
  /** Anything else that ioredis's Cluster knows; its `redisOptions` are added to what the nodes get anyway. */
  readonly ioredisCluster?: ClusterOptions | undefined
}

/** The process's environment, or what a test puts in its place. */
export type RedisEnvironment = Readonly<Record<string, string | undefined>>

/** Where to connect. */
export type RedisPlace =
  | { readonly kind: 'single'; readonly node: NodeAddress }
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'sentinel'; readonly name: string; readonly nodes: readonly NodeAddress[] }
  | { readonly kind: 'cluster'; readonly nodes: readonly NodeAddress[] }

/** All that `createRedis` acts on. */
export interface ResolvedRedisOptions {
  readonly place: RedisPlace
  readonly username: string | undefined
  readonly password: string | undefined
  readonly sentinelUsername: string | undefined
  readonly sentinelPassword: string | undefined
  readonly db: number
  readonly tls: ConnectionOptions | undefined
  readonly dialTimeoutMs: number
  readonly readTimeoutMs: number
  readonly writeTimeoutMs: number
  readonly reconnectMsMax: number
  readonly lazyConnect: boolean
  readonly observer: Observer
  readonly ioredis: RedisOptions
  readonly ioredisCluster: ClusterOptions
}

const OWNER = 'createRedis'
const TIMEOUT_MS_MAX = 3_600_000
const DB_MAX = 1_000_000

/**
 * Options first, then the environment. Options that name a place hide every place of the environment, and the
 * credentials that belong to it.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION`; it never shows a URL or a password.
 * @throws {RedisInsecureError} `REDIS_INSECURE` for a password in clear text to another machine.
 */
export function resolveRedisOptions(
  options: CreateRedisOptions,
  env: RedisEnvironment,
): ResolvedRedisOptions {
  objectOptions(OWNER, options)
  refuseUnsafe(options)
  const told = hasPlace(options) ? options : { ...optionsOf(env, options), ...withoutUndefined(options) }
  const url = told.url === undefined ? {} : readUrl(told.url)
  const resolved: ResolvedRedisOptions = Object.freeze({
    place: placeOf({ ...told, ...withoutUndefined(url) }),
    username: told.username ?? url.username,
    password: told.password ?? url.password,
    sentinelUsername: told.sentinel?.username,
    sentinelPassword: told.sentinel?.password,
    db: wholeNumberOption(OWNER, 'db', told.db ?? url.db, { min: 0, max: DB_MAX, fallback: 0 }),
    tls: tlsOf(told.tls ?? url.tls ?? false),
    ...timesOf(options, env),
    lazyConnect: options.lazyConnect ?? false,
    observer: observerOfPart(options.observer),
    ioredis: Object.freeze({ ...options.ioredis }),
    ioredisCluster: Object.freeze({ ...options.ioredisCluster }),
  })
  if (options.allowPlaintextPassword !== true) refusePlaintext(resolved)
  return resolved
}

function hasPlace({ url, cluster, sentinel, path, host }: CreateRedisOptions): boolean {
  return [url, cluster, sentinel, path, host].some((value) => value !== undefined)
}

function withoutUndefined<T extends object>(values: T): Partial<T> {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as Partial<T>
}

/** What the environment says beyond the options; a variable that is not used is not read, whatever it holds. */
function optionsOf(env: RedisEnvironment, options: CreateRedisOptions): CreateRedisOptions {
  const text = (name: string): string | undefined => (env[name] === '' ? undefined : env[name])
  return {
    ...placeIn(env, text, options),
    username: text('REDIS_USERNAME'),
    password: text('REDIS_PASSWORD'),
    db: options.db ?? readNumber('REDIS_DB', env['REDIS_DB']),
    tls: options.tls ?? readSwitch('REDIS_TLS', env['REDIS_TLS']),
  }
}

/** The first place that the environment names. */
function placeIn(
  env: RedisEnvironment,
  text: (name: string) => string | undefined,
  options: CreateRedisOptions,
): CreateRedisOptions {
  const url = text('REDIS_URL')
  if (url !== undefined) return { url }
  const cluster = text('REDIS_CLUSTER_NODES')
  if (cluster !== undefined) {
    return { cluster: { nodes: readNodes('REDIS_CLUSTER_NODES', cluster, REDIS_PORT) } }
  }
  const sentinels = text('REDIS_SENTINELS')
  if (sentinels !== undefined) {
    return {
      sentinel: {
        nodes: readNodes('REDIS_SENTINELS', sentinels, SENTINEL_PORT),
        name: text('REDIS_SENTINEL_NAME'),
        username: text('REDIS_SENTINEL_USERNAME'),
        password: text('REDIS_SENTINEL_PASSWORD'),
      },
    }
  }
  const host = text('REDIS_HOST')
  if (options.port !== undefined) return { host }
  return (
    readServiceLink(host, text('REDIS_PORT')) ?? { host, port: readNumber('REDIS_PORT', env['REDIS_PORT']) }
  )
}

/** The first of url, cluster, sentinel, path and host that was given; a URL has become path or host before. */
function placeOf(told: CreateRedisOptions): RedisPlace {
  const { url, cluster, sentinel, path, host, port } = told
  if (url === undefined && cluster !== undefined) {
    return { kind: 'cluster', nodes: checkNodes('cluster.nodes', cluster.nodes, REDIS_PORT) }
  }
  if (url === undefined && sentinel !== undefined) {
    const nodes = checkNodes('sentinel.nodes', sentinel.nodes, SENTINEL_PORT)
    return { kind: 'sentinel', name: sentinel.name ?? 'mymaster', nodes }
  }
  if (path !== undefined) return { kind: 'socket', path }
  const [node] = checkNodes('host', [{ host: host ?? '127.0.0.1', port }], REDIS_PORT)
  if (node === undefined) throw new InvalidOptionError(OWNER, 'host', 'the name of a host', host)
  return { kind: 'single', node }
}

function timesOf(
  options: CreateRedisOptions,
  env: RedisEnvironment,
): Pick<ResolvedRedisOptions, 'dialTimeoutMs' | 'readTimeoutMs' | 'writeTimeoutMs' | 'reconnectMsMax'> {
  const time = (name: string, value: number | undefined, variable: string, fallback: number): number => {
    const given = value ?? readNumber(variable, env[variable])
    return wholeNumberOption(OWNER, name, given, { min: 10, max: TIMEOUT_MS_MAX, fallback })
  }
  return {
    dialTimeoutMs: time('dialTimeoutMs', options.dialTimeoutMs, 'REDIS_DIAL_TIMEOUT_MS', 500),
    readTimeoutMs: time('readTimeoutMs', options.readTimeoutMs, 'REDIS_READ_TIMEOUT_MS', 1_000),
    writeTimeoutMs: time('writeTimeoutMs', options.writeTimeoutMs, 'REDIS_WRITE_TIMEOUT_MS', 500),
    reconnectMsMax: time('reconnectMsMax', options.reconnectMsMax, 'REDIS_RECONNECT_MS_MAX', 1_000),
  }
}

function tlsOf(tls: boolean | ConnectionOptions): ConnectionOptions | undefined {
  if (tls === false) return undefined
  return Object.freeze(tls === true ? {} : { ...tls })
}

function refuseUnsafe({ ioredis, ioredisCluster }: CreateRedisOptions): void {
  for (const passed of [ioredis, ioredisCluster, ioredisCluster?.redisOptions]) {
    refuseUnfitOptions(OWNER, passed)
    if (passed?.enableAutoPipelining === true) {
      const expected =
        'left out (it gives one call the reply of another after an error, and breaks scripts in a cluster)'
      throw new InvalidOptionError(OWNER, 'enableAutoPipelining', expected, true)
    }
  }
}

/**
 * The master that a Sentinel names may be anywhere, so a remote Sentinel counts as a remote master; and ioredis speaks
 * TLS to either only when it is told so by more than `tls`.
 */
function refusePlaintext(resolved: ResolvedRedisOptions): void {
  const { place, password, sentinelPassword, tls, ioredis, ioredisCluster } = resolved
  if (place.kind === 'socket') return
  const passed: RedisOptions =
    place.kind === 'cluster' ? { ...ioredis, ...ioredisCluster.redisOptions } : ioredis
  const secrets = [password, sentinelPassword, passed.password, passed.sentinelPassword]
  const isEncrypted = tls !== undefined || (place.kind !== 'sentinel' && passed.tls !== undefined)
  if (isEncrypted || !secrets.some((secret) => typeof secret === 'string')) return
  const nodes = place.kind === 'single' ? [place.node] : place.nodes
  if (!nodes.every(({ host }) => isLoopback(host))) throw new RedisInsecureError()
}
