/**
 * Work by company, for as many companies as were asked for: those that do most. All others share one word.
 *
 * A company that is let in takes the place of one that did less than half as much since the last scrape; what that
 * one did stays counted under `__other__`, which so never goes back.
 */

import type { CompanyWork } from '@kerp/core'
import { words } from './metric-definition.js'
import type { MetricSeries } from './registry-metric.js'

/** Stands for every company without a place. */
const OTHER_COMPANIES = '__other__'

/** Companies that wait for a place, by place: more are not told apart until the next scrape. */
const CANDIDATES_BY_PLACE = 8

/** How much more than an old company a new one must do to get its place. */
const LEAD = 2

const COMPANY = /^[A-Za-z0-9][\w-]{0,62}$/

/** The kinds of work in their order. */
export const COMPANY_WORKS = words<CompanyWork['work']>({
  read: true,
  posting: true,
  movement: true,
  event: true,
})

interface Place {
  readonly counts: Record<CompanyWork['work'], number>
  recent: number
}

/** Counts of at most `top` companies and of the others together; counts nothing when `top` is 0. */
export class TopCompanies {
  readonly #top: number
  #places = new Map<string, Place>()
  #others = newPlace()
  readonly #candidates = new Map<string, number>()

  constructor(top: number) {
    this.#top = top
  }

  /** Adds to a company's work; one or two map lookups. */
  add(companyId: string, work: CompanyWork['work'], count: number): void {
    if (this.#top === 0) return
    const place = this.#places.get(companyId) ?? this.#admit(companyId, count)
    place.counts[work] += count
    place.recent += count
  }

  /** The series of this scrape; each scrape decides anew who has a place. */
  series(): readonly MetricSeries[] {
    if (this.#top === 0) return []
    this.#exchange()
    return [...this.#places, [OTHER_COMPANIES, this.#others] as const].flatMap(([company, { counts }]) =>
      Object.entries(counts).map(([work, value]) => ({
        labels: { company, work },
        labelText: `company="${company}",work="${work}"`,
        value,
      })),
    )
  }

  /** Forgets everything. */
  clear(): void {
    this.#places = new Map()
    this.#others = newPlace()
    this.#candidates.clear()
  }

  #admit(companyId: string, count: number): Place {
    if (!COMPANY.test(companyId)) return this.#others
    if (this.#places.size < this.#top) {
      const place = newPlace()
      this.#places.set(companyId, place)
      return place
    }
    const waiting = this.#candidates.get(companyId)
    if (waiting !== undefined || this.#candidates.size < this.#top * CANDIDATES_BY_PLACE) {
      this.#candidates.set(companyId, (waiting ?? 0) + count)
    }
    return this.#others
  }

  #exchange(): void {
    const least = [...this.#places].sort(([, a], [, b]) => a.recent - b.recent)
    const most = [...this.#candidates].sort(([, a], [, b]) => b - a)
    for (const [index, [newcomer, did]] of most.entries()) {
      const [leaver, place] = least[index] ?? []
      if (leaver === undefined || place === undefined || did <= place.recent * LEAD) break
      for (const work of COMPANY_WORKS) this.#others.counts[work] += place.counts[work]
      this.#places.delete(leaver)
      this.#places.set(newcomer, newPlace())
    }
    this.#candidates.clear()
    for (const place of this.#places.values()) place.recent = 0
  }
}

function newPlace(): Place {
  return { counts: { read: 0, posting: 0, movement: 0, event: 0 }, recent: 0 }
}
