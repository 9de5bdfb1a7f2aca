/** Fills the cache ahead of its readers. */

import type { RegisterSource } from '@kerp/core'
import type { Registers } from '@kerp/registers'
import { type PageOptions, balancePages } from './pages.js'

/** What warming takes. */
export interface WarmOptions extends PageOptions {
  /** Called after each page. */
  readonly onProgress?: ((progress: WarmProgress) => void) | undefined
}

/** How far warming came. */
export interface WarmProgress {
  /** Balances looked at. */
  readonly rows: number
  /** Of them, balances that were not cached and were loaded. */
  readonly loaded: number
  /** The last account looked at; pass it as `after` to go on. Undefined before the first. */
  readonly after: string | undefined
  /** Whether all balances of the year were looked at. */
  readonly done: boolean
}

/** What warming and audits work on. */
export interface BalanceParts {
  readonly registers: Registers
  readonly source: RegisterSource
}

/** Reads every balance of the year through the cache, one page at a time, so that readers are not crowded out. */
export async function warmBalances(
  parts: BalanceParts,
  companyId: string,
  options: WarmOptions,
): Promise<WarmProgress> {
  let progress: WarmProgress = { rows: 0, loaded: 0, after: options.after, done: false }
  for await (const page of balancePages(parts.source, companyId, options)) {
    // The page only names the rows: what is stored must be loaded under a lease, after the lease.
    const refs = page.images.map(({ ref }) => ref).filter((ref) => parts.registers.canHold(ref))
    const readings = await parts.registers.getMany(companyId, refs)
    progress = {
      rows: progress.rows + page.images.length,
      loaded: progress.loaded + readings.filter(({ source }) => source === 'database').length,
      after: page.images.at(-1)?.ref.parts[0] ?? progress.after,
      done: page.last,
    }
    options.onProgress?.(progress)
  }
  return progress
}
