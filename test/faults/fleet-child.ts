/** A process of the fleet: a relay, or a client that reads without a pause, posts, and remembers what it was answered. */

import { setImmediate as yieldOnce, setTimeout as wait } from 'node:timers/promises'
import { type AccountRef, type Balance, BalanceCache } from '@kerp/balance-cache'
import { KerpError, type RandomSource } from '@kerp/core'
import { seededRandom } from '@kerp/core/testing'
import { createKeys } from '@kerp/keys'
import { anyAccount, Ledger, Outbox, type PostedVoucher, RegisterRows, type Voucher } from '@kerp/postgres'
import { OutboxRelay, Registers } from '@kerp/registers'
import { Redis } from 'ioredis'
import pg from 'pg'
import { FLEET_ACCOUNTS, type FleetAnswer, type FleetCommand, type FleetOrder, nowMs } from './fleet-words.js'

const PATIENCE_MS = 20_000
const TELL_MS = 200
const POSTERS = 2
const READERS = 2
const PEEKS = 200
const AMOUNTS = [1n, 2n ** 53n + 1n, 10n ** 18n + 1n, 10n ** 37n + 7n]

function tell(answer: FleetAnswer): void {
  process.send?.(answer)
}

class Client {
  readonly #random: RandomSource
  readonly #refs: readonly AccountRef[]
  readonly #cache: BalanceCache
  readonly #ledger: Ledger
  readonly #answers = new Map<string, number>()
  readonly #acknowledged: (readonly [string, number, number])[] = []
  readonly #failures: (readonly [string, number])[] = []
  readonly #wrong: string[] = []
  #counts: Record<string, number> = {}
  #posted = 0
  #isBusy = false
  #work: Promise<unknown> = Promise.resolve()

  constructor(
    readonly order: FleetOrder,
    redis: Redis,
    pool: pg.Pool,
  ) {
    const { companyId, maxStalenessMs } = order
    this.#random = seededRandom(order.seed)
    this.#refs = FLEET_ACCOUNTS.map((account) => ({ companyId, account, fiscalYear: 2026 }))
    const source = new RegisterRows({ pool, deadlineMs: PATIENCE_MS })
    const positions = new Outbox({ pool })
    const registers = new Registers({
      redis,
      keys: createKeys(),
      source,
      leaseMs: 500,
      readDeadlineMs: PATIENCE_MS,
      // One of the clients holds next to nothing, so that it asks Redis.
      localTier: { positions, maxStalenessMs, entriesMax: order.seed % 100 === 0 ? 1 : 1_000 },
    })
    this.#cache = new BalanceCache({ registers, source, invalidations: positions })
    this.#ledger = new Ledger({ pool, accounts: anyAccount, deadlineMs: PATIENCE_MS })
    setInterval(() => this.#tellNews(), TELL_MS)
  }

  async obey(command: FleetCommand): Promise<void> {
    if (command === 'go') {
      this.#isBusy = true
      const posters = Array.from({ length: POSTERS }, () => this.#repeat(() => this.#post()))
      const readers = Array.from({ length: READERS }, () => this.#repeat(() => this.#read()))
      this.#work = Promise.all([...posters, ...readers])
      return
    }
    this.#isBusy = false
    await this.#work
    this.#tellNews()
    if (command === 'rest') {
      tell({ is: 'resting' })
      return
    }
    const states: string[] = []
    for (const ref of this.#refs) {
      const peeked = this.#cache.peek(ref)
      if (peeked !== undefined) states.push(stateOf(peeked))
    }
    for (const balance of await this.#cache.getMany(this.#refs)) states.push(stateOf(balance))
    tell({ is: 'looked', states })
  }

  async #repeat(work: () => Promise<unknown>): Promise<void> {
    while (this.#isBusy) {
      await work().catch((error: unknown) => {
        this.#failures.push([error instanceof KerpError ? error.code : String(error), nowMs()])
        return wait(10)
      })
    }
  }

  #tellNews(): void {
    const { wrong, failures, acknowledged } = {
      wrong: this.#wrong.splice(0),
      failures: this.#failures.splice(0),
      acknowledged: this.#acknowledged.splice(0),
    }
    tell({
      is: 'news',
      news: { answers: [...this.#answers], acknowledged, failures, wrong, counts: this.#counts },
    })
    this.#answers.clear()
    this.#counts = {}
  }

  #count(name: string, by = 1): void {
    this.#counts[name] = (this.#counts[name] ?? 0) + by
  }

  #note(balance: Balance, beganMs: number): void {
    this.#answers.set(stateOf(balance), beganMs)
    this.#count(balance.source)
  }

  #pick<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.#random.fraction() * items.length)]
    if (item === undefined) throw new RangeError('nothing to pick from')
    return item
  }

  async #read(): Promise<void> {
    for (let left = PEEKS; left > 0; left -= 1) {
      const beganMs = nowMs()
      const balance = this.#cache.peek(this.#pick(this.#refs))
      if (balance !== undefined) this.#note(balance, beganMs)
    }
    const chance = this.#random.fraction()
    const beganMs = nowMs()
    if (chance < 0.7) {
      this.#note(await this.#cache.get(this.#pick(this.#refs)), beganMs)
    } else {
      const cut = chance < 0.85
      const balances = await this.#cache.getMany(this.#refs, { cut })
      for (const balance of balances) this.#note(balance, beganMs)
      if (cut) this.#checkCut(balances)
    }
    await yieldOnce()
  }

