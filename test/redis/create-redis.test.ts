/** What options and environment become, read from clients that never connect. */

import { inspect } from 'node:util'
import { createRedis, type CreateRedisOptions, RedisInsecureError } from '@kerp/redis'
import { InvalidOptionError } from '@kerp/core'
import { Cluster, Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'

const SECRET = 'hunter2-secret'

function single(options: CreateRedisOptions, env: Record<string, string> = {}): Redis {
  const client = createRedis({ ...options, lazyConnect: true }, env)
  if (!(client instanceof Redis)) throw new Error('not a single connection')
  return client
}

describe('createRedis', () => {
  it('connects to this machine when nothing is said', () => {
    expect(single({}).options).toMatchObject({ host: '127.0.0.1', port: 6379, db: 0 })
  })

  it('never sends a command twice, never queues one, and ends silent connections', () => {
    expect(single({}).options).toMatchObject({
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      enableAutoPipelining: false,
      connectTimeout: 500,
      disconnectTimeout: 200,
      socketTimeout: 1_000,
      commandTimeout: 1_500,
      keyPrefix: '',
    })
  })

  it('reads the environment: parts', () => {
    const env = {
      REDIS_HOST: '127.0.0.2',
      REDIS_PORT: '7000',
      REDIS_USERNAME: 'erp',
      REDIS_PASSWORD: SECRET,
      REDIS_DB: '3',
      REDIS_DIAL_TIMEOUT_MS: '300',
      REDIS_READ_TIMEOUT_MS: '400',
      REDIS_WRITE_TIMEOUT_MS: '50',
    }
    expect(single({}, env).options).toMatchObject({
      host: '127.0.0.2',
      port: 7000,
      username: 'erp',
      password: SECRET,
      db: 3,
      connectTimeout: 300,
      socketTimeout: 400,
      commandTimeout: 450,
    })
  })

  it.each([
    ['a URL', { REDIS_URL: 'redis://127.0.0.1:7001' }, { host: '127.0.0.1', port: 7001 }],
    ['Sentinels', { REDIS_SENTINELS: '127.0.0.1' }, { sentinels: [{ host: '127.0.0.1', port: 26379 }] }],
    ['nothing', {}, { host: '10.0.0.7', port: 6380 }],
    ['the name of the Service', { REDIS_HOST: 'redis.shop.svc' }, { host: 'redis.shop.svc', port: 6380 }],
    ['the address of the Service', { REDIS_HOST: '10.0.0.7' }, { host: '10.0.0.7', port: 6380 }],
    ['another host', { REDIS_HOST: 'cache.example.com' }, { host: 'cache.example.com', port: 6379 }],
  ])('understands the REDIS_PORT that Kubernetes injects beside %s', (_, env, expected) => {
    expect(single({}, { REDIS_PORT: 'tcp://10.0.0.7:6380', ...env }).options).toMatchObject(expected)
  })

  it.each([
    [
      'a URL',
      { REDIS_URL: 'redis://127.0.0.1', REDIS_PORT: 'x', REDIS_SENTINELS: '?:', REDIS_CLUSTER_NODES: '?:' },
      {},
    ],
    ['Sentinels', { REDIS_SENTINELS: '127.0.0.1', REDIS_PORT: 'x' }, {}],
    [
      'an option of the caller',
      { REDIS_PORT: 'x', REDIS_DB: 'x', REDIS_TLS: 'x' },
      { port: 1, db: 1, tls: false },
    ],
    ['a place of the caller', { REDIS_PORT: 'x', REDIS_DB: 'x', REDIS_TLS: 'x' }, { host: '127.0.0.1' }],
  ])('does not read variables that it does not use beside %s', (_, env, options) => {
    expect(() => single(options, env)).not.toThrow()
  })

  it('reads the environment: a URL, with encoded credentials', () => {
    const env = { REDIS_URL: `redis://erp:p%40ss%3A${SECRET}@localhost:7001/2` }
    expect(single({}, env).options).toMatchObject({
      host: 'localhost',
      port: 7001,
      username: 'erp',
      password: `p@ss:${SECRET}`,
      db: 2,
    })
    expect(single({}, { REDIS_URL: '/run/redis.sock' }).options).toMatchObject({ path: '/run/redis.sock' })
    expect(single({ url: 'redis://[::1]:7002' }).options).toMatchObject({ host: '::1', port: 7002 })
  })

  it('encrypts for rediss and for REDIS_TLS', () => {
    expect(single({ url: `rediss://:${SECRET}@cache.example.com` }).options.tls).toStrictEqual({})
    expect(single({ tls: { servername: 'cache' } }).options.tls).toStrictEqual({ servername: 'cache' })
    const env = { REDIS_HOST: 'cache.example.com', REDIS_TLS: 'true', REDIS_PASSWORD: SECRET }
    expect(single({}, env).options.tls).toStrictEqual({})
    expect(single({}).options.tls).toBeUndefined()
  })

  it('prefers options to the environment, and takes no password from it for another place', () => {
    const env = { REDIS_URL: `redis://:${SECRET}@127.0.0.1:7000`, REDIS_PASSWORD: SECRET, REDIS_PORT: '7000' }
    const { options } = single({ host: 'cache.example.com' }, env)
    expect(options).toMatchObject({ host: 'cache.example.com', port: 6379 })
    expect(options.password ?? null).toBeNull()
    expect(single({ db: 5 }, env).options).toMatchObject({ port: 7000, db: 5, password: SECRET })
  })

  it('refuses a password in clear text to another machine unless told', () => {
    const remote = { host: 'cache.example.com', password: SECRET }
    expect(() => single(remote)).toThrow(RedisInsecureError)
    expect(() => single({}, { REDIS_URL: `redis://:${SECRET}@cache.example.com` })).toThrow(
      RedisInsecureError,
    )
    const sentinel = { name: 'erp', nodes: [{ host: 'watch.example.com' }] }
    expect(() => single({ sentinel: { ...sentinel, password: SECRET } })).toThrow(RedisInsecureError)
    expect(() => createRedis({ cluster: { nodes: [remote] }, password: SECRET }, {})).toThrow(
      RedisInsecureError,
    )

    const passedOn = { ioredis: { password: SECRET } }
    expect(() => single({ host: remote.host, ...passedOn })).toThrow(RedisInsecureError)
    const nodes = { cluster: { nodes: [{ host: remote.host }] }, lazyConnect: true }
    const ioredisCluster = { redisOptions: { password: SECRET } }
    expect(() => createRedis({ ...nodes, ioredisCluster }, {})).toThrow(RedisInsecureError)

    expect(single({ ...remote, ioredis: { tls: {} } }).options.password).toBe(SECRET)
    expect(single({ ...remote, allowPlaintextPassword: true }).options.password).toBe(SECRET)
    expect(single({ ...remote, tls: true }).options.password).toBe(SECRET)
    expect(single({ path: '/run/redis.sock', password: SECRET }).options.password).toBe(SECRET)
    expect(single({ host: '127.0.0.9', password: SECRET }).options.password).toBe(SECRET)
  })

  it('follows a master by Sentinel with the settings that lost no acknowledged write', () => {
    const env = {
      REDIS_SENTINELS: '127.0.0.1:26379, localhost,[::1]:26380',
      REDIS_SENTINEL_NAME: 'erp',
      REDIS_SENTINEL_PASSWORD: SECRET,
    }
    expect(single({}, env).options).toMatchObject({
      sentinels: [
        { host: '127.0.0.1', port: 26379 },
        { host: 'localhost', port: 26379 },
        { host: '::1', port: 26380 },
      ],
      name: 'erp',
      sentinelPassword: SECRET,
      failoverDetector: true,
      disconnectTimeout: 200,
      connectTimeout: 500,
    })
  })

  it('opens a cluster that does not send in-flight commands again', () => {
    const env = { REDIS_CLUSTER_NODES: '127.0.0.1:7000,127.0.0.1:7001', REDIS_PASSWORD: SECRET }
    const client = createRedis({ lazyConnect: true }, env)
    expect(client).toBeInstanceOf(Cluster)
    expect(client.options).toMatchObject({
      enableOfflineQueue: false,
      retryDelayOnFailover: 0,
      redisOptions: { password: SECRET, maxRetriesPerRequest: 0 },
    })
  })

  it('gives the nodes of a cluster what `ioredisCluster` says of them, and all else as before', () => {
    const env = { REDIS_CLUSTER_NODES: '127.0.0.1:7000', REDIS_PASSWORD: SECRET, REDIS_TLS: 'true' }
    const ioredisCluster = { redisOptions: { keepAlive: 7 } }
    expect(createRedis({ lazyConnect: true, ioredisCluster }, env).options).toMatchObject({
      redisOptions: { keepAlive: 7, password: SECRET, tls: {}, maxRetriesPerRequest: 0, lazyConnect: true },
    })
  })

  it.each([
    [{ ioredis: { keyPrefix: 'app:' } }, 'keyPrefix'],
    [{ ioredisCluster: { keyPrefix: 'app:' } }, 'keyPrefix'],
    [{ ioredis: { enableAutoPipelining: true } }, 'enableAutoPipelining'],
    [{ ioredisCluster: { scaleReads: 'slave' } }, 'scaleReads'],
    [{ port: 0 }, 'host'],
    [{ port: 70_000 }, 'host'],
    [{ db: -1 }, 'db'],
    [{ readTimeoutMs: 0 }, 'readTimeoutMs'],
    [{ dialTimeoutMs: Number.NaN }, 'dialTimeoutMs'],
    [{ cluster: { nodes: [] } }, 'cluster.nodes'],
    [{ url: `http://:${SECRET}@localhost` }, 'url'],
    [{ url: `redis://:${SECRET}@localhost/abc` }, 'url'],
    [{ url: `nonsense ${SECRET}` }, 'url'],
    [{ url: `redis://:${SECRET}%@localhost` }, 'url'],
  ] satisfies readonly (readonly [CreateRedisOptions, string])[])('refuses %j', (options, option) => {
    const attempt = (): unknown => createRedis({ lazyConnect: true, ...options }, {})
    expect(attempt).toThrow(InvalidOptionError)
    expect(attempt).toThrow(`\`${option}\``)
    expect(attempt).not.toThrow(SECRET)
  })

  it.each([
    ['REDIS_PORT', '6379x'],
    ['REDIS_DB', '-1'],
    ['REDIS_TLS', 'maybe'],
    ['REDIS_SENTINELS', 'a:b:c'],
    ['REDIS_CLUSTER_NODES', ','],
    ['REDIS_READ_TIMEOUT_MS', '1s'],
  ])('refuses %s=%s in the environment, by name', (name, value) => {
    expect(() => createRedis({ lazyConnect: true }, { [name]: value })).toThrow(name)
  })

  it('shows no password when the client is printed', () => {
    const url = `redis://erp:${SECRET}@127.0.0.1:7000`
    const clients = [
      single({ url }),
      single({ url }).duplicate(),
      createRedis({ cluster: { nodes: [{ host: '127.0.0.1' }] }, password: SECRET, lazyConnect: true }, {}),
    ]
    for (const client of clients) {
      const shown = `${inspect(client, { depth: 10 })}${JSON.stringify({ client })}${inspect({ a: [client] }, { depth: 10 })}`
      expect(shown).toContain('RedisClient')
      expect(shown).not.toContain(SECRET)
    }
  })

  it('waits a random, bounded time before it connects again', () => {
    const { retryStrategy } = single({ reconnectMsMax: 100 }).options
    const waits = Array.from({ length: 50 }, (_, index) => Number(retryStrategy?.(index + 1)))
    expect(Math.max(...waits)).toBeLessThanOrEqual(101)
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(1)
    expect(new Set(waits).size).toBeGreaterThan(40)
  })
})
