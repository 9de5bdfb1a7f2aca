/** A section of work under a lock: given back at its end, and never successful without the lock. */

import { FencedError } from '@kerp/core'
import { LockLostError } from './errors.js'
import type { LockRelease, LockSection } from './lock.js'

/** What a section can run under: one lock, or several. */
export interface SectionGuard {
  readonly signal: AbortSignal
  /** Gives everything back; the worst of the results. */
  release(): Promise<LockRelease>
  /** Called with the section's error when a row refused the fence. */
  readonly raiseFence?: ((floor: string) => Promise<unknown>) | undefined
}

/**
 * Runs `section` and gives the lock back. The section's own error is thrown as it is.
 *
 * @throws {LockLostError} `LOCK_LOST` when the lock was lost before the section ended, even if it returned.
 */
export async function runSection<L extends SectionGuard, T>(
  guard: L,
  title: string,
  section: LockSection<L, T>,
): Promise<T> {
  let result: T
  try {
    result = await section(guard)
  } catch (error) {
    if (error instanceof FencedError) await raiseQuietly(guard, error)
    await guard.release()
    throw error
  }
  const outcome = await guard.release()
  if (outcome === 'released' || outcome === 'unknown') return result
  const reason: unknown = guard.signal.aborted ? guard.signal.reason : undefined
  throw reason instanceof LockLostError ? reason : new LockLostError(title, 'taken', fenceOf(guard))
}

async function raiseQuietly(guard: SectionGuard, error: FencedError): Promise<void> {
  try {
    await guard.raiseFence?.(error.rowFence)
  } catch {
    // The lock was lost: then the row is right, and a later holder has the higher fence.
  }
}

function fenceOf(guard: object): string | undefined {
  const fence: unknown = Reflect.get(guard, 'fence')
  return typeof fence === 'string' ? fence : undefined
}
