/**
 * Readers, posters and a saboteur at once, and what must hold afterwards.
 *
 * Images are applied late, twice, out of order or not at all; registers, leases and watermarks are deleted,
 * the whole of Redis is emptied, generations are renewed. Every answer is kept and compared with the database.
 */

import { setTimeout as wait } from 'node:timers/promises'
import type { RandomSource, ReadToken, RegisterImages } from '@kerp/core'
import { type Client, type LiveWorld, stateOfBalance } from './live-world.js'

/** What is done to Redis while readers read. */
export interface Sabotage {
  /** Deletes a random register or lease. */
  readonly del: boolean
  /** Deletes the watermark, empties Redis, renews the generation. */
  readonly lose: boolean
  /** Writes so much else that an evicting Redis drops registers and watermarks. */
  readonly crowd: boolean
}

/** How long and how hard. */
export interface TortureOptions {
  /** Balances to read in all; every so often everything comes to rest and is compared. */
  readonly reads: number
  readonly random: RandomSource
  readonly sabotage: Sabotage
}

/** What was seen. */
export interface TortureReport {
  readonly reads: number
  readonly posts: number
  readonly applies: number
  readonly sabotages: number
  readonly fromRedis: number
  /** How often everything came to rest. */
  readonly rests: number
  /** Answers that the database never held. */
  readonly foreign: readonly string[]
  /** Answers older than the token that they were read with. */
  readonly tooOld: readonly string[]
  /** Registers that differ from their row when everything was at rest, before anything was read again. */
  readonly wrongAtRest: readonly string[]
  /** Reads that failed. */
  readonly failed: readonly string[]
}

const ACCOUNTS = Array.from({ length: 8 }, (_, index) => `A${index}`)
const READERS = 12
const POSTERS = 4
const READS_BETWEEN_RESTS = 500
/** 2^53 + 1, its neighbours, and amounts of 19 to 38 digits. */
const AMOUNTS = [
  1n,
  9_007_199_254_740_991n,
  9_007_199_254_740_993n,
  10n ** 18n + 1n,
  10n ** 27n + 7n,
  10n ** 38n - 1n,
]

export async function torture(
  world: LiveWorld,
  clients: readonly Client[],
  options: TortureOptions,
): Promise<TortureReport> {
  const run = new Torture(world, clients, options)
  return run.report()
}

class Torture {
  readonly #seen = new Set<string>()
  readonly #tokens = new Map<string, { account: string; token: ReadToken; version: number }>()
  readonly #tooOld: string[] = []
  readonly #failed: string[] = []
  readonly #late = new Set<Promise<unknown>>()
  #reads = 0
  #posts = 0
  #applies = 0
  #sabotages = 0
  #fromRedis = 0
  #rests = 0
  #readsUntilRest = 0
  #busy = true

  constructor(
    readonly world: LiveWorld,
    readonly clients: readonly Client[],
    readonly options: TortureOptions,
  ) {}

