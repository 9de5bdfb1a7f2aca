/** The relay's hand on Redis: looks at watermarks, relays rows into registers, installs new generations. */

import type { GenerationChange, OutboxPosition, OutboxRow } from '@kerp/core'
import { redisCommand } from '@kerp/redis'
import type { ApplyCounts } from './apply-registers.lua.js'
import { installWatermark } from './install-watermark.lua.js'
import { GENERATION_RANDOM_BYTES } from './register.js'
import { batchOf } from './relay-batch.js'
import type { RelayParts } from './relay-options.js'
import { type RelayReply, relayRegisters } from './relay-registers.lua.js'

/** One move of a watermark. */
export interface WatermarkMove {
  readonly epoch: string
  readonly from: string
  readonly to: string
  /** The database's clock at `to`; left out where `to` is inside a backlog. */
  readonly asOfMs?: number | undefined
}

/** Writes on behalf of one relay. All methods throw what Redis throws, within its deadline. */
export class WatermarkWriter {
  readonly #parts: RelayParts

  constructor(parts: RelayParts) {
    this.#parts = parts
  }

  /** The watermark's text; undefined when none stands there, or something that is no text. */
  async look(companyId: string): Promise<string | undefined> {
    const { redis, keys, redisDeadlineMs: deadlineMs, observer } = this.#parts
    const wanted = [keys.watermark(companyId)]
    const reply = await redisCommand(redis, 'mget', wanted, { deadlineMs, observer, effect: 'none' })
    const text: unknown = Array.isArray(reply) ? reply[0] : undefined
    return typeof text === 'string' ? text : undefined
  }

  /** Relays rows of one company, at most as many as a page has, and says whether the watermark moved. */
  async relay(
    companyId: string,
    move: WatermarkMove,
    rows: readonly OutboxRow[],
  ): Promise<'moved' | 'elsewhere'> {
    const { redis, keys, random, ttl, redisDeadlineMs, observer } = this.#parts
    const { entries, renew, unusable } = batchOf(keys, rows)
    if (rows.length > 0) observer.step?.({ name: 'relay.sending' })
    const reply = await relayRegisters.run(
      redis,
      { watermark: keys.watermark(companyId) },
      {
        epoch: move.epoch,
        from: move.from,
        to: move.to,
        asOf: move.asOfMs === undefined ? '' : String(Math.floor(move.asOfMs)),
        spare: random.hex(GENERATION_RANDOM_BYTES),
        renew: renew ?? '',
        channel: keys.registersChannel(companyId),
      },
      {
        moreKeys: entries.map(({ key }) => key),
        moreArgs: entries.flatMap(({ family, image }) => [image, String(ttl.jitteredTtlMs(family, random))]),
        deadlineMs: redisDeadlineMs,
        observer,
        effect: 'idempotent',
      },
    )
    const end = this.#tell(reply, renew)
    if (end === 'moved') for (const ref of unusable) observer.registerUnusable?.({ ...ref })
    if (rows.length > 0 && end === 'moved') observer.step?.({ name: 'relay.relayed' })
    return end
  }

  /** Puts a new generation in place of a watermark that is still the expected text; says whether it did. */
  async install(
    companyId: string,
    expected: string | undefined,
    at: { readonly epoch: string; readonly position: OutboxPosition; readonly asOfMs: number },
    reason: GenerationChange['reason'],
  ): Promise<boolean> {
    const { redis, keys, random, redisDeadlineMs, observer } = this.#parts
    const installed = await installWatermark.run(
      redis,
      { watermark: keys.watermark(companyId) },
      {
        expected: expected ?? '',
        generation: random.hex(GENERATION_RANDOM_BYTES),
        epoch: at.epoch,
        position: at.position,
        asOf: String(Math.floor(at.asOfMs)),
        channel: keys.registersChannel(companyId),
      },
      { deadlineMs: redisDeadlineMs, observer },
    )
    if (installed) observer.generationChange?.({ reason })
    return installed
  }

  #tell(reply: RelayReply, renew: 'invalidateAll' | 'fork' | undefined): 'moved' | 'elsewhere' {
    const { observer } = this.#parts
    if (reply.status === 'absent' || reply.status === 'moved') return 'elsewhere'
    if (reply.status === 'relayed') {
      for (const result of [
        'applied',
        'skipped',
        'pending',
        'absent',
      ] as const satisfies (keyof ApplyCounts)[]) {
        const count = reply.counts[result]
        if (count > 0) observer.registerApply?.({ result, count })
      }
      return 'moved'
    }
    const reason = reply.status === 'forked' ? 'fork' : (renew ?? 'invalidateAll')
    if (reason === 'fork') observer.registerFork?.({ count: 1 })
    observer.generationChange?.({ reason })
    return 'moved'
  }
}
