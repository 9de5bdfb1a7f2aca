/** How soon a lock goes on: a holder or the next in line that is killed, and a quorum whose nodes freeze. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createQuorumLocks, type LockResource, Locks } from '@kerp/inventory-lock'
import { createKeys } from '@kerp/keys'
import { openPrivateRedis } from '@kerp/redis/testing'
import type { Redis } from 'ioredis'
import { percentile, rounded } from './figures.js'

const ROUNDS = 20
const LEASE_MS = 500
const NODE_MS = 100
const SCRIPT = fileURLToPath(new URL('lock-holder.ts', import.meta.url))
const keys = createKeys()

/** Times of all rounds, in one row per case. */
export async function measureRecovery(): Promise<readonly object[]> {
  const holders = await killedHolders()
  const waiters = await killedWaiters()
  const one = await frozenNodes(1)
  const two = await frozenNodes(2)
  return [
    row('holder killed: grant after the lease ended', holders),
    row('next in line killed: grant after the release', waiters),
    row(`one of three nodes frozen, node time-out ${NODE_MS} ms: acquire`, one),
    row(`two of three nodes frozen, node time-out ${NODE_MS} ms: typed failure`, two),
  ]
}

function row(what: string, values: readonly number[]): object {
  return {
    what,
    rounds: values.length,
    p50Ms: rounded(percentile(values, 0.5), 1),
    maxMs: rounded(Math.max(...values), 1),
  }
}

interface Scene extends AsyncDisposable {
  readonly redis: Redis
  readonly one: Locks
  readonly other: Locks
  readonly socketPath: string
}

async function openScene(): Promise<Scene> {
  const server = await openPrivateRedis()
  const clients = [server.client(), server.client(), server.client()] as const
  const [redis, first, second] = clients
  const [one, other] = [new Locks({ redis: first, keys }), new Locks({ redis: second, keys })]
  return {
    redis,
    one,
    other,
    socketPath: server.socketPath,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([one.close(), other.close()])
      for (const client of clients) client.disconnect()
      await server.close()
    },
  }
}

/** A process that takes a lock and keeps it; resolves when it waits or, without others, holds. */
async function startHolder(socketPath: string, id: string, ttlMs: number): Promise<ChildProcess> {
  const args = [...process.execArgv, SCRIPT, socketPath, id, String(ttlMs)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  await once(child, 'message')
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

function resourceOf(id: string): LockResource {
  return { companyId: 'bench', type: 'bench', id }
}

async function killedHolders(): Promise<readonly number[]> {
  await using scene = await openScene()
  const values: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const id = `held-${round}`
    const child = await startHolder(scene.socketPath, id, LEASE_MS)
    await held(scene.redis, id)
    const waiting = scene.one.acquire(resourceOf(id), { waitMs: 60_000 })
    await queued(scene.redis, id, 1)
    await kill(child)
    const leaseEndMs = performance.now() + (await scene.redis.pttl(keys.lock(resourceOf(id))))
    const lock = await waiting
    values.push(performance.now() - leaseEndMs)
    await lock.release()
  }
  return values
}

async function killedWaiters(): Promise<readonly number[]> {
  await using scene = await openScene()
  const values: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const id = `waited-${round}`
    const holder = await scene.one.acquire(resourceOf(id), { ttlMs: 60_000 })
    const child = await startHolder(scene.socketPath, id, 60_000)
    await queued(scene.redis, id, 1)
    // Until it says so, PUBLISH cannot tell that it is gone.
    await listening(scene.redis, id)
    const waiting = scene.other.acquire(resourceOf(id), { waitMs: 60_000 })
    await queued(scene.redis, id, 2)
    await kill(child)
    const beginMs = performance.now()
    await holder.release()
    const lock = await waiting
    values.push(performance.now() - beginMs)
    await lock.release()
  }
  return values
}

async function frozenNodes(count: number): Promise<readonly number[]> {
  const servers = await Promise.all([openPrivateRedis(), openPrivateRedis(), openPrivateRedis()])
  const clients = servers.map((server) => server.client())
  const locks = createQuorumLocks({ nodes: clients, keys, nodeMs: NODE_MS })
  const values: number[] = []
  try {
    await (await locks.acquire(resourceOf('warm'))).release()
    for (let round = 0; round < ROUNDS; round += 1) {
      const frozen = servers.slice(0, count)
      for (const server of frozen) server.pause()
      const beginMs = performance.now()
      const taken = await locks.tryAcquire(resourceOf(`q-${count}-${round}`), { ttlMs: 3_000 }).then(
        (lock) => lock,
        (error: unknown) => codeOf(error),
      )
      values.push(performance.now() - beginMs)
      for (const server of frozen) server.resume()
      const word = typeof taken === 'string' ? taken : taken === null ? 'busy' : 'acquired'
      if (word !== (count === 1 ? 'acquired' : 'LOCK_UNAVAILABLE'))
        throw new TypeError(`${count} frozen: ${word}`)
      if (typeof taken === 'object') await taken?.release()
      await wait(100)
    }
  } finally {
    await locks.close()
    for (const client of clients) client.disconnect()
    await Promise.all(servers.map((server) => server.close()))
  }
  return values
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : String(error)
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await wait(2)
}

function held(redis: Redis, id: string): Promise<void> {
  return until(async () => (await redis.exists(keys.lock(resourceOf(id)))) === 1)
}

function queued(redis: Redis, id: string, count: number): Promise<void> {
  return until(async () => (await redis.zcard(`${keys.lock(resourceOf(id))}:queue`)) === count)
}

function listening(redis: Redis, id: string): Promise<void> {
  return until(async () => {
    const [owner = ''] = await redis.zrange(`${keys.lock(resourceOf(id))}:queue`, 0, 0)
    const process = owner.split(':')[0] ?? ''
    return (await redis.zscore('lock:{bench}:held', `@${process}`)) !== null
  })
}
