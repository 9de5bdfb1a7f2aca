/** A model of the outbox relay: probes, snapshot, registers, heartbeat, in this order. */

import type { Actor, Steps } from './scheduler.js'
import { parseTwinWatermark, type TwinEntry, type TwinWatermark } from './script-twins.js'
import { covers, type SimChange, type SimDatabase } from './sim-database.js'
import type { Surroundings } from './surroundings.js'

const FULL_EVERY = 8

/** One statement's answer: the moment, how far rows were deleted, and the rows since the expected position. */
interface Tick {
  readonly database: SimDatabase
  readonly target: string
  readonly trimmedTo: string | undefined
  readonly changes: readonly SimChange[]
}

export class SimRelay implements Actor {
  suspendedUntilMs = 0
  /** Where the watermark is expected to stand. */
  #position: string | undefined
  /** What it last knew, which decides nothing. */
  #remembered: string | undefined
  #tick = 0
  #told: string | undefined

  constructor(
    readonly id: string,
    readonly world: Surroundings,
  ) {}

  *run(untilMs: number, passEveryMs: number): Steps {
    const { scheduler, dice } = this.world
    while (scheduler.nowMs < untilMs) {
      yield* this.pass()
      yield dice.between(0.5, 1.5) * passEveryMs
    }
  }

  /** One pass; whatever fails, the next one looks again. */
  *pass(): Steps {
    const { world } = this
    const { rules } = world
    let probes: ReadonlyMap<string, number> = new Map()
    if (rules.holds('probeBeforeSnapshot')) probes = yield* this.#readProbes()
    const tick = yield* this.#look()
    if (!rules.holds('probeBeforeSnapshot')) probes = yield* this.#readProbes()
    const early = this.#remembered
    if (early !== undefined && !rules.holds('heartbeatAfterRelay')) yield* this.#beat(tick, probes, early)
    const to = yield* this.#advance(tick)
    if (to !== undefined && rules.holds('heartbeatAfterRelay')) yield* this.#beat(tick, probes, to)
  }

  *#readProbes(): Steps<ReadonlyMap<string, number>> {
    yield this.world.hop()
    const probes = this.world.redis.probes.read()
    yield this.world.hop()
    return probes
  }

  *#look(): Steps<Tick> {
    yield this.world.hop()
    const { database } = this.world
    const target = database.position()
    const { trimmedTo } = database
    const changes = this.#position === undefined ? [] : database.between(this.#position, target)
    yield this.world.hop()
    return { database, target, trimmedTo, changes }
  }

  *#beat({ database }: Tick, probes: ReadonlyMap<string, number>, to: string): Steps {
    yield this.world.hop()
    this.#tick += 1
    const isFull = this.#tick % FULL_EVERY === 1
    const isNews = isFull || to !== this.#told || !this.world.rules.holds('idleIsChecked')
    this.#told = to
    const tick = this.#tick
    const heartbeat = {
      relay: this.id,
      epoch: database.epoch,
      tick,
      probes,
      to: isNews ? to : undefined,
      isFull,
    }
    this.world.publish({ heartbeat })
  }

  /** Brings the company to the tick's target; answers where it is then, or undefined when it could not. */
  *#advance(tick: Tick): Steps<string | undefined> {
    const { world } = this
    if (this.#position !== undefined && !this.#isTrimmed(this.#position, tick)) {
      const { changes } = tick
      if (changes.length === 0 && !world.rules.holds('idleIsChecked')) return this.#position
      if (yield* this.#move(tick, this.#position, changes)) return tick.target
    }
    return yield* this.#recover(tick)
  }

  *#recover(tick: Tick): Steps<string | undefined> {
    const { world } = this
    const remembered = this.#remembered
    this.#position = undefined
    yield world.hop()
    const text = world.redis.server.get(world.watermarkKey)
    yield world.hop()
    const watermark = parseTwinWatermark(text)
    if (watermark === undefined || this.#mustRenew(watermark, tick)) {
      if (watermark !== undefined && watermark.epoch > tick.database.epoch) return undefined
      return yield* this.#install(tick, text)
    }
    if (watermark.epoch !== tick.database.epoch && world.rules.holds('epochInWatermark')) return undefined
    if (covers(watermark.position, tick.target)) {
      this.#reached(watermark.position)
      return watermark.position
    }
    if (!covers(tick.target, watermark.position)) return undefined
    const since = world.rules.holds('watermarkWithData')
      ? watermark.position
      : (remembered ?? watermark.position)
    yield world.hop()
    const { database } = world
    const changes = database.between(since, tick.target)
    yield world.hop()
    if (database !== tick.database) return undefined
    if (database.trimmedTo !== tick.trimmedTo && world.rules.holds('trimIsMarked')) return undefined
    return (yield* this.#move(tick, watermark.position, changes)) ? tick.target : undefined
  }

  #mustRenew(watermark: TwinWatermark, tick: Tick): boolean {
    if (this.world.rules.holds('epochInWatermark') && watermark.epoch !== tick.database.epoch) return true
    return this.#isTrimmed(watermark.position, tick)
  }

  #isTrimmed(position: string, { trimmedTo }: Tick): boolean {
    return this.world.rules.holds('trimIsMarked') && trimmedTo !== undefined && !covers(position, trimmedTo)
  }

  *#install(tick: Tick, expected: string | undefined): Steps<string | undefined> {
    const { world } = this
    const watermark: TwinWatermark = {
      generation: world.newGeneration(undefined),
      epoch: tick.database.epoch,
      position: tick.target,
      asOf: String(Math.floor(world.scheduler.nowMs)),
    }
    yield world.hop()
    const isInstalled = world.redis.server.install(expected ?? '', watermark)
    yield world.hop()
    if (!isInstalled) return undefined
    this.#reached(watermark.position)
    return watermark.position
  }

  *#move(tick: Tick, from: string, changes: readonly SimChange[]): Steps<boolean> {
    const { world } = this
    this.#position = undefined
    yield world.hop()
    if (world.dice.chance(world.chances.loss)) return false
    const { server } = world.redis
    const move = {
      epoch: tick.database.epoch,
      from,
      to: tick.target,
      asOf: String(Math.floor(world.scheduler.nowMs)),
      spare: world.newGeneration(server.watermark()?.generation),
      renew: changes.some(({ kind }) => kind === 'voidAll'),
    }
    const [status] = server.relay(move, world.entriesOf(changes), world.ttlMs)
    yield world.hop()
    if (world.dice.chance(world.chances.loss)) return false
    if (status === 'absent' || status === 'moved') return false
    this.#reached(tick.target)
    return true
  }

  #reached(position: string): void {
    this.#position = position
    this.#remembered = position
  }
}

/** The last image of each account; nothing for one that was voided. */
export function latestOf(changes: readonly SimChange[], keyOf: (account: string) => string): TwinEntry[] {
  const latest = new Map<string, string>()
  for (const change of changes) {
    if (change.kind === 'image') {
      // A void that came before in the same page still holds: what is in Redis may be what was voided.
      if (latest.get(change.account) !== '') latest.set(change.account, change.image)
    } else if (change.kind === 'void') latest.set(change.account, '')
  }
  return [...latest].map(([account, image]) => ({ key: keyOf(account), image }))
}
