/** The locks that are compared, each as its users call it: a name, and a way to take a key and to give it back. */

import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { type LockResource, Locks } from '@kerp/inventory-lock'
import { createKeys } from '@kerp/keys'
import type { Redis } from 'ioredis'
import Redlock from 'redlock'
import { Mutex } from 'redis-semaphore'
import { createLock, IoredisAdapter } from 'redlock-universal'

/** Gives back what was taken. */
export type GiveBack = () => PromiseLike<unknown>

/** Takes the lock of a key; waits for others as long as it must. */
export type Take = (key: string) => Promise<GiveBack>

/** One contestant: opened once per process, on a client of its own. */
export interface LockPeer {
  readonly name: string
  /** A lock whose defaults leave much to its users may be tuned; those run only where it matters. */
  readonly isTuned?: boolean
  open(redis: Redis): Take
}

const LEASE_MS = 10_000
const POLL_MS = 10
const COMPANY = 'bench'
const RELEASE = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`

interface RedlockLike {
  lock(key: string, ttlMs: number): PromiseLike<{ unlock(): PromiseLike<unknown> }>
}

/** The first is what the ratios are of, the second what the goals are of. */
export const PEERS: readonly LockPeer[] = [
  { name: 'bare SET NX PX, poll 10 ms', open: bare },
  { name: 'redlock 4.2.0', open: (redis) => redlock(redis, {}) },
  {
    name: 'redlock 4.2.0, retry 10±5 ms',
    isTuned: true,
    open: (redis) => redlock(redis, { retryDelay: 10, retryJitter: 5, retryCount: 10_000 }),
  },
  { name: 'redis-semaphore 5.8.0', open: semaphore },
  { name: 'redlock-universal 0.8.5', open: universal },
  { name: '@kerp/inventory-lock', open: ours },
]

/** A contestant by its name. */
export function peerOf(name: string): LockPeer {
  const peer = PEERS.find((candidate) => candidate.name === name)
  if (peer === undefined) throw new RangeError(`no lock is called ${name}`)
  return peer
}

function bare(redis: Redis): Take {
  return async (key) => {
    const token = randomBytes(12).toString('hex')
    while ((await redis.set(key, token, 'PX', LEASE_MS, 'NX')) === null) await wait(POLL_MS)
    return () => giveBackBare(redis, key, token)
  }
}

// By its digest, as the other contestants send theirs.
async function giveBackBare(redis: Redis, key: string, token: string): Promise<unknown> {
  try {
    return await redis.evalsha(RELEASE_SHA, 1, key, token)
  } catch {
    return redis.eval(RELEASE, 1, key, token)
  }
}

const RELEASE_SHA = createHash('sha1').update(RELEASE).digest('hex')

function redlock(redis: Redis, options: object): Take {
  if (typeof Redlock !== 'function') throw new TypeError('redlock exports no class')
  const made: unknown = Reflect.construct(Redlock, [[redis], options])
  if (!isRedlock(made)) throw new TypeError('redlock has another shape')
  return async (key) => {
    for (;;) {
      try {
        const lock = await made.lock(key, LEASE_MS)
        return () => lock.unlock()
      } catch {
        // Its retries were used up: a user tries again.
      }
    }
  }
}

function isRedlock(value: unknown): value is RedlockLike {
  return typeof value === 'object' && value !== null && 'lock' in value && typeof value.lock === 'function'
}

function semaphore(redis: Redis): Take {
  return async (key) => {
    const mutex = new Mutex(redis, key, { lockTimeout: LEASE_MS, acquireTimeout: 600_000 })
    await mutex.acquire()
    return () => mutex.release()
  }
}

function universal(redis: Redis): Take {
  const adapter = new IoredisAdapter(redis)
  return async (key) => {
    const lock = createLock({ adapter, key, ttl: LEASE_MS })
    for (;;) {
      try {
        const handle = await lock.acquire()
        return () => lock.release(handle)
      } catch {
        // Its three tries were used up: a user tries again.
      }
    }
  }
}

function ours(redis: Redis): Take {
  const locks = new Locks({ redis, keys: createKeys() })
  const resources = new Map<string, LockResource>()
  return async (key) => {
    let resource = resources.get(key)
    if (resource === undefined) {
      resource = { companyId: COMPANY, type: 'bench', id: key }
      resources.set(key, resource)
    }
    const lock = await locks.acquire(resource, { ttlMs: LEASE_MS, waitMs: 600_000 })
    return () => lock.release()
  }
}
