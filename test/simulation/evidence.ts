/** What the database held when, and every answer that it never held, or held too long ago. */

/** Nothing may be served that is older than this, in ms. */
export const STALENESS_MS_MAX = 1_000

interface Held {
  readonly fromMs: number
  readonly image: string
}

/** An answer that breaks the promise. */
export interface Wrong {
  readonly atMs: number
  readonly what: string
}

export class Evidence {
  readonly wrong: Wrong[] = []
  readonly counts = { l1: 0, redis: 0, database: 0, rests: 0 }
  readonly #held = new Map<string, Held[]>()

  /** From now on the database holds this image. */
  holds(account: string, image: string, nowMs: number): void {
    const list = this.#held.get(account)
    if (list === undefined) this.#held.set(account, [{ fromMs: nowMs, image }])
    else if (list.at(-1)?.image !== image) list.push({ fromMs: nowMs, image })
  }

  /** Judges an answer: the database must have held it at some moment since `sinceMs`. */
  served(
    source: 'l1' | 'redis' | 'database',
    account: string,
    image: string,
    { sinceMs, nowMs }: { readonly sinceMs: number; readonly nowMs: number },
  ): void {
    this.counts[source] += 1
    const list = this.#held.get(account) ?? []
    for (let index = list.length - 1; index >= 0; index -= 1) {
      const endMs = list[index + 1]?.fromMs ?? Number.POSITIVE_INFINITY
      if (endMs < sinceMs) break
      if (list[index]?.image === image) return
    }
    const wasEver = list.some((held) => held.image === image)
    this.fault(nowMs, `${source} answered ${account} ${image}: ${wasEver ? 'too old' : 'never held'}`)
  }

  fault(atMs: number, what: string): void {
    this.wrong.push({ atMs: Math.round(atMs), what })
  }
}