  // Vouchers move amounts between these accounts and no others.
  #checkCut(balances: readonly Balance[]): void {
    const sum = balances.reduce((total, { balance }) => total + balance, 0n)
    this.#count('cuts')
    if (sum !== 0n) this.#wrong.push(`a cut sums to ${sum}: ${balances.map(stateOf).join(', ')}`)
  }

  async #post(): Promise<void> {
    const [from, to] = [this.#pick(FLEET_ACCOUNTS), this.#pick(FLEET_ACCOUNTS)]
    if (from === to) return
    const { companyId, seed } = this.order
    this.#posted += 1
    const amount = this.#pick(AMOUNTS)
    const lines = [
      { account: to, debit: amount },
      { account: from, credit: amount },
    ]
    const id = `${seed}-${this.#posted}`
    const posted = await this.#insist({ companyId, id, date: '2026-01-05', fiscalYear: 2026, lines })
    const ackMs = nowMs()
    this.#count('posts')
    for (const { ref, version } of posted.images) this.#acknowledged.push([ref.parts[0], version, ackMs])
    const luck = this.#random.fraction()
    if (luck < 0.6) await this.#cache.apply(posted)
    if (luck > 0.4 && luck < 0.8) await this.#readBack(posted)
    await wait(this.#random.fraction() * 10)
  }

  /** An unknown outcome is resolved by the same id. */
  async #insist(voucher: Voucher): Promise<PostedVoucher> {
    for (;;) {
      try {
        return await this.#ledger.post(voucher)
      } catch (error) {
        if (!(error instanceof KerpError && error.retryable)) throw error
        this.#count('postedAgain')
        await wait(20)
      }
    }
  }

  async #readBack({ images, token }: PostedVoucher): Promise<void> {
    const beganMs = nowMs()
    for (const { ref, version } of images) {
      const [account] = ref.parts
      const balance = await this.#cache.get({ ...this.#pick(this.#refs), account }, { atLeast: token })
      this.#note(balance, beganMs)
      this.#count('readBacks')
      if (balance.version < version)
        this.#wrong.push(`${stateOf(balance)} was read with a token of ${version}`)
    }
  }
}

function stateOf(balance: Balance): string {
  return `${balance.account} ${balance.version} ${balance.debit} ${balance.credit}`
}

const order = JSON.parse(process.argv[2] ?? '{}') as FleetOrder
const pool = new pg.Pool({
  connectionString: order.databaseUrl,
  max: 8,
  connectionTimeoutMillis: PATIENCE_MS,
})
pool.on('error', () => undefined)
const redis = new Redis({
  path: order.redisPath,
  maxRetriesPerRequest: 0,
  enableOfflineQueue: false,
  retryStrategy: () => 20,
})
redis.on('error', () => undefined)
if (order.role === 'relay') {
  new OutboxRelay({
    redis,
    keys: createKeys(),
    outbox: new Outbox({ pool }),
    pollMs: 10,
    heartbeatMs: 50,
    backoffMsMax: 400,
  }).start()
} else {
  const client = new Client(order, redis, pool)
  process.on('message', (command: FleetCommand) => void client.obey(command))
}
process.on('disconnect', () => process.exit())
tell({ is: 'ready' })
