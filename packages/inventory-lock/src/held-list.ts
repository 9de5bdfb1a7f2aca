/** The list of held locks, put together from what Redis lists and what this process knows. */

import { parseKey } from '@kerp/keys'
import type { Holding } from './holding.js'
import type { ListedLock } from './list.lua.js'
import type { LockView } from './lock.js'

/** A hold of this process as others see it. */
export function runningView({ resource, holder, fence, remainingMs }: Holding): LockView {
  return { resource, holder, fence: fence ?? '', remainingMs: Math.floor(remainingMs) }
}

/** Both lists as one, longest rest first; what this process knows of its own locks is the later news. */
export function mergedViews(
  listed: readonly ListedLock[],
  running: readonly LockView[],
): readonly LockView[] {
  const views = new Map<string, LockView>()
  for (const entry of listed) {
    const view = viewOf(entry)
    if (view !== undefined) views.set(nameOf(view), view)
  }
  for (const view of running) views.set(nameOf(view), view)
  return [...views.values()].sort((a, b) => b.remainingMs - a.remainingMs)
}

function viewOf([text, remainingMs]: ListedLock): LockView | undefined {
  const [lock = '', owner = '', fence = ''] = text.split('|')
  try {
    const parsed = parseKey(lock)
    if (parsed.family !== 'lock') return undefined
    const { companyId, type, id } = parsed
    const [holder = ''] = owner.split(':')
    return { resource: { companyId, type, id }, holder, fence, remainingMs }
  } catch {
    // An entry that somebody else wrote.
    return undefined
  }
}

function nameOf({ resource }: LockView): string {
  return JSON.stringify([resource.companyId, resource.type, resource.id])
}
