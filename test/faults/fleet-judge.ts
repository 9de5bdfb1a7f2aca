/** Judges what a fleet was answered by what the database committed, and when. */

import type pg from 'pg'
import type { FleetNews } from './fleet-words.js'

/** A time in which the database was away, in ms of the steady clock. */
export interface Outage {
  readonly fromMs: number
  readonly toMs: number
}

/** What was wrong; all empty is what must be. */
export interface Verdict {
  /** States that the database never held. */
  readonly foreign: readonly string[]
  /** States that were answered although they had been replaced for longer than the bound when the read began. */
  readonly stale: readonly string[]
  /** Tokens that were not honoured, cuts that do not balance. */
  readonly wrong: readonly string[]
  /** Codes of failures while the database was there. */
  readonly failed: readonly string[]
}

/** After an outage of the database, the time that connections may take to come back, in ms. */
const GRACE_MS = 15_000

/** All that the processes told. */
export class FleetJudge {
  readonly counts: Record<string, number> = {}
  /** How long the worst answer had been replaced, by acknowledgements, in ms. */
  worstMs = 0
  readonly #answers = new Map<string, number>()
  readonly #acknowledged = new Map<string, Map<number, number>>()
  readonly #failures: (readonly [string, number])[] = []
  readonly #wrong: string[] = []

  hear(news: FleetNews): void {
    for (const [state, beganMs] of news.answers) {
      this.#answers.set(state, Math.max(beganMs, this.#answers.get(state) ?? beganMs))
    }
    for (const [account, version, ackMs] of news.acknowledged) {
      const versions = this.#acknowledged.get(account) ?? new Map<number, number>()
      this.#acknowledged.set(account, versions)
      versions.set(version, Math.min(ackMs, versions.get(version) ?? ackMs))
    }
    this.#failures.push(...news.failures)
    this.#wrong.push(...news.wrong)
    for (const [name, count] of Object.entries(news.counts)) {
      this.counts[name] = (this.counts[name] ?? 0) + count
    }
  }

  get reads(): number {
    const { l1 = 0, redis = 0, database = 0 } = this.counts
    return l1 + redis + database
  }

  /**
   * An acknowledgement comes after its commit was visible, however long a process stood still in between: what was
   * replaced by then was replaced, and nobody is blamed for a pause of the machine.
   */
  async judge(
    pool: pg.Pool,
    companyId: string,
    outages: readonly Outage[],
    maxStalenessMs: number,
  ): Promise<Verdict> {
    const { rows } = await pool.query<{ state: string }>(
      `SELECT DISTINCT ON (l.account, l.version) concat_ws(' ', account, version, debit_after, credit_after) AS state
       FROM kerp.line l WHERE company = $1 ORDER BY l.account, l.version, l.line_no DESC`,
      [companyId],
    )
    const held = new Set(rows.map(({ state }) => state))
    const answers = [...this.#answers]
    const replacedAt = this.#replacements()
    const stale: string[] = []
    for (const [state, beganMs] of answers) {
      const [account = '', version = ''] = state.split(' ')
      const ageMs = beganMs - replacedAt(account, Number(version))
      this.worstMs = Math.max(this.worstMs, ageMs)
      if (ageMs > maxStalenessMs) stale.push(`${state}: replaced ${Math.round(ageMs)} ms before`)
    }
    const isExcused = (atMs: number): boolean =>
      outages.some(({ fromMs, toMs }) => atMs >= fromMs && atMs <= toMs + GRACE_MS)
    return {
      foreign: answers
        .map(([state]) => state)
        .filter((state) => !held.has(state) && !state.endsWith(' 0 0 0')),
      stale,
      wrong: this.#wrong,
      failed: this.#failures.filter(([, atMs]) => !isExcused(atMs)).map(([code]) => code),
    }
  }

  /** When a version was certainly no longer the row's: the first acknowledgement of any later one. */
  #replacements(): (account: string, version: number) => number {
    const ordered = new Map<string, { readonly version: number; readonly fromMs: number }[]>()
    for (const [account, versions] of this.#acknowledged) {
      let fromMs = Number.POSITIVE_INFINITY
      const list = [...versions]
        .sort(([a], [b]) => b - a)
        .map(([version, ackMs]) => {
          fromMs = Math.min(fromMs, ackMs)
          return { version, fromMs }
        })
      ordered.set(account, list.reverse())
    }
    return (account, version) => {
      const list = ordered.get(account) ?? []
      let [low, high] = [0, list.length]
      while (low < high) {
        const middle = (low + high) >> 1
        if ((list[middle]?.version ?? 0) > version) high = middle
        else low = middle + 1
      }
      return list[low]?.fromMs ?? Number.POSITIVE_INFINITY
    }
  }
}
