/**
 * Where a conformance suite runs: the same cases on the double that users test with and on a real server.
 *
 * A suite is a function of a `Backend`; `<suite>-on-mock.test.ts` and `<suite>-on-redis.redis.test.ts` call it.
 */

import { closeRedis, connectRedis, type CreateRedisOptions, type RedisClient, whenReady } from '@kerp/redis'
import { mockRedis, openPrivateCluster, openPrivateRedis, openPrivateReplicas } from '@kerp/redis/testing'
import { Redis, type RedisOptions } from 'ioredis'
import { afterAll, beforeAll, inject } from 'vitest'
import { newAuthority } from '../support/certificates.js'

/** One kind of Redis. */
export interface Backend {
  readonly name: 'mock' | 'redis' | 'tls' | 'sentinel' | 'cluster'
  /** A client of it, open while the suite runs. */
  client(): RedisClient
}

/** The double, with a data set of its own. */
export function mockBackend(): Backend {
  const redis = mockRedis()
  return { name: 'mock', client: () => redis }
}

/** The server that all tests share; so each test takes a company of its own. */
export function redisBackend(): Backend {
  return realBackend('redis', () => Promise.resolve([{ path: inject('redisSocket') }]))
}

/**
 * The shared server, by a client that the host made with options of its own. What a test itself asks goes by a client
 * without them, so that every suite can be run as it is.
 */
export function hostClientBackend(options: RedisOptions): Backend {
  let client: Redis | undefined
  let opened: readonly Redis[] = []
  beforeAll(async () => {
    const path = inject('redisSocket')
    const host = new Redis({ path, ...options })
    const tester = new Redis({ path, db: options.db ?? 0 })
    opened = [host, tester]
    await Promise.all(opened.map((each) => whenReady(each)))
    const commands = new Set<string | symbol>(host.getBuiltinCommands())
    client = new Proxy(host, {
      get(target, name) {
        const owner = commands.has(name) ? tester : target
        const value: unknown = Reflect.get(owner, name)
        return typeof value === 'function' ? (value.bind(owner) as unknown) : value
      },
    })
  })
  afterAll(() => opened.forEach((each) => each.disconnect()))
  return {
    name: 'redis',
    client() {
      if (client === undefined) throw new Error('The backend is open only while tests run.')
      return client
    },
  }
}

/** A server that speaks nothing but TLS, to clients that show a certificate. */
export function tlsBackend(): Backend {
  return realBackend('tls', async () => {
    const authority = await newAuthority()
    const { ca } = authority
    const server = await openPrivateRedis({
      tls: { ...(await authority.certify('localhost')), ca, clientsShowOne: true },
    })
    return [{ url: server.url, tls: { ca, ...(await authority.certify('client')) } }, server]
  })
}

/** The master of three servers, as three Sentinels name it. */
export function sentinelBackend(): Backend {
  return realBackend('sentinel', async () => {
    const replicas = await openPrivateReplicas()
    return [{ sentinel: replicas.sentinel }, replicas]
  })
}

/** Three masters and their replicas, far from declaring each other dead on a busy machine. */
export function clusterBackend(): Backend {
  return realBackend('cluster', async () => {
    const nodes = await openPrivateCluster({ nodeTimeoutMs: 15_000 })
    const options = { cluster: nodes.cluster, ioredisCluster: { shardedSubscribers: true } }
    return [options, nodes]
  })
}

type Opened = readonly [CreateRedisOptions, AsyncDisposable?]

function realBackend(name: Backend['name'], open: () => Promise<Opened>): Backend {
  let redis: RedisClient | undefined
  let servers: AsyncDisposable | undefined
  beforeAll(async () => {
    const [options, started] = await open()
    servers = started
    redis = await connectRedis(options, 10_000, {})
  })
  afterAll(async () => {
    if (redis !== undefined) await closeRedis(redis)
    await servers?.[Symbol.asyncDispose]()
  })
  return {
    name,
    client() {
      if (redis === undefined) throw new Error('The backend is open only while tests run.')
      return redis
    },
  }
}
