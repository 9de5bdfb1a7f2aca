/** Stores rows that were loaded under leases, and says what now stands in Redis. */

import { askRedis } from '@kerp/redis'
import { fillRegisters, type FillReply } from './fill-registers.lua.js'
import type { AdmissionTicket } from './local-tier.js'
import { GENERATION_RANDOM_BYTES, imageText, parseImageText, parseWatermark } from './register.js'
import type { KeyedRef, LoadedRegister } from './register-loader.js'
import type { RegisterReading } from './register-reading.js'
import type { RegistersParts } from './registers-options.js'

/** A loaded row with its register. */
export interface LoadedRow extends KeyedRef {
  readonly loaded: LoadedRegister
}

/** What a caller may see of a loaded row. */
export function readingOf({ image, epoch, asOfMs }: LoadedRegister): RegisterReading {
  return { image, epoch, asOfMs, source: 'database' }
}

/**
 * Fills the registers that are still leased to the token. The answer holds, by key, what was stored: the row,
 * or the newer image that waited with the lease. Never throws because of Redis.
 */
export async function fillLoaded(
  parts: RegistersParts,
  companyId: string,
  rows: readonly LoadedRow[],
  { token, ticket }: { readonly token: string; readonly ticket: AdmissionTicket | undefined },
): Promise<ReadonlyMap<string, RegisterReading>> {
  const stored = new Map<string, RegisterReading>()
  // Rows of one read come from one statement, or rarely from several; only rows of one epoch go together.
  const epochs = new Set(rows.map(({ loaded }) => loaded.epoch))
  for (const epoch of epochs) {
    const together = rows.filter(({ loaded }) => loaded.epoch === epoch)
    const reply = await askRedis(parts, () => fill(parts, companyId, together, epoch, token))
    if (reply?.status === 'forked') {
      parts.observer.registerFork?.({ count: 1 })
      parts.observer.generationChange?.({ reason: 'fork' })
    }
    if (reply?.status !== 'filled') continue
    const filled = collect(together, reply)
    const watermark = parseWatermark(reply.watermark)
    for (const [key, reading] of filled) {
      stored.set(key, reading)
      const row = { version: reading.image.version, text: reading.image.fields.join('|') }
      if (ticket !== undefined && watermark !== undefined) parts.tier?.admit(ticket, key, row, watermark)
    }
  }
  return stored
}

function fill(
  parts: RegistersParts,
  companyId: string,
  rows: readonly LoadedRow[],
  epoch: string,
  token: string,
): Promise<FillReply> {
  const { redis, keys, random, ttl, redisDeadlineMs, observer } = parts
  return fillRegisters.run(
    redis,
    { watermark: keys.watermark(companyId) },
    { epoch, token, spare: random.hex(GENERATION_RANDOM_BYTES), channel: keys.registersChannel(companyId) },
    {
      moreKeys: rows.map(({ key }) => key),
      moreArgs: rows.flatMap(({ ref, loaded }) => [
        imageText(loaded.image),
        String(ttl.jitteredTtlMs(ref.family, random)),
      ]),
      deadlineMs: redisDeadlineMs,
      observer,
      effect: 'idempotent',
    },
  )
}

function collect(
  rows: readonly LoadedRow[],
  reply: Extract<FillReply, { status: 'filled' }>,
): ReadonlyMap<string, RegisterReading> {
  const stored = new Map<string, RegisterReading>()
  for (const [index, outcome] of reply.outcomes.entries()) {
    const row = rows[index]
    if (row === undefined || outcome === 'refused') continue
    const newer = outcome === 'stored' ? undefined : parseImageText(row.ref, outcome.newer)
    stored.set(row.key, readingOf(newer === undefined ? row.loaded : { ...row.loaded, image: newer }))
  }
  return stored
}
