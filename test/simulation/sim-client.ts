/** A model of one process: it reads, posts, repairs, and hears what Redis publishes. */

import { STALENESS_MS_MAX } from './evidence.js'
import type { Actor, Steps } from './scheduler.js'
import type { TwinRedis, TwinWatermark } from './script-twins.js'
import { type SimDatabase, type SimLine, type SimTransaction, versionOf } from './sim-database.js'
import { type Row, SimMissing } from './sim-missing.js'
import { SimTier } from './sim-tier.js'
import { ACCOUNTS, type SimMessage, type Surroundings } from './surroundings.js'

const PROBE_MS = STALENESS_MS_MAX / 5
const PROBES = { lifeMs: 10 * STALENESS_MS_MAX, processesMax: 8 }

interface Token {
  readonly version: number
  readonly epoch: string
}

/** The process that reads its own writes. One alone, for it hides from its readers what other rules are there for. */
const OWN = 'p2'

interface OwnState {
  readonly image: string
  readonly epoch: string
  readonly writtenMs: number
}

/** One read on its way. */
interface Question {
  readonly account: string
  readonly key: string
  readonly begunMs: number
  readonly incarnation: number
  readonly token: Token | undefined
}

export class SimClient implements Actor {
  suspendedUntilMs = 0
  readonly tier: SimTier | undefined
  /** A server that was replaced, and that this process still talks to for a while. */
  #old: { readonly server: TwinRedis; readonly untilMs: number } | undefined
  /** A database that was lost, and that this process still reads for a while. */
  #lost: { readonly database: SimDatabase; readonly untilMs: number } | undefined
  #connection = 1
  #isConnected = true
  #heardMs = 0
  readonly #missing: SimMissing
  readonly #tokens = new Map<string, Token>()
  /** What this process committed and handed on itself. */
  readonly #own = new Map<string, OwnState>()

