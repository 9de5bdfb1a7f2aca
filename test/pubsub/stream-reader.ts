/** A receiver as simple as can be: it follows a company's stream by its ids, and knows each event by its own id. */

import type { RedisClient } from '@kerp/redis'
import { createKeys } from '@kerp/keys'

/** What came in, in order. */
export class StreamReader {
  /** Every event the first time it came. */
  readonly seen: string[] = []
  /** How many came again, under the id of the first time. */
  again = 0
  /** How often the stream was begun anew. */
  resets = 0
  readonly #known = new Set<string>()
  readonly #key: string
  #last = '-'

  constructor(
    readonly redis: RedisClient,
    companyId: string,
  ) {
    this.#key = createKeys().eventsStream(companyId)
  }

  /** Reads what is there, from the beginning if its own place is gone. */
  async read(): Promise<readonly string[]> {
    const entries = await this.redis.xrange(this.#key, this.#last, '+', 'COUNT', 20_000)
    const isKnown = this.#last === '-' || entries[0]?.[0] === this.#last
    const all = isKnown ? entries : await this.redis.xrange(this.#key, '-', '+')
    for (const [streamId, fields] of isKnown && this.#last !== '-' ? all.slice(1) : all) {
      this.#last = streamId
      this.#take((fields[1] ?? '').split('|')[0] ?? '')
    }
    return this.seen
  }

  #take(id: string): void {
    if (id.startsWith('@')) {
      this.resets += 1
    } else if (this.#known.has(id)) {
      this.again += 1
    } else {
      this.#known.add(id)
      this.seen.push(id)
    }
  }
}

/** `'1'` to `'n'`. */
export function upTo(count: number): readonly string[] {
  return Array.from({ length: count }, (_, n) => String(n + 1))
}