  async report(): Promise<TortureReport> {
    const { world } = this
    const relays = [world.startRelay(), world.startRelay()]
    const wrongAtRest: string[] = []
    while (this.#reads < this.options.reads && wrongAtRest.length === 0) {
      await this.#beBusy()
      await Promise.all(relays.map((relay) => relay.caughtUp({ deadlineMs: 60_000 })))
      wrongAtRest.push(...(await this.#compareAtRest()))
      this.#rests += 1
    }
    const history = await world.history()
    return {
      reads: this.#reads,
      posts: this.#posts,
      applies: this.#applies,
      sabotages: this.#sabotages,
      fromRedis: this.#fromRedis,
      rests: this.#rests,
      foreign: [...this.#seen].filter((state) => !history.has(state) && !state.endsWith(' 0 0 0')),
      tooOld: this.#tooOld,
      wrongAtRest,
      failed: this.#failed,
    }
  }

  async #beBusy(): Promise<void> {
    this.#busy = true
    this.#readsUntilRest = this.#reads + READS_BETWEEN_RESTS
    const background = [
      ...Array.from({ length: POSTERS }, () => this.#repeat(() => this.#post())),
      this.#repeat(() => this.#sabotage().catch(() => undefined)),
    ]
    await Promise.all(Array.from({ length: READERS }, () => this.#read()))
    this.#busy = false
    await Promise.all(background)
    await this.#burst()
    await Promise.all(this.#late)
  }

  /** The last thing before a rest, so that nothing later covers it up: every row is loaded while it changes. */
  async #burst(): Promise<void> {
    if (this.options.sabotage.del) {
      const { redis } = this.#pick(this.clients)
      const keys = ACCOUNTS.map((account) => this.world.keys.balance(this.world.ref(account)))
      await redis.del(keys).catch(() => undefined)
    }
    const reads = ACCOUNTS.map((account) => this.#readAccounts([account]))
    const posts = ACCOUNTS.map(() => this.#post())
    await Promise.all([...reads, ...posts])
  }

  async #repeat(work: () => Promise<unknown>): Promise<void> {
    while (this.#busy) await work().catch((error: unknown) => this.#failed.push(String(error)))
  }

  #pick<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.options.random.fraction() * items.length)]
    if (item === undefined) throw new RangeError('nothing to pick from')
    return item
  }

  #chance(probability: number): boolean {
    return this.options.random.fraction() < probability
  }

  async #read(): Promise<void> {
    while (this.#reads < this.#readsUntilRest) {
      await this.#readAccounts(this.#chance(0.2) ? ACCOUNTS : [this.#pick(ACCOUNTS)])
    }
  }

  async #readAccounts(accounts: readonly string[]): Promise<void> {
    const { cache } = this.#pick(this.clients)
    const known = this.#chance(0.3) ? this.#tokens.get(this.#pick(accounts)) : undefined
    this.#reads += accounts.length
    try {
      const refs = accounts.map((account) => this.world.ref(account))
      const balances = await cache.getMany(refs, known === undefined ? {} : { atLeast: known.token })
      for (const balance of balances) {
        this.#seen.add(stateOfBalance(balance))
        if (balance.source === 'redis') this.#fromRedis += 1
        if (balance.account === known?.account && balance.version < known.version) {
          this.#tooOld.push(stateOfBalance(balance))
        }
      }
    } catch (error) {
      this.#failed.push(String(error))
    }
  }

  async #post(): Promise<void> {
    const [from, to] = [this.#pick(ACCOUNTS), this.#pick(ACCOUNTS)]
    if (from === to) return
    const { images, token } = await this.world.post(from, to, this.#pick(AMOUNTS))
    this.#posts += 1
    for (const { ref, version } of images.images) {
      const [account] = ref.parts
      if ((this.#tokens.get(account)?.version ?? 0) < version)
        this.#tokens.set(account, { account, token, version })
    }
    // None, one, or two deliveries, each from some process, each late by its own time.
    for (let copies = this.#pick([0, 1, 1, 1, 2]); copies > 0; copies -= 1) this.#applyLate(images)
    await wait(this.options.random.fraction() * 2)
  }

  #applyLate(images: RegisterImages): void {
    const { cache } = this.#pick(this.clients)
    this.#applies += 1
    const late = wait(this.options.random.fraction() * 8)
      .then(() => cache.apply(images))
      .finally(() => this.#late.delete(late))
    this.#late.add(late)
  }

  async #sabotage(): Promise<void> {
    await wait(this.options.random.fraction() * 2)
    const { sabotage } = this.options
    const { redis, cache } = this.#pick(this.clients)
    const { keys, companyId } = this.world
    this.#sabotages += 1
    const harm = this.options.random.fraction()
    if (sabotage.lose && harm < 0.01) await redis.flushall()
    else if (sabotage.lose && harm < 0.03) await redis.del(keys.watermark(companyId))
    else if (sabotage.lose && harm < 0.05) await cache.invalidateAll(companyId)
    else if (sabotage.lose && harm < 0.1) await cache.invalidate(this.world.ref(this.#pick(ACCOUNTS)))
    else if (sabotage.crowd) await this.#crowd(redis)
    else if (sabotage.del) await redis.del(keys.balance(this.world.ref(this.#pick(ACCOUNTS))))
  }

  async #crowd(redis: Client['redis']): Promise<void> {
    const noise = redis.pipeline()
    for (let index = 0; index < 40; index += 1)
      noise.set(`noise:${this.#pick(AMOUNTS)}:${this.#sabotages}:${index}`, 'x'.repeat(1_000))
    await noise.exec()
  }

  /** Looks at what lies in Redis before any read could heal it, and then reads everything once more. */
  async #compareAtRest(): Promise<readonly string[]> {
    const present = await this.world.present()
    const wrong: string[] = []
    for (const { registers, cache } of this.clients) {
      const refs = ACCOUNTS.map((account) => this.world.ref(account))
      const cached = await registers.cached(
        this.world.companyId,
        ACCOUNTS.map((account) => ({
          companyId: this.world.companyId,
          family: 'balance',
          parts: [account, '2026'],
        })),
      )
      for (const [index, reading] of cached.entries()) {
        const account = ACCOUNTS[index] ?? ''
        const { version, fields } = reading?.image ?? {}
        const state = `${account} ${version} ${fields?.join(' ')}`
        if (reading !== undefined && state !== (present.get(account) ?? `${account} 0 0 0`)) wrong.push(state)
      }
      for (const balance of await cache.getMany(refs)) {
        const state = stateOfBalance(balance)
        if (state !== (present.get(balance.account) ?? `${balance.account} 0 0 0`)) wrong.push(state)
      }
    }
    return wrong
  }
}
