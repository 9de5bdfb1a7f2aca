import { setTimeout as sleep } from 'node:timers/promises'
import { closeRedis, connectRedis, type RedisClient } from '@kerp/redis'
import { openPrivateRedis, type PrivateRedis } from '@kerp/redis/testing'
import { LockLostError, type LockResource, Locks } from '@kerp/inventory-lock'
import { createKeys } from '@kerp/keys'
import { describe, expect, onTestFinished, test } from 'vitest'
import { abortOf } from '../inventory-lock/lock-world.js'
import { freshCompany } from '../support/fresh-company.js'
import { type FaultProxy, openFaultProxy } from '../support/fault-proxy.js'

const FULL = process.env['KERP_TEST_FULL'] === '1'
const keys = createKeys()

interface Rig {
  readonly server: PrivateRedis
  readonly proxy: FaultProxy
  readonly locks: Locks
}

async function openRig(): Promise<Rig> {
  const server = await openPrivateRedis()
  const proxy = await openFaultProxy(server.socketPath)
  const redis = await connectRedis({ path: proxy.socketPath }, 5_000, {})
  const locks = new Locks({ redis, keys, closeMs: 0 })
  onTestFinished(async () => {
    await locks.close()
    redis.disconnect()
    await proxy.close()
    await server.close()
  })
  return { server, proxy, locks }
}

describe('when Redis falls silent while a lock is held', () => {
  const ttlMs = 2_000
  const locksHeld = FULL ? 50 : 10

  test.each<readonly [string, (rig: Rig) => Promise<void> | void]>([
    ['frozen', ({ server }) => server.pause()],
    ['killed', ({ server }) => server.kill()],
    ['cut off, with open connections', ({ proxy }) => void (proxy.plan.blackhole = 'both')],
    [
      'cut off, with connections that break again and again',
      ({ proxy }) => {
        proxy.plan.losesReply = () => true
        proxy.cut()
      },
    ],
  ])('%s: every signal aborts before its lease ends, and no section succeeds', async (_, fault) => {
    const rig = await openRig()
    const companyId = freshCompany()
    const resourceOf = (id: string): LockResource => ({ companyId, type: 'item', id })
    const ids = Array.from({ length: locksHeld }, (_unused, index) => String(index))
    const held = await Promise.all(ids.map((id) => rig.locks.acquire(resourceOf(id), { ttlMs })))
    const successes: unknown[] = []
    let section: Promise<unknown> = Promise.resolve()
    await new Promise<void>((begun) => {
      section = rig.locks
        .withLock(resourceOf('section'), { ttlMs }, (lock) => {
          begun()
          return abortOf(lock.signal)
        })
        .then((result) => successes.push(result))
    })
    const sectionOutcome = expect(section).rejects.toThrow(LockLostError)
    const marginMs = ttlMs - usableMs(ttlMs)
    await fault(rig)
    // A busy machine may be late for every timer; which of two comes first, it keeps.
    const inTime = held.map(async (lock) => {
      const leaseEnd = sleep(lock.remainingMs + marginMs, 'the end of the lease')
      expect(await Promise.race([abortOf(lock.signal), leaseEnd])).toBeInstanceOf(LockLostError)
      expect(() => lock.assertHeld()).toThrow(LockLostError)
      expect(await lock.release()).toBe('expired')
    })
    await Promise.all(inTime)
    await sectionOutcome
    expect(successes).toEqual([])
  })
})

/** How much of a lease its holder may use: less drift, less a margin. */
function usableMs(ttlMs: number): number {
  return ttlMs - ttlMs * 0.01 - 2 - Math.max(50, ttlMs * 0.05)
}

test('a blocked event loop is seen at once, every time, without a timer', async () => {
  const { locks } = await openRig()
  const rounds = FULL ? 200 : 10
  for (let round = 0; round < rounds; round += 1) {
    const lock = await locks.acquire({ companyId: freshCompany(), type: 'item', id: 'A' }, { ttlMs: 100 })
    const endMs = performance.now() + 60
    while (performance.now() < endMs) Math.sqrt(endMs)
    expect(() => lock.assertHeld()).toThrow(LockLostError)
    expect(lock.remainingMs).toBe(0)
    expect(lock.signal.aborted).toBe(true)
    expect(await lock.release()).toBe('expired')
  }
})

describe('fences', () => {
  const grantsMin = FULL ? 100_000 : 3_000
  const resources = 8

  /** Takes and gives back until told to stop; each grant must be above whatever was seen when it was asked for. */
  class Grants {
    count = 0
    readonly companyId = freshCompany()
    readonly #highest = new Map<string, number>()
    #stopped = false

    constructor(private locks: readonly Locks[]) {}

    use(locks: readonly Locks[]): void {
      this.locks = locks
    }

    stop(): void {
      this.#stopped = true
    }

    run(): Promise<unknown> {
      const workers = Array.from({ length: resources * 3 }, (_, index) => this.#work(index))
      return Promise.all(workers)
    }

    async reach(count: number): Promise<void> {
      while (this.count < count) await sleep(5)
    }

    async #work(index: number): Promise<void> {
      const id = String(index % resources)
      while (!this.#stopped) {
        const locks = this.locks[index % this.locks.length]
        const seen = this.#highest.get(id) ?? 0
        try {
          const lock = await locks?.acquire({ companyId: this.companyId, type: 'item', id }, { waitMs: 500 })
          if (lock === undefined) continue
          this.count += 1
          expect(lock.fenceNumber).toBeGreaterThan(seen)
          this.#highest.set(id, Math.max(this.#highest.get(id) ?? 0, lock.fenceNumber))
          await lock.release()
        } catch (error) {
          if (error instanceof Error && error.name === 'AssertionError') throw error
          // Redis is away for a moment.
          await sleep(5)
        }
      }
    }
  }

  async function connect(server: PrivateRedis): Promise<RedisClient> {
    const redis = await connectRedis({ path: server.socketPath }, 5_000, {})
    onTestFinished(() => closeRedis(redis))
    return redis
  }

  async function openLocks(server: PrivateRedis, count: number): Promise<Locks[]> {
    const clients = await Promise.all(Array.from({ length: count }, () => connect(server)))
    return clients.map((redis) => {
      const locks = new Locks({ redis, keys, commandMs: 200 })
      onTestFinished(() => locks.close())
      return locks
    })
  }

  test('only grow, through FLUSHALL, restarts without data, and a failover to a replica that lags', async () => {
    const master = await openPrivateRedis({ tcp: true })
    const replica = await openPrivateRedis({ args: ['--replicaof', '127.0.0.1', String(master.port)] })
    onTestFinished(async () => {
      await master.close()
      await replica.close()
    })
    const control = await connect(replica)
    await expect
      .poll(() => control.info('replication'), { timeout: 20_000 })
      .toContain('master_link_status:up')
    const grants = new Grants(await openLocks(master, 3))
    const running = grants.run()
    await grants.reach(grantsMin / 10)
    // From here on the replica knows nothing new: the fences that it has are old ones.
    await control.call('replicaof', ['no', 'one'])
    const flusher = await connect(master)
    for (let flush = 1; flush <= 20; flush += 1) {
      await grants.reach(grantsMin / 10 + (grantsMin * 0.4 * flush) / 20)
      await flusher.flushall()
    }
    await master.restart()
    await grants.reach(grantsMin * 0.8)
    grants.use(await openLocks(replica, 3))
    await master.kill()
    await grants.reach(grantsMin)
    grants.stop()
    await running
    expect(grants.count).toBeGreaterThanOrEqual(grantsMin)
  })
})
