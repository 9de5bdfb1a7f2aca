/** One seeded world: a database, a Redis, relays, processes, a network, and what goes wrong between them. */

import { Dice } from './dice.js'
import { Evidence } from './evidence.js'
import { LoadEvidence } from './load-evidence.js'
import { TwinProbes } from './probe-twin.js'
import { PROFILES, type Profile } from './profiles.js'
import { type Rule, Rules } from './rules.js'
import { type Actor, Scheduler, type Steps } from './scheduler.js'
import { type TwinEntry, TwinRedis } from './script-twins.js'
import { SimClient } from './sim-client.js'
import { type SimChange, SimDatabase } from './sim-database.js'
import { latestOf, SimRelay } from './sim-relay.js'
import { ACCOUNTS, type SimMessage, type Surroundings } from './surroundings.js'

/** The world of one seed; `without` leaves one rule out. */
export class SimWorld implements Actor, Surroundings {
  suspendedUntilMs = 0
  readonly rules: Rules
  readonly dice: Dice
  readonly chances: Profile
  readonly scheduler = new Scheduler()
  readonly evidence = new Evidence()
  readonly loads: LoadEvidence
  readonly watermarkKey = 'watermark:{c}'
  readonly clients: readonly SimClient[]
  readonly relays: readonly SimRelay[]
  readonly ttlMs = 60_000
  redis: { server: TwinRedis; readonly probes: TwinProbes }
  database: SimDatabase
  #replica: TwinRedis
  #standby: SimDatabase
  #epochs = 1

  constructor(seed: number, without?: Rule) {
    this.dice = new Dice(seed)
    this.rules = new Rules(without)
    this.chances = this.dice.pick(PROFILES)
    this.loads = new LoadEvidence(this.evidence, this.chances.countsLoads)
    this.database = new SimDatabase(this.rules)
    this.redis = { server: this.#newServer(), probes: new TwinProbes() }
    this.#replica = this.redis.server
    this.#standby = this.database.copy(this.#nextEpoch())
    this.clients = [
      new SimClient('p1', this, true),
      new SimClient('p2', this, true),
      new SimClient('p3', this, false),
    ]
    this.relays = ['r1', 'r2'].slice(0, this.chances.relays).map((id) => new SimRelay(id, this))
    for (const account of ACCOUNTS) this.evidence.holds(account, this.database.image(account), 0)
  }

  /** Runs the world to its end, and answers everything that was wrong. */
  run(): Evidence {
    const { scheduler, chances } = this
    const endMs = chances.busyMs + chances.settleMs
    for (const relay of this.relays) scheduler.start(relay, relay.run(endMs, chances.passMs))
    for (const client of this.clients) client.begin(endMs)
    scheduler.start(this, this.#havoc())
    scheduler.runUntil(endMs)
    this.#judgeAtRest()
    return this.evidence
  }

  // ── What everybody uses ────────────────────────────────────────────────────────────────────────────────────

  hop(): number {
    const { dice, chances } = this
    return dice.chance(chances.slow) ? dice.between(5, chances.slowMs) : dice.between(0.05, 1)
  }

  keyOf(account: string): string {
    return `balance:{c}:${account}:2026`
  }

  entriesOf(changes: readonly SimChange[]): TwinEntry[] {
    return latestOf(changes, (account) => this.keyOf(account))
  }

  newGeneration(current: string | undefined): string {
    if (this.rules.holds('generationIsNew')) return this.dice.hex()
    return (current === undefined ? 1n : BigInt(`0x${current}`) + 1n).toString(16).padStart(16, '0')
  }

  publish(message: SimMessage): void {
    for (const client of this.clients) client.hear(message)
  }

  // ── What goes wrong ────────────────────────────────────────────────────────────────────────────────────────

  *#havoc(): Steps {
    const { dice, chances, scheduler } = this
    for (;;) {
      yield dice.between(0.2, 1.8) * chances.harmMs
      if (scheduler.nowMs >= chances.busyMs) return
      if (dice.chance(0.3)) this.#replica = this.#newServer(this.redis.server)
      if (dice.chance(0.3)) this.#standby = this.database.copy(this.#standby.epoch)
      this.#harm(dice.pick(chances.harms))
    }
  }

  #harm(harm: Profile['harms'][number]): void {
    const { dice, redis, scheduler } = this
    const client = dice.pick(this.clients)
    switch (harm) {
      case 'evict':
        redis.server.entries.delete(this.keyOf(dice.pick(ACCOUNTS)))
        break
      case 'expire':
        this.#expire(this.keyOf(dice.pick(ACCOUNTS)))
        break
      case 'die':
        this.loads.die(client)
        break
      case 'evictWatermark':
        redis.server.entries.delete(this.watermarkKey)
        break
      case 'flush':
        redis.server.entries.clear()
        break
      case 'failover':
        this.#failOver()
        break
      case 'failoverEvicted':
        this.#failOver()
        this.redis.server.entries.delete(this.watermarkKey)
        break
      case 'restore':
        this.#restore()
        break
      case 'cut':
        client.cut()
        break
      case 'suspend':
        this.#suspend(client)
        break
      case 'suspendRelay':
        this.#suspend(dice.pick(this.relays))
        break
      case 'trim':
        this.database.trim()
        break
      case 'repair':
        scheduler.start(client, client.repair())
        break
      case 'forget':
        scheduler.start(this, this.#forgottenTransaction())
        break
    }
  }

  /** The time of a register is over; a lease has its own. */
  #expire(key: string): void {
    const { entries } = this.redis.server
    if (entries.get(key)?.text.startsWith('r1|') === true) entries.delete(key)
  }

