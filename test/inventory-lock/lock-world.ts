/** What a test of locks works in: a fresh company on a Redis that others share, and processes that compete. */

import { faulty, type FaultPlan, type RecordingObserver, recordingObserver } from '@kerp/core/testing'
import {
  type FencedAcquireOptions,
  type Lock,
  type LockResource,
  Locks,
  type LockSection,
  type LocksOptions,
} from '@kerp/inventory-lock'
import { createKeys, type Keys } from '@kerp/keys'
import type { RedisClient } from '@kerp/redis'
import { expect } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'

/** One `Locks` with its own view of Redis. */
export interface LockProcess extends AsyncDisposable {
  readonly locks: Locks
  readonly observer: RecordingObserver
  /** Faults of its calls to Redis. */
  readonly plan: FaultPlan
}

/**
 * Locks whose calls may be begun before they are awaited: when an assertion fails between, the calls that closing
 * refuses are no errors of their own.
 */
class PatientLocks extends Locks {
  override acquire(resource: LockResource, options?: FencedAcquireOptions): Promise<Lock> {
    return begun(super.acquire(resource, options))
  }

  override withLock<T>(
    resource: LockResource,
    options: FencedAcquireOptions,
    section: LockSection<Lock, T>,
  ): Promise<T> {
    return begun(super.withLock(resource, options, section))
  }
}

/** The same promise, which nobody has to await. */
function begun<T>(call: Promise<T>): Promise<T> {
  call.catch(() => undefined)
  return call
}

/** A company of a test. */
export class LockWorld implements AsyncDisposable {
  readonly companyId = freshCompany()
  readonly keys: Keys = createKeys()
  readonly #opened: Locks[] = []

  constructor(readonly redis: RedisClient) {}

  /** Competes as another process would: `Locks` share nothing but Redis. */
  process(options: Partial<LocksOptions> = {}, methods: Readonly<Record<string, unknown>> = {}): LockProcess {
    const observer = recordingObserver()
    const way = 'sendCommand' in this.redis ? 'sendCommand' : 'call'
    const { target, plan } = faulty(this.redis, [way])
    const redis = viewOf(this.redis, { [way]: Reflect.get(target, way), ...methods })
    const locks = new PatientLocks({ redis, keys: this.keys, observer, closeMs: 0, ...options })
    this.#opened.push(locks)
    return { locks, observer, plan, [Symbol.asyncDispose]: () => locks.close() }
  }

  /** Lines up as others do, and never hears that a lock was handed to it. */
  deafProcess(options: Partial<LocksOptions> = {}): LockProcess {
    return this.process(options, {
      duplicate: (override: object) => deafDuplicateOf(this.redis, override),
    })
  }

  resource(id: string): LockResource {
    return { companyId: this.companyId, type: 'item', id }
  }

  key(id: string): string {
    return this.keys.lock(this.resource(id))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#opened.map((locks) => locks.close()))
  }
}

/** A client that is the same but for the methods given. */
function viewOf(redis: RedisClient, methods: Readonly<Record<string, unknown>>): RedisClient {
  const properties = Object.entries(methods).map(([name, value]) => [name, { value }] as const)
  return Object.create(redis, Object.fromEntries(properties)) as RedisClient
}

/** A connection that subscribes and never tells of a message. */
function deafDuplicateOf(redis: RedisClient, override: object): RedisClient {
  const connection = 'nodes' in redis ? redis.duplicate() : redis.duplicate(override)
  const emit = connection.emit.bind(connection)
  return Object.assign(connection, {
    emit: (name: string, ...args: unknown[]) => name !== 'message' && emit(name, ...args),
  })
}

/** Settles when the process of the only waiter of a company listens for messages. */
export async function listens({ redis, companyId }: LockWorld): Promise<void> {
  const members = (): Promise<string[]> => redis.zrange(`lock:{${companyId}}:held`, 0, -1)
  // In a cluster a waiter always says that it looks itself, and its channel is heard on one of the nodes.
  const servers = 'nodes' in redis ? redis.nodes('all') : [redis]
  const isHeard = async (member: string): Promise<boolean> => {
    const asked = servers.map((server) => server.pubsub('NUMSUB', `lock-wake:${member.slice(1)}`))
    return (await Promise.all(asked)).some(([, count]) => Number(count) > 0)
  }
  const mark = redis.isCluster ? '~' : '@'
  const patience = { timeout: 20_000 }
  const waiting = async (): Promise<string[]> => (await members()).filter((member) => member.startsWith(mark))
  await expect.poll(waiting, patience).toHaveLength(1)
  await expect.poll(async () => isHeard((await waiting())[0] ?? ''), patience).toBe(true)
}

/** Settles when the signal aborts, with its reason. */
export function abortOf(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(signal.reason)
    else signal.addEventListener('abort', () => resolve(signal.reason), { once: true })
  })
}
