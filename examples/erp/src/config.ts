/** What the environment decides, read and checked once at start. */

import { InvalidOptionError, wholeNumberOption } from '@kerp/core'
import { isLoopback, readHost } from './http/hosts.js'

/** Settings of one app process. */
export interface ErpConfig {
  readonly host: string
  /** 0 takes a free port; the address is printed. */
  readonly port: number
  /** Redis for everything that must not be evicted; undefined starts a private one. */
  readonly redisUrl: string | undefined
  /** Sentinels of that Redis, as `host:port,…`, and the name of its master; instead of `redisUrl`. */
  readonly redisSentinels: string | undefined
  readonly redisSentinelName: string | undefined
  /** Nodes of a Redis Cluster, as `host:port,…`; instead of `redisUrl`. */
  readonly redisClusterNodes: string | undefined
  /** A second Redis for cached figures, which may evict; undefined shares the first. */
  readonly redisCacheUrl: string | undefined
  /** undefined starts a private PostgreSQL. */
  readonly databaseUrl: string | undefined
  /** Where the private PostgreSQL keeps its data; undefined keeps nothing beyond the run. */
  readonly dataDir: string | undefined
  readonly authSecret: string
  /** Whether the environment gave a secret: then more than this machine may reach the app. */
  readonly hasAuthSecret: boolean
  /** Names beside loopback and `host` by which clients may call the app: `ALLOWED_HOSTS`, separated by commas. */
  readonly allowedHosts: readonly string[]
  /** Pages beside the app's own that may open `/live`: `LIVE_ORIGINS`, separated by commas. */
  readonly liveOrigins: readonly string[]
  /** Calls of one user on one route in a minute: `RATE_LIMIT_PER_MINUTE`; 0 for any number. */
  readonly rateLimitPerMinute: number
  /** Sessions that one address may open in a minute: `SESSION_LIMIT_PER_MINUTE`; 0 for any number. */
  readonly sessionLimitPerMinute: number
  /** `step:n`, for crash tests. */
  readonly failPoint: string | undefined
}

/**
 * Signs tokens when there is no AUTH_SECRET. Knowing it gives nobody more than `POST /session` does, which
 * asks for no password; and without AUTH_SECRET only this machine can reach either.
 */
const LOOPBACK_SECRET = 'demo accounts on loopback'

const AUTH_SECRET_LENGTH_MIN = 16

/**
 * Reads the settings from environment variables.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION` for a PORT or an ALLOWED_HOSTS that is none, an AUTH_SECRET below 16 characters,
 * and a HOST that other machines can reach when there is no AUTH_SECRET.
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): ErpConfig {
  const value = (name: string): string | undefined => (env[name] === '' ? undefined : env[name])
  const host = value('HOST') ?? '127.0.0.1'
  const authSecret = value('AUTH_SECRET')
  if (authSecret === undefined && !isLoopback(host)) {
    throw new InvalidOptionError('erp', 'HOST', 'a loopback address as long as AUTH_SECRET is not set', host)
  }
  if (authSecret !== undefined && authSecret.length < AUTH_SECRET_LENGTH_MIN) {
    const expected = `at least ${AUTH_SECRET_LENGTH_MIN} characters long`
    throw new InvalidOptionError('erp', 'AUTH_SECRET', expected, `${authSecret.length} characters`)
  }
  return {
    host,
    port: portOf(value('PORT')),
    redisUrl: value('REDIS_URL'),
    redisSentinels: value('REDIS_SENTINELS'),
    redisSentinelName: value('REDIS_SENTINEL_NAME'),
    redisClusterNodes: value('REDIS_CLUSTER_NODES'),
    redisCacheUrl: value('REDIS_CACHE_URL'),
    databaseUrl: value('DATABASE_URL'),
    dataDir: value('DATA_DIR'),
    authSecret: authSecret ?? LOOPBACK_SECRET,
    hasAuthSecret: authSecret !== undefined,
    allowedHosts: listOf(value('ALLOWED_HOSTS')).map(hostOf),
    liveOrigins: listOf(value('LIVE_ORIGINS')),
    rateLimitPerMinute: limitOf('RATE_LIMIT_PER_MINUTE', value('RATE_LIMIT_PER_MINUTE'), 600_000),
    sessionLimitPerMinute: limitOf('SESSION_LIMIT_PER_MINUTE', value('SESSION_LIMIT_PER_MINUTE'), 60_000),
    failPoint: value('FAIL_POINT'),
  }
}

function listOf(text: string | undefined): readonly string[] {
  return (text ?? '')
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '')
}

function hostOf(text: string): string {
  const host = readHost(text)
  if (host !== undefined) return host.port === undefined ? host.name : `${host.name}:${host.port}`
  throw new InvalidOptionError('erp', 'ALLOWED_HOSTS', 'names such as erp.example or erp.example:8443', text)
}

function portOf(text: string | undefined): number {
  return wholeNumberOption('erp', 'PORT', numberIn(text), { min: 0, max: 65_535, fallback: 3_000 })
}

/** Unless an operator who knows the clients sets less, more than honest ones ask for. */
function limitOf(name: string, text: string | undefined, fallback: number): number {
  return wholeNumberOption('erp', name, numberIn(text), { min: 0, max: 100_000_000, fallback })
}

function numberIn(text: string | undefined): number | string | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : text
}
