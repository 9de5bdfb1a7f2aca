/** What a test of registers works in: a fresh company, a database in memory, and a Redis that others share. */

import type { RegisterRef } from '@kerp/core'
import { type RecordingObserver, recordingObserver } from '@kerp/core/testing'
import { createKeys, type Keys } from '@kerp/keys'
import type { RedisClient } from '@kerp/redis'
import {
  OutboxRelay,
  type OutboxRelayOptions,
  parseWatermark,
  type RegisterReading,
  Registers,
  type RegistersOptions,
  type Watermark,
} from '@kerp/registers'
import { MemoryDatabase } from '@kerp/registers/testing'
import { freshCompany } from '../support/fresh-company.js'

/** A busy machine is no fault here. */
const PATIENT = { redisDeadlineMs: 60_000, readDeadlineMs: 60_000, leaseMs: 60_000 } as const

/** Debit and credit that are added to each account. */
type Changes = Readonly<Record<string, readonly [bigint, bigint]>>

const FIVE: Changes = { a: [5n, 0n] }

export class World {
  readonly companyId = freshCompany()
  readonly keys: Keys
  readonly database = new MemoryDatabase()
  readonly observer: RecordingObserver = recordingObserver()
  readonly relay: OutboxRelay
  readonly registers: Registers

  /** With a namespace it has trust of its own as well, which otherwise all who share the server share. */
  constructor(
    readonly redis: RedisClient,
    namespace?: string,
  ) {
    this.keys = createKeys(namespace === undefined ? {} : { namespace })
    this.relay = this.newRelay()
    this.registers = this.newRegisters()
  }

  /** A world in which these changes were committed and relayed, and nothing was read. */
  static async relayed(redis: RedisClient, changes: Changes = FIVE): Promise<World> {
    const world = new World(redis)
    world.commit(changes)
    await world.relay.tick()
    return world
  }

  /** A world in which Redis holds the rows of these changes. */
  static async cached(redis: RedisClient, changes: Changes = FIVE): Promise<World> {
    const world = await World.relayed(redis, changes)
    for (const account of Object.keys(changes)) await world.get(account)
    return world
  }

  /** As another process would hold it. */
  newRegisters(options: Partial<RegistersOptions> = {}): Registers {
    const { redis, keys, database: source, observer } = this
    return new Registers({ redis, keys, source, observer, ...PATIENT, ...options })
  }

  newRelay(options: Partial<OutboxRelayOptions> = {}): OutboxRelay {
    const { redis, keys, database: outbox, observer } = this
    const redisDeadlineMs = PATIENT.redisDeadlineMs
    return new OutboxRelay({ redis, keys, outbox, observer, redisDeadlineMs, ...options })
  }

  ref(account: string): RegisterRef {
    return { companyId: this.companyId, family: 'balance', parts: [account, '2026'] }
  }

  commit(changes: Changes) {
    return this.database.commit(this.companyId, changes)
  }

  async get(account: string, from: Registers = this.registers): Promise<RegisterReading> {
    const [reading] = await from.getMany(this.companyId, [this.ref(account)])
    if (reading === undefined) throw new RangeError('no answer')
    return reading
  }

  /** What Redis holds under the account's key. */
  raw(account: string): Promise<string | null> {
    return this.redis.get(this.keys.register(this.ref(account)))
  }

  /** Puts a text under the account's key, as a restore of Redis does. */
  async putRaw(account: string, text: string): Promise<void> {
    await this.redis.set(this.keys.register(this.ref(account)), text)
  }

  rawWatermark(): Promise<string | null> {
    return this.redis.get(this.keys.watermark(this.companyId))
  }

  async putWatermark(text: string): Promise<void> {
    await this.redis.set(this.keys.watermark(this.companyId), text)
  }

  async dropWatermark(): Promise<void> {
    await this.redis.del(this.keys.watermark(this.companyId))
  }

  async watermark(): Promise<Watermark> {
    const watermark = parseWatermark((await this.rawWatermark()) ?? undefined)
    if (watermark === undefined) throw new RangeError('no watermark')
    return watermark
  }

  /** Why registers were voided so far, in order. */
  renewals(): readonly unknown[] {
    return this.observer.of('generationChange').map(({ reason }) => reason)
  }
}

/** The version and fields of an answer, and who gave it. */
export function stateOf(reading: RegisterReading): readonly unknown[] {
  return [reading.source, reading.image.version, ...reading.image.fields]
}

const READY_MS = 20_000

/** Lets everything that is ready run, until `ready` says true. */
export async function until(ready: () => boolean): Promise<void> {
  const endMs = performance.now() + READY_MS
  while (performance.now() < endMs && !ready()) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  if (!ready()) throw new RangeError('it did not happen')
}
