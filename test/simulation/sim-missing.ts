/** A model of how a process answers a row that Redis does not hold: it loads under a lease, or waits for who does. */

import { BACKOFF_MS, LEASE_MS, type SimLoad } from './load-evidence.js'
import type { Actor, Steps } from './scheduler.js'
import { parseTwinWatermark, type TwinRedis, type TwinWatermark } from './script-twins.js'
import type { SimDatabase } from './sim-database.js'
import type { Surroundings } from './surroundings.js'

/** How long others are waited for, and the pauses between two looks, in ms. */
const WAIT_MS = 180
const LOOK_MS = 2
const LOOK_MS_MAX = 20
const FAILURE = '!DOWN'
const LEASED_TEXT = /^L\|([0-9A-Fa-f]+)\|([^|]*)\|/

/** What Redis said, if it holds the row. */
export interface Stored {
  readonly text: string
  readonly watermark: TwinWatermark
}

/** A row of the database, and the watermark that Redis had before it was read. */
export interface Row {
  readonly image: string
  readonly epoch: string
  readonly watermark: TwinWatermark | undefined
}

/** How a read ended: `refused` because a load has just failed. */
export type Found = Stored | Row | 'refused'

/** The process, and what it talks to now. */
export interface MissingParts {
  readonly actor: Actor
  readonly id: string
  readonly world: Surroundings
  server(): TwinRedis
  database(): SimDatabase
}

/** A call to the database that is under way; it has read already, or not. */
interface Statement {
  row: { readonly image: string; readonly epoch: string } | undefined
}

export class SimMissing {
  readonly #parts: MissingParts
  readonly #world: Surroundings
  readonly #statements = new Map<string, Statement>()
  #leases = 0

  constructor(parts: MissingParts) {
    this.#parts = parts
    this.#world = parts.world
  }

