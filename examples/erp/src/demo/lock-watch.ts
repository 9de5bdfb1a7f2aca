/** Looks at the dashboard over HTTP, as its page does, and counts the locks that it shows while goods move. */

import { COMPANIES } from '../companies.js'
import type { Erp } from '../main.js'
import { pause } from './patience.js'

const LOOK_PAUSE_MS = 50
const FISCAL_YEAR = 2026

/** Looks until it is closed. */
export class LockWatch {
  readonly #url: string
  readonly #tokens: ReadonlyMap<string, string>
  readonly #looking: Promise<void>
  #seen = 0
  #closed = false

  private constructor(url: string, tokens: ReadonlyMap<string, string>) {
    this.#url = url
    this.#tokens = tokens
    this.#looking = this.#look()
    // An app that ends while it is looked at ends the looking; it is told to who closes the watch, if anybody does.
    this.#looking.catch(() => undefined)
  }

  /** Opens a session for each company and begins to look. */
  static async open({ url }: Erp): Promise<LockWatch> {
    const tokens = new Map<string, string>()
    for (const { id } of COMPANIES) {
      const opened = await fetch(`${url}/session`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ company: id, user: 'demo' }),
      })
      tokens.set(id, textOf(await opened.json(), 'token'))
    }
    return new LockWatch(url, tokens)
  }

  /** Stops looking. Returns how many locks with a holder and a fence were seen. */
  async close(): Promise<number> {
    this.#closed = true
    await this.#looking
    return this.#seen
  }

  async #look(): Promise<void> {
    while (!this.#closed) {
      for (const [company, token] of this.#tokens) {
        const answer = await fetch(`${this.#url}/companies/${company}/dashboard?fiscalYear=${FISCAL_YEAR}`, {
          headers: { authorization: `Bearer ${token}` },
        })
        this.#seen += locksOf(await answer.json()).length
      }
      await pause(LOOK_PAUSE_MS)
    }
  }
}

function locksOf(dashboard: unknown): readonly unknown[] {
  const locks: unknown =
    typeof dashboard === 'object' && dashboard !== null ? Reflect.get(dashboard, 'locks') : undefined
  if (!Array.isArray(locks)) return []
  return locks.filter((lock) => textOf(lock, 'holder') !== '' && textOf(lock, 'fence') !== '')
}

function textOf(value: unknown, name: string): string {
  const field: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
  return typeof field === 'string' ? field : ''
}
