/**
 * Who is next: priorities first, companies in turn within each, and the oldest job of a company.
 *
 * Everything is O(1) but the look at the three priorities. A priority that was passed over `passesMax` times in a row
 * has its turn, so that low ones are late and never starved.
 */

import { JobList } from './job-list.js'
import type { PoolJob } from './pool-job.js'
import type { Unit } from './unit.js'

/** Work that is made when its turn comes: a map. */
export interface Feed {
  readonly companyId: string | undefined
  readonly band: number
  /** Kept by the queue. */
  isOffered: boolean
  /** The next item, or undefined when it has none now; then it has to offer itself again. */
  take(): Unit | undefined
}

/** Companies without work whose lanes are kept for their next job. */
const IDLE_LANES_MAX = 1_000

/** Jobs and feeds that could begin now. */
export class JobQueue {
  readonly #normal = new Band()
  readonly #bands = [new Band(), this.#normal, new Band()]
  readonly #passesMax: number
  /** Jobs in it. */
  size = 0

  constructor(passesMax: number) {
    this.#passesMax = passesMax
  }

  /** Whether `take` may find something. */
  get hasWork(): boolean {
    for (const band of this.#bands) if (band.turn !== undefined) return true
    return false
  }

  push(job: PoolJob): void {
    const band = this.#bandOf(job.terms.band)
    const lane = band.laneOf(job.terms.companyId)
    lane.push(job)
    band.activate(lane)
    this.size += 1
  }

  /** In front of its company's other jobs. */
  unshift(job: PoolJob): void {
    const band = this.#bandOf(job.terms.band)
    const lane = band.laneOf(job.terms.companyId)
    lane.unshift(job)
    band.activate(lane)
    this.size += 1
  }

  /** Takes a job out wherever it stands; false if it is not in here. */
  remove(job: PoolJob): boolean {
    const { list } = job
    if (!(list instanceof Lane)) return false
    list.remove(job)
    this.size -= 1
    const band = this.#bandOf(job.terms.band)
    if (list.isEmpty) band.deactivate(list)
    return true
  }

  /** Lets a feed take part in the turns until it has nothing. */
  offer(feed: Feed): void {
    if (feed.isOffered) return
    feed.isOffered = true
    const band = this.#bandOf(feed.band)
    const lane = band.laneOf(feed.companyId)
    lane.feeds.push(feed)
    band.activate(lane)
  }

  /** Takes out whoever is next. */
  take(): Unit | undefined {
    for (let band = this.#nextBand(); band !== undefined; band = this.#nextBand()) {
      const lane = band.next()
      const job = lane?.takeJob()
      if (job !== undefined) this.size -= 1
      const unit = job ?? lane?.takeFromFeed()
      if (lane?.isEmpty === true) band.deactivate(lane)
      else if (lane?.isActive === false) band.activate(lane)
      if (unit !== undefined) return unit
    }
    return undefined
  }

  /** The job that makes room for `newcomer`: of the lowest priority, and not above the newcomer's. */
  oldestFor(newcomer: PoolJob): PoolJob | undefined {
    for (let index = this.#bands.length - 1; index >= newcomer.terms.band; index -= 1) {
      const band = this.#bandOf(index)
      const job = band.laneOf(newcomer.terms.companyId).first ?? band.oldest()
      if (job !== undefined) return job
    }
    return undefined
  }

  /** All jobs, those of higher priorities first, each company's together. */
  *jobs(): Generator<PoolJob> {
    for (const band of this.#bands) yield* band.jobs()
  }

  #nextBand(): Band | undefined {
    let chosen: Band | undefined
    for (const band of this.#bands) {
      if (band.turn === undefined) continue
      if (chosen === undefined || band.passed >= this.#passesMax) chosen = band
    }
    if (chosen === undefined) return undefined
    let isLower = false
    for (const band of this.#bands) {
      if (band === chosen) isLower = true
      else if (isLower && band.turn !== undefined) band.passed += 1
    }
    chosen.passed = 0
    return chosen
  }

  #bandOf(index: number): Band {
    return this.#bands[index] ?? this.#normal
  }
}

/** One company's work of one priority. */
class Lane extends JobList<PoolJob> {
  readonly companyId: string | undefined
  readonly feeds: Feed[] = []
  isActive = false
  next: Lane = this
  previous: Lane = this
  #isFeedsTurn = false

  constructor(companyId: string | undefined) {
    super()
    this.companyId = companyId
  }

  get isEmpty(): boolean {
    return this.size === 0 && this.feeds.length === 0
  }

  takeJob(): PoolJob | undefined {
    if (this.feeds.length > 0) {
      this.#isFeedsTurn = !this.#isFeedsTurn
      if (this.#isFeedsTurn) return undefined
    }
    return this.shift()
  }

  takeFromFeed(): Unit | undefined {
    const feed = this.feeds[0]
    const unit = feed?.take()
    if (feed === undefined || (unit !== undefined && this.feeds.length === 1)) return unit
    // A source may use its own pool, which may have taken the feed out meanwhile.
    if (this.feeds[0] === feed) this.feeds.shift()
    feed.isOffered = unit !== undefined
    if (feed.isOffered && !this.feeds.includes(feed)) this.feeds.push(feed)
    return unit
  }
}

/** One priority: a ring of the companies that have work. */
class Band {
  readonly #lanes = new Map<string | undefined, Lane>()
  turn: Lane | undefined
  passed = 0

  laneOf(companyId: string | undefined): Lane {
    let lane = this.#lanes.get(companyId)
    if (lane === undefined) {
      lane = new Lane(companyId)
      this.#lanes.set(companyId, lane)
    }
    return lane
  }

  next(): Lane | undefined {
    const lane = this.turn
    this.turn = lane?.next
    return lane
  }

  activate(lane: Lane): void {
    if (lane.isActive) return
    lane.isActive = true
    const turn = this.turn
    if (turn === undefined) {
      this.turn = lane
      return
    }
    // Behind all others: just before the one whose turn is next.
    lane.previous = turn.previous
    lane.next = turn
    turn.previous.next = lane
    turn.previous = lane
  }

  deactivate(lane: Lane): void {
    if (!lane.isActive) return
    lane.isActive = false
    if (this.turn === lane) this.turn = lane.next === lane ? undefined : lane.next
    lane.previous.next = lane.next
    lane.next.previous = lane.previous
    lane.next = lane
    lane.previous = lane
    if (this.#lanes.size > IDLE_LANES_MAX) this.#lanes.delete(lane.companyId)
    if (this.turn === undefined) this.passed = 0
  }

  oldest(): PoolJob | undefined {
    for (const job of this.jobs()) return job
    return undefined
  }

  *jobs(): Generator<PoolJob> {
    for (const lane of this.#lanes.values()) {
      for (let job = lane.first; job !== undefined; job = job.after) yield job
    }
  }
}
