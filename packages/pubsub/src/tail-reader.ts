/** Reads where streams end, those that are asked for in one tick with one command. */

import { type Observer } from '@kerp/core'
import type { Keys } from '@kerp/keys'
import { type RedisClient, redisCommand } from '@kerp/redis'
import { type EventPosition, ORIGIN, parseEventWatermark } from './event-position.js'

/** Where a stream ends. */
export interface StreamEnd {
  readonly tail: EventPosition
  /** The history of the database that events of its log at this place belong to; undefined where no relay wrote. */
  readonly history: string | undefined
}

interface Asked {
  readonly companyId: string
  readonly resolve: (end: StreamEnd) => void
  readonly reject: (error: unknown) => void
}

/** What a reader is made of. */
export interface TailReaderParts {
  readonly redis: RedisClient
  readonly keys: Keys
  readonly observer: Observer
  readonly deadlineMs: number
}

/** Companies of one command; in a cluster each lies in a slot of its own. */
const COMPANIES_PER_CALL_MAX = 200

/** Reads watermarks of companies. */
export class TailReader {
  readonly #parts: TailReaderParts
  #asked: Asked[] = []

  constructor(parts: TailReaderParts) {
    this.#parts = parts
  }

  /** Throws what Redis throws. */
  read(companyId: string): Promise<StreamEnd> {
    return new Promise((resolve, reject) => {
      this.#asked.push({ companyId, resolve, reject })
      if (this.#asked.length === 1) queueMicrotask(() => this.#ask())
    })
  }

  #ask(): void {
    const asked = this.#asked
    this.#asked = []
    const count = 'nodes' in this.#parts.redis ? 1 : COMPANIES_PER_CALL_MAX
    for (let at = 0; at < asked.length; at += count) void this.#call(asked.slice(at, at + count))
  }

  async #call(asked: readonly Asked[]): Promise<void> {
    const { redis, keys, observer, deadlineMs } = this.#parts
    try {
      const names = asked.map(({ companyId }) => keys.eventsWatermark(companyId))
      const reply = await redisCommand(redis, 'mget', names, { observer, deadlineMs, effect: 'none' })
      const texts: readonly unknown[] = Array.isArray(reply) ? reply : []
      for (const [index, { resolve }] of asked.entries()) {
        const { tail = ORIGIN, epoch = '' } = parseEventWatermark(texts[index]) ?? {}
        resolve({ tail, history: epoch === '' ? undefined : epoch })
      }
    } catch (error) {
      for (const { reject } of asked) reject(error)
    }
  }
}
