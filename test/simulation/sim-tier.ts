/** A model of the in-process tier: what one process believes, and until when. */

import { STALENESS_MS_MAX } from './evidence.js'
import type { Rules } from './rules.js'
import { compareTwinImages, type TwinWatermark } from './script-twins.js'
import { covers } from './sim-database.js'

/** What the relay says after a tick whose every write was acknowledged. */
export interface SimHeartbeat {
  readonly relay: string
  readonly epoch: string
  readonly tick: number
  readonly probes: ReadonlyMap<string, number>
  /** Where the company's watermark is; left out when the relay has said so before. */
  readonly to: string | undefined
  /** Whether it says so for every company, whatever it has said before. */
  readonly isFull: boolean
}

export class SimTier {
  readonly #entries = new Map<string, string>()
  incarnation = 0
  #generation: string | undefined
  #epoch: string | undefined
  /** Undefined until something says where the stream of pushes stands. */
  #position: string | undefined
  #floor: string | undefined
  readonly #ticks = new Map<string, number>()
  #trustUntilMs = Number.NEGATIVE_INFINITY
  readonly #sentAtMs = new Map<number, number>()
  #lastProbe = 0

  constructor(
    readonly id: string,
    readonly rules: Rules,
  ) {}

  /** The history that its rows are of. */
  get epoch(): string | undefined {
    return this.#epoch
  }

  /** The next probe, which is sent now. */
  probe(nowMs: number): number {
    this.#lastProbe += 1
    this.#sentAtMs.set(this.#lastProbe, nowMs)
    return this.#lastProbe
  }

  isTrusted(nowMs: number): boolean {
    if (this.#trustUntilMs === Number.NEGATIVE_INFINITY) return false
    return nowMs <= this.#trustUntilMs || !this.rules.holds('trustExpires')
  }

  peek(key: string, nowMs: number): string | undefined {
    const isKnown = this.#position !== undefined && this.#floor !== undefined
    return isKnown && this.isTrusted(nowMs) ? this.#entries.get(key) : undefined
  }

  /** Whether a value that was read under this watermark may be answered. */
  mayServe(watermark: TwinWatermark, nowMs: number): boolean {
    if (!this.isTrusted(nowMs) || this.#floor === undefined) return false
    if (!this.rules.holds('floor')) return true
    return watermark.epoch === this.#epoch && covers(watermark.position, this.#floor)
  }

  /** Takes over what Redis held, or a row that was read after Redis answered with this watermark. */
  admit(key: string, image: string, watermark: TwinWatermark, asked: number): void {
    if (asked !== this.incarnation) return
    if (this.#position === undefined || watermark.epoch !== this.#epoch) return
    if (this.rules.holds('replyNotBehind') && !covers(watermark.position, this.#position)) return
    this.#generation ??= watermark.generation
    if (this.rules.holds('generationInPush') && watermark.generation !== this.#generation) return
    this.#merge(key, image)
  }

  drop(): void {
    this.incarnation += 1
    this.#entries.clear()
    this.#position = undefined
    this.#generation = undefined
  }

  /** The subscription was lost, and is there again. */
  reconnected(): void {
    this.drop()
    this.#ticks.clear()
    this.#floor = undefined
  }

  push(message: string): void {
    const [head = '', ...lines] = message.split('\n')
    const [, generation = '', epoch = '', from = '', to = ''] = head.split('|')
    const isOther = generation !== (this.#generation ?? generation) || epoch !== (this.#epoch ?? epoch)
    if (isOther && this.rules.holds('generationInPush')) this.drop()
    if (to !== '') {
      const isGap = this.#position !== undefined && from !== this.#position
      if (isGap && this.rules.holds('gapDrops')) this.drop()
      this.#position = to
    }
    if (this.#position === undefined) return
    this.#generation = generation
    this.#epoch = epoch
    for (const line of lines) {
      const bar = line.indexOf('|')
      const [key, image] = [line.slice(0, bar), line.slice(bar + 1)]
      // An image without a position may be late: something newer may have come and gone.
      const mayCreate = to !== '' || !this.rules.holds('pushUpdatesOnly')
      if (image === '') this.#forget()
      else if (mayCreate || this.#entries.has(key)) this.#merge(key, image)
    }
  }

  heartbeat({ relay, epoch, tick, probes, to, isFull }: SimHeartbeat): void {
    const last = this.#ticks.get(relay)
    const isContiguous = last === undefined ? isFull : tick === last + 1
    this.#ticks.set(relay, tick)
    if (!isContiguous && !isFull) {
      this.drop()
      this.#floor = undefined
    }
    if (epoch !== (this.#epoch ?? epoch)) {
      this.drop()
      this.#floor = undefined
    }
    this.#epoch = epoch
    if (to !== undefined) this.#reached(to)
    const sentAtMs = this.#sentAtMs.get(probes.get(this.id) ?? 0)
    if (sentAtMs !== undefined) {
      this.#trustUntilMs = Math.max(this.#trustUntilMs, sentAtMs + STALENESS_MS_MAX)
    }
  }

  /** A heartbeat arrived: without the rule its arrival is what counts. */
  heard(nowMs: number): void {
    if (!this.rules.holds('trustBySendTime')) this.#trustUntilMs = nowMs + STALENESS_MS_MAX
  }

  #reached(to: string): void {
    if (this.#position !== undefined && !covers(this.#position, to)) {
      if (this.rules.holds('gapDrops')) this.drop()
    }
    this.#position ??= to
    if (this.#floor === undefined || covers(to, this.#floor)) this.#floor = to
  }

  /** A register was voided: what is on its way may be what was voided. */
  #forget(): void {
    const position = this.#position
    const generation = this.#generation
    this.drop()
    this.#position = position
    this.#generation = generation
  }

  #merge(key: string, image: string): void {
    const present = this.#entries.get(key)
    const order = present === undefined ? 1 : compareTwinImages(image, present)
    if (order === undefined) this.drop()
    else if (order > 0) this.#entries.set(key, image)
  }
}
