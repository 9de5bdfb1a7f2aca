/** What several outbox rows of one company come to, for one RELAY. */

import type { OutboxChange, OutboxRow } from '@kerp/core'
import type { Keys } from '@kerp/keys'
import { imageText, isFork } from './register.js'

/** One register of a batch. */
export interface BatchEntry {
  readonly key: string
  readonly family: string
  /** Empty: the register is to be removed. */
  readonly image: string
}

/** The last word on each register. */
export interface RelayBatch {
  readonly entries: readonly BatchEntry[]
  /** All registers are void: an `invalidateAll` was among the rows, or two of them contradict each other. */
  readonly renew: 'invalidateAll' | 'fork' | undefined
}

/**
 * Folds rows, in their order. Of several images of a row only the newest counts; after an invalidation no
 * image counts, because images only update what is there. A row that no register can hold voids them all:
 * the company goes on, and the alarm sounds.
 */
export function batchOf(keys: Keys, rows: readonly OutboxRow[]): RelayBatch {
  const entries = new Map<string, BatchEntry>()
  for (const { change } of rows) {
    if (change.kind === 'invalidateAll') return { entries: [], renew: 'invalidateAll' }
    const entry = entryOf(keys, change)
    const before = entry === undefined ? undefined : entries.get(entry.key)
    const isForked = entry === undefined || (before !== undefined && isFork(before.image, entry.image))
    if (isForked) return { entries: [], renew: 'fork' }
    if (before === undefined || entry.image === '' || (before.image !== '' && entry.image > before.image)) {
      entries.set(entry.key, entry)
    }
  }
  return { entries: [...entries.values()], renew: undefined }
}

function entryOf(
  keys: Keys,
  change: Exclude<OutboxChange, { readonly kind: 'invalidateAll' }>,
): BatchEntry | undefined {
  const ref = change.kind === 'image' ? change.image.ref : change.ref
  try {
    const image = change.kind === 'image' ? imageText(change.image) : ''
    return { key: keys.register(ref), family: ref.family, image }
  } catch {
    return undefined
  }
}
