/** Sends the probes of one process, a few in each span of trust. */

import { type Clock, type Observer, type RandomSource, tellFailure } from '@kerp/core'
import type { Keys } from '@kerp/keys'
import { type RedisClient, RedisNotDoneError, RedisUnknownError } from '@kerp/redis'
import type { TrustGate } from './trust-gate.js'
import { writeProbe } from './write-probe.lua.js'

/** What a prober needs of `Registers`. */
export interface ProberParts {
  readonly redis: RedisClient
  readonly keys: Keys
  readonly observer: Observer
  readonly clock: Clock
  readonly random: RandomSource
}

/** Probes in the longest time that trust lasts. */
const PROBES_PER_SPAN = 5

/** How long a probe stays behind a process that ended, in spans of trust. */
const LIFE_SPANS = 10

/** Processes whose probes are kept at once; further ones are not trusted with cached values. */
const PROCESSES_MAX = 4_096

/** Sends probes; never throws: a probe that is lost lets trust run out, and nothing else. */
export class Prober {
  /** How often a probe is due, in ms. */
  readonly everyMs: number
  readonly #parts: ProberParts
  readonly #gate: TrustGate

  constructor(parts: ProberParts, gate: TrustGate) {
    this.#parts = parts
    this.#gate = gate
    this.everyMs = Math.max(1, Math.floor(gate.maxStalenessMs / PROBES_PER_SPAN))
  }

  /** Sends the next probe. */
  async send(): Promise<void> {
    const { redis, keys, observer } = this.#parts
    const probe = this.#gate.nextProbe()
    try {
      const written = await writeProbe.run(
        redis,
        { probes: keys.trustProbes() },
        {
          process: this.#gate.processId,
          probe: String(probe),
          lifeMs: String(LIFE_SPANS * this.#gate.maxStalenessMs),
          processesMax: String(PROCESSES_MAX),
        },
        { deadlineMs: this.#gate.maxStalenessMs, observer, effect: 'idempotent' },
      )
      if (!written) {
        const message = `More than ${PROCESSES_MAX} processes ask the relays: this one's caches are not vouched for.`
        observer.backgroundError?.({ source: 'Prober', code: 'OVERLOADED', message })
      }
    } catch (error) {
      // A Redis that is down shows in the operations' statuses; anything else must not stay unseen.
      const isDown = error instanceof RedisNotDoneError || error instanceof RedisUnknownError
      if (!isDown) tellFailure(observer, 'Prober', error)
    }
  }
}
