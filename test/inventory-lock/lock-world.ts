/** What a test of locks works in: a fresh company on a Redis that others share, and processes that compete. */

import { EventEmitter } from 'node:events'
import { faulty, type FaultPlan, type RecordingObserver, recordingObserver } from '@kerp/core/testing'
import { type LockResource, Locks, type LocksOptions } from '@kerp/inventory-lock'
import { createKeys, type Keys } from '@kerp/keys'
import type { RedisClient } from '@kerp/redis'
import { freshCompany } from '../support/fresh-company.js'

/** One `Locks` with its own view of Redis. */
export interface LockProcess extends AsyncDisposable {
  readonly locks: Locks
  readonly observer: RecordingObserver
  /** Faults of its calls to Redis. */
  readonly plan: FaultPlan
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
    const calls = { call: (...args: [string, string[]]) => this.redis.call(...args) }
    const { target, plan } = faulty(calls, ['call'])
    const redis = viewOf(this.redis, { call: target.call.bind(target), ...methods })
    const locks = new Locks({ redis, keys: this.keys, observer, closeMs: 0, ...options })
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

function deafDuplicateOf(redis: RedisClient, override: object): object {
  const connection: unknown = 'nodes' in redis ? redis.duplicate() : redis.duplicate(override)
  if (!(connection instanceof EventEmitter)) throw new TypeError('A client is an event emitter.')
  const on = connection.on.bind(connection)
  const onOthers = (name: string, listener: () => void): unknown =>
    name === 'message' ? connection : on(name, listener)
  return Object.assign(connection, { on: onOthers })
}

/** Settles when the signal aborts, with its reason. */
export function abortOf(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(signal.reason)
    else signal.addEventListener('abort', () => resolve(signal.reason), { once: true })
  })
}
