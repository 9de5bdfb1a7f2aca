/** A relay's side of trust: reads the probes before a pass, and echoes them when the pass has reached its target. */

import { type OutboxTick, tellFailure } from '@kerp/core'
import { redisCommand } from '@kerp/redis'
import { formatHeartbeat } from './heartbeat.js'
import type { RelayParts } from './relay-options.js'

/** Bytes that name a relay. */
const RELAY_ID_BYTES = 8

/** Probes as they were read before a pass; undefined when Redis did not answer. */
export type ProbesRead = ReadonlyMap<string, number> | undefined

/** Tells readers how far one relay is. A heartbeat that fails is no failure of the pass: trust runs out by itself. */
export class RelayHeartbeat {
  readonly #parts: RelayParts
  readonly #relay: string
  #tick = 0

  constructor(parts: RelayParts) {
    this.#parts = parts
    this.#relay = parts.random.hex(RELAY_ID_BYTES)
  }

  /** The probes that were sent before now. Call it before the pass takes its target, never after. */
  async readProbes(): Promise<ProbesRead> {
    const { redis, keys, redisDeadlineMs: deadlineMs, observer } = this.#parts
    try {
      const key = [keys.trustProbes()]
      const reply = await redisCommand(redis, 'hgetall', key, { deadlineMs, observer, effect: 'none' })
      return probesOf(reply)
    } catch (error) {
      tellFailure(observer, 'RelayHeartbeat', error)
      return undefined
    }
  }

  /** Tells all readers that every change up to the tick's target is in Redis, or will not be trusted there. */
  async publish(tick: OutboxTick, probes: ProbesRead): Promise<boolean> {
    if (probes === undefined) return false
    const { redis, keys, redisDeadlineMs: deadlineMs, observer } = this.#parts
    this.#tick += 1
    const { epoch, target, asOfMs } = tick
    const beat = { relay: this.#relay, tick: this.#tick, epoch, target, asOfMs, probes }
    try {
      const message = [keys.trustChannel(), formatHeartbeat(beat)]
      await redisCommand(redis, 'publish', message, { deadlineMs, observer, effect: 'idempotent' })
      observer.relayHeartbeat?.({ probes: probes.size })
      return true
    } catch (error) {
      tellFailure(observer, 'RelayHeartbeat', error)
      return false
    }
  }
}

/** Clients answer HGETALL as an object, or as a list of fields and values. */
function probesOf(reply: unknown): ReadonlyMap<string, number> {
  const probes = new Map<string, number>()
  for (const [process, text] of pairsOf(reply)) {
    // Behind a bar follows until when the probe is kept, which is no concern of relays.
    const probe = Number.parseInt(text, 10)
    if (Number.isSafeInteger(probe)) probes.set(process, probe)
  }
  return probes
}

function pairsOf(reply: unknown): readonly (readonly [string, string])[] {
  if (Array.isArray(reply)) {
    const texts = (reply as readonly unknown[]).map(String)
    return texts.flatMap((text, index) => (index % 2 === 0 ? [[text, texts[index + 1] ?? ''] as const] : []))
  }
  if (typeof reply !== 'object' || reply === null) return []
  return Object.entries(reply).map(([process, text]) => [process, String(text)] as const)
}
