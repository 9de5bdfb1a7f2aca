/** The locks that a company's work holds, as the dashboard and the live page show them. */

import { withDeadline } from '@kerp/core'
import type { Locks, LockView } from '@kerp/inventory-lock'

/** Those of all processes; those of this one alone when Redis does not answer in time, as nobody should wait for it. */
export async function heldLocks(
  locks: Locks,
  companyId: string,
  deadlineMs: number,
): Promise<readonly object[]> {
  const bounds = { operation: 'listing locks', deadlineMs, outcome: 'notDone' } as const
  const held = await withDeadline(locks.list(companyId), bounds).catch(() => locks.running(companyId))
  return held.map(lockView)
}

function lockView({ resource, holder, fence, remainingMs }: LockView): object {
  return { resource: `${resource.type}:${resource.id}`, holder, fence, remainingMs }
}
