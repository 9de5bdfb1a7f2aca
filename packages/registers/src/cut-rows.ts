/**
 * Several rows as they stood at one moment of the database.
 *
 * Registers in Redis are no moment: a writer's fast path may have brought one of them further than the watermark, and
 * not another of the same voucher. So either this process can show for each row that it stands where the company's
 * position stands, or one statement answers for all of them, never some from here and some from there.
 */

import { type RegisterRef, withDeadline } from '@kerp/core'
import { readingOf } from './fill-loaded.js'
import { canonicalRef } from './register-key.js'
import type { RegisterReading } from './register-reading.js'
import type { RegistersParts } from './registers-options.js'
import { keyOf } from './stored-rows.js'
import type { Wanted } from './wanted.js'

/**
 * The rows in the order of `refs`.
 *
 * @throws like `Registers.getMany`.
 */
export async function readCut(
  parts: RegistersParts,
  companyId: string,
  refs: readonly RegisterRef[],
  wanted: Wanted | undefined,
): Promise<readonly RegisterReading[]> {
  if (refs.length === 0) return []
  const keys = refs.map((ref, index) => keyOf(parts, companyId, ref, index))
  const local = parts.tier?.peekCut(companyId, refs)
  const isMet = (reading: RegisterReading, index: number): boolean =>
    wanted?.isMet(keys[index] ?? '', reading.epoch, reading.image.version) ?? true
  if (local?.every(isMet) === true) return local
  // Listens to the company, and has its rows held here after other reads: a cut itself fills nothing.
  parts.tier?.ticket(companyId)
  const wantedRows = refs.map((ref, index) => {
    const key = keys[index] ?? ''
    return { ref: canonicalRef(ref, key), key }
  })
  const loaded = await withDeadline(parts.loader.loadTogether(companyId, wantedRows), {
    operation: 'Registers.getMany',
    deadlineMs: parts.readDeadlineMs,
    outcome: 'notDone',
    clock: parts.clock,
  })
  const type = refs[0]?.family ?? 'balance'
  parts.observer.companyWork?.({ companyId, work: 'read', count: refs.length })
  parts.observer.cacheRequest?.({ type, result: 'bypass', count: refs.length })
  return loaded.map((row, index) => {
    const reading = readingOf(row)
    wanted?.demand(keys[index] ?? '', reading)
    return reading
  })
}