  #suspend(actor: Actor): void {
    const untilMs = Math.min(this.scheduler.nowMs + this.dice.between(200, 2_500), this.chances.busyMs)
    actor.suspendedUntilMs = Math.max(actor.suspendedUntilMs, untilMs)
  }

  /** The replica takes over; it lacks what was written since it was last in step. */
  #failOver(): void {
    const old = this.redis.server
    this.redis.server = this.#newServer(this.#replica)
    this.#replica = this.redis.server
    for (const client of this.clients) client.redisChanged(old)
  }

  /** The standby takes over, or a backup is restored. */
  #restore(): void {
    const old = this.database
    old.isLost = true
    for (const client of this.clients) client.databaseChanged(old)
    this.database = this.#standby
    this.#standby = this.database.copy(this.#nextEpoch())
    const { nowMs } = this.scheduler
    for (const account of ACCOUNTS) this.evidence.holds(account, this.database.image(account), nowMs)
  }

  *#forgottenTransaction(): Steps {
    const { database } = this
    const transaction = database.begin()
    yield this.dice.between(100, 1_500)
    database.commit(transaction, true)
  }

  #newServer(from?: TwinRedis): TwinRedis {
    const server: TwinRedis = new TwinRedis({
      watermark: this.watermarkKey,
      now: () => this.scheduler.nowMs,
      publish: (push) => {
        if (server === this.redis.server) this.publish({ push })
      },
      rules: this.rules,
      ...(from === undefined ? {} : { entries: from.entries }),
    })
    return server
  }

  #nextEpoch(): string {
    this.#epochs += 1
    return `e${this.#epochs}`
  }

  // ── What must hold at the end ──────────────────────────────────────────────────────────────────────────────

  #judgeAtRest(): void {
    const { evidence, database, redis } = this
    const { nowMs } = this.scheduler
    for (const account of database.wrongSums())
      evidence.fault(nowMs, `the row of ${account} is not the sum of its lines`)
    const generation = redis.server.watermark()?.generation
    for (const account of ACCOUNTS) {
      const row = database.image(account)
      const key = this.keyOf(account)
      const register = generation === undefined ? undefined : redis.server.register(key, generation)
      if (register !== undefined && register !== row)
        evidence.fault(nowMs, `at rest Redis holds ${account} ${register}`)
      for (const { id, tier } of this.clients) {
        const image = tier?.peek(key, nowMs)
        if (image !== undefined) evidence.counts.rests += 1
        if (image !== undefined && image !== row)
          evidence.fault(nowMs, `at rest ${id} holds ${account} ${image}`)
      }
    }
  }
}