  constructor(
    readonly id: string,
    readonly world: Surroundings,
    hasTier: boolean,
  ) {
    this.tier = hasTier ? new SimTier(id, world.rules) : undefined
    this.#missing = new SimMissing({
      actor: this,
      id,
      world,
      server: () => this.#server,
      database: () => this.#database,
    })
  }

  /** Posts and reads while the world is busy; then it reads now and then, until the end. */
  begin(endMs: number): void {
    const { scheduler, chances } = this.world
    scheduler.start(
      this,
      this.#repeat(chances.busyMs, chances.postMs, () => this.#post()),
    )
    scheduler.start(
      this,
      this.#repeat(chances.busyMs, chances.readMs, () => this.#read()),
    )
    scheduler.start(
      this,
      this.#repeat(endMs, 4 * chances.readMs, () => this.#read()),
      chances.busyMs,
    )
    if (this.tier !== undefined)
      scheduler.start(
        this,
        this.#repeat(endMs, PROBE_MS, () => this.#probe()),
      )
  }

  get #server(): TwinRedis {
    const old = this.#old
    return old !== undefined && this.world.scheduler.nowMs < old.untilMs
      ? old.server
      : this.world.redis.server
  }

  get #database(): SimDatabase {
    const lost = this.#lost
    return lost !== undefined && this.world.scheduler.nowMs < lost.untilMs
      ? lost.database
      : this.world.database
  }

  *#repeat(untilMs: number, everyMs: number, work: () => Steps): Steps {
    const { scheduler, dice } = this.world
    while (scheduler.nowMs < untilMs) {
      scheduler.start(this, work())
      yield dice.between(0.2, 1.8) * everyMs
    }
  }

  // ── The network ────────────────────────────────────────────────────────────────────────────────────────────

  /** A message leaves Redis for this process; those of one connection arrive in their order. */
  hear(message: SimMessage): void {
    const { world, tier } = this
    if (tier === undefined || !this.#isConnected || world.dice.chance(world.chances.pushLoss)) return
    const connection = this.#connection
    this.#heardMs = Math.max(this.#heardMs, world.scheduler.nowMs + world.hop())
    world.scheduler.start(this, this.#heard(connection, message), this.#heardMs - world.scheduler.nowMs)
  }

  // biome-ignore lint/correctness/useYield: one step
  *#heard(connection: number, message: SimMessage): Steps {
    const { tier } = this
    if (tier === undefined || connection !== this.#connection) return
    if ('push' in message) tier.push(message.push)
    else {
      tier.heartbeat(message.heartbeat)
      tier.heard(this.world.scheduler.nowMs)
    }
  }

  /** The subscription breaks and comes back; what was on its way is lost. */
  cut(): void {
    if (this.tier === undefined || !this.#isConnected) return
    this.#isConnected = false
    this.#connection += 1
    this.world.scheduler.start(this, this.#reconnect(), this.world.dice.between(2, 120))
  }

  // biome-ignore lint/correctness/useYield: one step
  *#reconnect(): Steps {
    this.#isConnected = true
    this.tier?.reconnected()
  }

  /** Redis failed over: the subscription breaks, or a proxy hides it; commands may still reach the old server. */
  redisChanged(old: TwinRedis): void {
    const { dice, scheduler } = this.world
    if (dice.chance(0.5)) this.cut()
    if (dice.chance(0.3)) this.#old = { server: old, untilMs: scheduler.nowMs + dice.between(10, 700) }
  }

  /** Another database took over; connections to the old one may live on. */
  databaseChanged(old: SimDatabase): void {
    const { dice, scheduler } = this.world
    if (dice.chance(0.5)) this.#lost = { database: old, untilMs: scheduler.nowMs + dice.between(5, 150) }
  }

  *#probe(): Steps {
    const { tier, world } = this
    const probe = tier?.probe(world.scheduler.nowMs) ?? 0
    yield world.hop()
    const { scheduler, redis } = world
    redis.probes.write({ process: this.id, probe: String(probe) }, PROBES, scheduler.nowMs)
  }

  // ── Reading ────────────────────────────────────────────────────────────────────────────────────────────────

  *#read(): Steps {
    const { world, tier } = this
    const account = world.dice.pick(ACCOUNTS)
    const key = world.keyOf(account)
    const token = world.dice.chance(0.3) ? this.#tokens.get(account) : undefined
    const begunMs = world.scheduler.nowMs
    const question = { account, key, begunMs, incarnation: tier?.incarnation ?? 0, token }
    const held = tier?.peek(key, begunMs)
    const near = held === undefined ? undefined : this.#withOwn(account, held, tier?.epoch)
    if (near !== undefined && this.#meets(near, token)) {
      this.#serve('l1', question, near)
      return
    }
    const found = yield* this.#missing.read(account)
    if (found === 'refused') return
    if ('image' in found) this.#serveRow(question, found)
    else if (!this.#serveStored(question, found.text, found.watermark))
      this.#serveRow(question, yield* this.#missing.load(account, found.watermark))
  }

  #serveStored(question: Question, text: string, watermark: TwinWatermark): boolean {
    const { tier, world } = this
    const image = text.slice(20)
    tier?.admit(question.key, image, watermark, question.incarnation)
    const mayServe = tier?.mayServe(watermark, world.scheduler.nowMs) ?? true
    const newest = this.#withOwn(question.account, image, watermark.epoch)
    if (!mayServe || newest === undefined || !this.#meets(newest, question.token)) return false
    this.#serve('redis', question, newest)
    return true
  }

  /** A cached state, or the newer one that this process brought about; undefined where that is of another history. */
  #withOwn(account: string, image: string, epoch: string | undefined): string | undefined {
    const { rules, scheduler } = this.world
    const own = this.#own.get(account)
    if (own === undefined || this.id !== OWN || !rules.holds('ownWrites')) return image
    // Whatever is trusted later is trusted on evidence from after it.
    if (this.tier !== undefined && scheduler.nowMs - own.writtenMs > STALENESS_MS_MAX) return image
    if (own.epoch !== epoch) return undefined
    return versionOf(own.image) > versionOf(image) ? own.image : image
  }

  #serveRow(question: Question, { image, epoch, watermark }: Row): void {
    if (watermark?.epoch === epoch) this.tier?.admit(question.key, image, watermark, question.incarnation)
    // A lost database answers what it held: nobody promises more of it.
    if (epoch === this.world.database.epoch) this.#serve('database', question, image)
  }

  #meets(image: string, token: Token | undefined): boolean {
    if (token === undefined || !this.world.rules.holds('atLeast')) return true
    return token.epoch === this.world.database.epoch && versionOf(image) >= token.version
  }

  #serve(source: 'l1' | 'redis' | 'database', { account, begunMs, token }: Question, image: string): void {
    const { evidence, scheduler, database } = this.world
    const { nowMs } = scheduler
    const plain = source === 'redis' && this.tier === undefined
    const sinceMs = plain ? 0 : source === 'database' ? begunMs : nowMs - STALENESS_MS_MAX
    evidence.served(source, account, image, { sinceMs, nowMs })
    if (token !== undefined && token.epoch === database.epoch && versionOf(image) < token.version) {
      evidence.fault(nowMs, `${source} answered ${account} older than the token`)
    }
    const own = this.#own.get(account)
    const isLater =
      own !== undefined && this.id === OWN && own.epoch === database.epoch && own.writtenMs <= begunMs
    if (isLater && versionOf(image) < versionOf(own.image)) {
      evidence.fault(nowMs, `${source} answered ${account} older than ${this.id} wrote it`)
    }
  }

  // ── Writing ────────────────────────────────────────────────────────────────────────────────────────────────

  *#post(): Steps {
    const { world } = this
    const vouchers = this.#drawVouchers()
    const accounts = [...new Set(vouchers.flat().map(({ account }) => account))].sort()
    const { database } = world
    yield world.hop()
    const transaction = database.begin()
    if (!(yield* this.#lock(database, transaction, accounts))) return
    database.post(transaction, vouchers)
    yield* this.#end(database, transaction)
  }

  *#lock(database: SimDatabase, transaction: SimTransaction, accounts: readonly string[]): Steps<boolean> {
    for (const account of accounts) {
      while (!database.lock(transaction, account)) {
        yield 1
        if (database.isLost) return false
      }
      yield this.world.dice.between(0, 0.5)
    }
    return true
  }

  *#end(database: SimDatabase, transaction: SimTransaction): Steps {
    const { world } = this
    yield world.hop()
    const isBroken = world.dice.chance(0.05)
    const tag = database.commit(transaction, isBroken)
    const images = transaction.images()
    if (tag === 'COMMIT') {
      for (const { account, image } of images) world.evidence.holds(account, image, world.scheduler.nowMs)
    }
    yield world.hop()
    if (tag === 'lost' || (tag === 'ROLLBACK' && world.rules.holds('commitTag'))) return
    for (const { account, image } of images) {
      this.#tokens.set(account, { version: versionOf(image), epoch: database.epoch })
    }
    for (let copies = world.dice.pick([0, 1, 1, 2]); copies > 0; copies -= 1) {
      world.scheduler.start(
        this,
        this.#apply(database.epoch, images),
        world.dice.between(0, world.chances.slowMs),
      )
    }
  }

  // biome-ignore lint/correctness/useYield: one step
  *#apply(epoch: string, images: ReturnType<SimTransaction['images']>): Steps {
    const { world } = this
    const server = this.#server
    for (const { account, image } of images) {
      const before = this.#own.get(account)
      const isNewer = before?.epoch !== epoch || before.image < image
      const writtenMs = world.scheduler.nowMs
      this.#own.set(account, { epoch, image: isNewer ? image : before.image, writtenMs })
    }
    const entries = images.map(({ account, image }) => ({ key: world.keyOf(account), image }))
    server.apply(epoch, world.newGeneration(server.watermark()?.generation), entries, world.ttlMs)
  }

  /** Somebody corrects a row by hand, and voids what was cached of it. */
  *repair(): Steps {
    const { world } = this
    const account = world.dice.pick(ACCOUNTS)
    const isAll = world.dice.chance(0.5)
    const { database } = world
    const transaction = database.begin()
    if (!(yield* this.#lock(database, transaction, [account]))) return
    const control = isAll ? ({ kind: 'voidAll' } as const) : ({ kind: 'void', account } as const)
    database.repair(transaction, account, world.rules.holds('invalidationIsLogged') ? control : undefined)
    const tag = database.commit(transaction, false)
    if (tag !== 'COMMIT') return
    world.evidence.holds(account, database.image(account), world.scheduler.nowMs)
    yield world.hop()
    const server = this.#server
    if (isAll) server.renew(world.newGeneration(server.watermark()?.generation))
    else server.void([world.keyOf(account)])
  }

  #drawVouchers(): (readonly SimLine[])[] {
    const { dice } = this.world
    return Array.from({ length: 1 + dice.below(2) }, () => {
      const [one, other] = [dice.pick(ACCOUNTS), dice.pick(ACCOUNTS)]
      const amount = 1 + dice.below(1_000)
      const lines = [
        { account: one, amount },
        { account: other, amount: -amount },
      ]
      // Several lines on one hot account.
      return dice.chance(0.3)
        ? [...lines, { account: one, amount: 5 }, { account: other, amount: -5 }]
        : lines
    })
  }
}
