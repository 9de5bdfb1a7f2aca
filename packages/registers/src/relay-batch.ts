/** What several outbox rows of one company come to, for one RELAY. */

import type { OutboxRow, RegisterRef } from '@kerp/core'
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
  /** Rows that no register can hold. */
  readonly unusable: readonly RegisterRef[]
}

/**
 * Folds rows, in their order. Of several images of a row only the newest counts; after an invalidation no
 * image counts, because images only update what is there. A row whose name no key has room for has no register, and is
 * left out; one whose image no register can hold loses its register. The others go on.
 */
export function batchOf(keys: Keys, rows: readonly OutboxRow[]): RelayBatch {
  const entries = new Map<string, BatchEntry>()
  const unusable: RegisterRef[] = []
  for (const { change } of rows) {
    if (change.kind === 'invalidateAll') return { entries: [], renew: 'invalidateAll', unusable }
    const ref = change.kind === 'image' ? change.image.ref : change.ref
    const key = attempt(() => keys.register(ref))
    const image = change.kind === 'image' ? attempt(() => imageText(change.image)) : ''
    if (key === undefined || image === undefined) unusable.push(ref)
    if (key === undefined) continue
    const entry = { key, family: ref.family, image: image ?? '' }
    const before = entries.get(key)
    if (before !== undefined && isFork(before.image, entry.image)) {
      return { entries: [], renew: 'fork', unusable }
    }
    if (before === undefined || entry.image === '' || (before.image !== '' && entry.image > before.image)) {
      entries.set(key, entry)
    }
  }
  return { entries: [...entries.values()], renew: undefined, unusable }
}

function attempt<T>(make: () => T): T | undefined {
  try {
    return make()
  } catch {
    return undefined
  }
}
