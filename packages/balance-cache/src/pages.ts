/** Walks all balance rows of a company and fiscal year in bounded pages. */

import { type LoadedRegisters, type RegisterSource, wholeNumberOption, withDeadline } from '@kerp/core'
import { type AccountRef, balanceRef } from './balance.js'

/** What a walk needs to know. */
export interface PageOptions {
  /** The year whose balances are walked. */
  readonly fiscalYear: number
  /** Rows of one page. @defaultValue 500 */
  readonly pageSize?: number | undefined
  /** Begins after this account, in the source's order. */
  readonly after?: string | undefined
  /** Ends the walk between two pages. */
  readonly signal?: AbortSignal | undefined
}

const PAGE_SIZE_MAX = 1_000
const PAGE_DEADLINE_MS = 30_000

/**
 * The pages, each read in its own statement. Ends early, without an error, when `signal` aborts.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION` for a page size out of bounds.
 * @throws {DeadlineExceededError} `DEADLINE_EXCEEDED`, retryable, for a page that takes over 30 s.
 * @throws what the source throws.
 */
export async function* balancePages(
  source: RegisterSource,
  companyId: string,
  options: PageOptions,
): AsyncGenerator<LoadedRegisters & { readonly last: boolean }> {
  const limit = wholeNumberOption('BalanceCache', 'pageSize', options.pageSize, {
    min: 1,
    max: PAGE_SIZE_MAX,
    fallback: 500,
  })
  const { fiscalYear, signal } = options
  const refOf = (account: string): AccountRef => ({ companyId, account, fiscalYear })
  const year = String(fiscalYear)
  let after = options.after === undefined ? undefined : balanceRef(refOf(options.after))
  while (signal?.aborted !== true) {
    const from = after === undefined ? {} : { after }
    const listing = { companyId, family: 'balance', secondPart: year, limit, ...from } as const
    const page = await withDeadline(source.list(listing), {
      operation: 'RegisterSource.list',
      deadlineMs: PAGE_DEADLINE_MS,
      outcome: 'notDone',
    })
    const last = page.images.length < limit
    yield { ...page, last }
    after = page.images.at(-1)?.ref
    if (last) return
  }
}