  /** Asks Redis, and then whoever it must. */
  *read(account: string, waitsUntilMs = this.#nowMs + WAIT_MS): Steps<Found> {
    const { loads } = this.#world
    const key = this.#world.keyOf(account)
    const token = `${this.#parts.id}.${(this.#leases += 1)}`
    yield this.#world.hop()
    const [text = '', found = ''] = this.#parts.server().read([key], token, LEASE_MS)
    const load = found === 'L' ? loads.granted(key, this.#parts.actor, this.#nowMs) : undefined
    yield this.#world.hop()
    const watermark = parseTwinWatermark(text)
    if (watermark !== undefined && found.startsWith('r1|')) return { text: found, watermark }
    if (load !== undefined) return yield* this.#loadUnder({ load, token }, account, watermark)
    if (found === 'W') return yield* this.#wait(account, watermark, waitsUntilMs)
    return yield* this.load(account, watermark)
  }

  /** One autocommit statement; `hasLease` says that it may be joined by who has one. */
  *load(account: string, watermark: TwinWatermark | undefined, hasLease = false): Steps<Row> {
    const world = this.#world
    const running = this.#statements.get(account)
    if (hasLease && running?.row !== undefined && !world.rules.holds('loadAfterLease')) {
      yield world.hop()
      return { ...running.row, watermark }
    }
    const statement: Statement = { row: undefined }
    this.#statements.set(account, statement)
    yield world.hop()
    const database = this.#parts.database()
    const row = { image: database.image(account), epoch: database.epoch }
    statement.row = row
    if (world.dice.chance(world.chances.slowLoad)) yield world.dice.between(0, world.chances.slowLoadMs)
    yield world.hop()
    if (this.#statements.get(account) === statement) this.#statements.delete(account)
    return { ...row, watermark }
  }

  get #nowMs(): number {
    return this.#world.scheduler.nowMs
  }

  // ── Who has the lease ──────────────────────────────────────────────────────────────────────────────────────

  *#loadUnder(
    { load, token }: { readonly load: SimLoad; readonly token: string },
    account: string,
    watermark: TwinWatermark | undefined,
  ): Steps<Found> {
    const world = this.#world
    if (world.rules.holds('leaseIsKept'))
      world.scheduler.start(this.#parts.actor, this.#keep(load, token), LEASE_MS / 3)
    const row = yield* this.load(account, watermark, true)
    if (load.isDead) return 'refused'
    world.loads.end(load)
    const isFailed = world.dice.chance(world.chances.failingLoad)
    yield world.hop()
    if (!isFailed) {
      this.#fill(load, token, row)
      return row
    }
    this.#fail(load, token)
    return 'refused'
  }

  *#keep(load: SimLoad, token: string): Steps {
    const world = this.#world
    while (!load.isOver) {
      yield world.hop()
      const isLost = world.dice.chance(world.chances.loss)
      const kept = isLost ? 0 : this.#parts.server().keep([load.key], token, LEASE_MS)
      if (kept > 0) world.loads.kept(load.key, this.#nowMs)
      yield world.hop()
      if (kept === 0 && !isLost) return
      yield LEASE_MS / 3
    }
  }

  #fill(load: SimLoad, token: string, { image, epoch }: Row): void {
    const world = this.#world
    const server = this.#parts.server()
    const spare = world.newGeneration(server.watermark()?.generation)
    const [, , outcome] = server.fill(epoch, token, spare, [{ key: load.key, image }], world.ttlMs)
    if (outcome === 'R') world.loads.refused(load, this.#nowMs)
  }

  #fail({ key }: SimLoad, token: string): void {
    const world = this.#world
    const backoffMs = BACKOFF_MS * world.dice.between(0.5, 1)
    const isTold = world.rules.holds('failureHoldsBack')
    const marked = this.#parts.server().fail([key], token, isTold ? FAILURE : '', backoffMs)
    if (marked > 0) world.loads.failed(key, this.#nowMs, backoffMs)
  }

  // ── Who waits for it ───────────────────────────────────────────────────────────────────────────────────────

  *#wait(account: string, asked: TwinWatermark | undefined, untilMs: number): Steps<Found> {
    const world = this.#world
    const key = world.keyOf(account)
    let watermark = asked
    for (let pauseMs = LOOK_MS; this.#nowMs < untilMs; pauseMs = Math.min(LOOK_MS_MAX, 2 * pauseMs)) {
      yield Math.min(untilMs - this.#nowMs, pauseMs * world.dice.between(0.5, 1))
      yield world.hop()
      const server = this.#parts.server()
      watermark = server.watermark()
      const text = server.get(key)
      const isFailure = this.#judge(key, text, watermark)
      yield world.hop()
      if (watermark === undefined) break
      if (isFailure) return 'refused'
      if (text?.startsWith(`r1|${watermark.generation}|`) === true) return { text, watermark }
      if (text !== undefined) continue
      if (world.rules.holds('waiterLeasesAnew')) return yield* this.read(account, untilMs)
      return yield* this.#loadAsOne(account, watermark)
    }
    return yield* this.load(account, watermark)
  }

  /** Whether a failure stands there. */
  #judge(key: string, text: string | undefined, watermark: TwinWatermark | undefined): boolean {
    const [, generation, token = ''] = LEASED_TEXT.exec(text ?? '') ?? []
    if (generation === undefined) return false
    const isFailure = token === FAILURE
    this.#world.loads.found(key, isFailure ? 'failure' : 'lease', this.#nowMs)
    return isFailure && generation === watermark?.generation
  }

  /** A load without a lease, which is counted as one under a lease would be. */
  *#loadAsOne(account: string, watermark: TwinWatermark): Steps<Row> {
    const { loads } = this.#world
    const load = loads.begin(this.#world.keyOf(account), this.#parts.actor, this.#nowMs)
    const row = yield* this.load(account, watermark)
    loads.end(load)
    return row
  }
}
