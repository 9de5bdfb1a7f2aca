/** What a warmer works through: one kind of values of a company, page by page. */

import { functionOption, objectOptions } from '@kerp/core'

/** How far a source has come, counted from its beginning. */
export interface WarmProgress {
  /** Values looked at. */
  readonly rows: number
  /** Of them, values that were not cached and were loaded. */
  readonly loaded: number
  /** Where to go on after this; undefined before the first page. */
  readonly after: string | undefined
}

/** What a source gets. */
export interface WarmContext {
  readonly companyId: string
  /** Where an earlier run came to. */
  readonly after: string | undefined
  /** Aborts when warming is to end: between two pages, without an error. */
  readonly signal: AbortSignal
  /** To be called after each page, with the counts of this call. */
  readonly report: (progress: WarmProgress) => void
}

/**
 * One kind of values. `balances.warm` fits as it is:
 * `{ name: 'balances', warm: async ({ companyId, report, ...rest }) => (await balances.warm(companyId, { fiscalYear, ...rest, onProgress: report })).done }`.
 */
export interface WarmSource {
  /** Names the source in reports; different in each of a warmer. */
  readonly name: string
  /** Warms, and says whether it came to the end. */
  warm(context: WarmContext): Promise<boolean>
}

/** One page of what is to be warmed. */
export interface WarmPage<R> {
  readonly refs: readonly R[]
  /** Names the page's end, so that `pages` can begin after it. */
  readonly after: string
}

/** A source made from pages of refs. */
export interface PagedSourceOptions<R> {
  readonly name: string
  /** The refs of a company, in a fixed order, from the beginning or after a place that it named before. */
  readonly pages: (
    companyId: string,
    after: string | undefined,
  ) => AsyncIterable<WarmPage<R>> | Iterable<WarmPage<R>>
  /** Loads what is not cached and says how many that were: `CachedValues.fill`, or a read through registers. */
  readonly fill: (refs: readonly R[]) => Promise<number>
}

/**
 * A source from pages of refs: one page after the other, so that readers are not crowded out.
 *
 * @example
 * import { objectOptions, functionOption } from '@kerp/core'
import { CachedValues, pagedSource } from '@kerp/cache'
 *
 * const warmUnits = (units: CachedValues<{ companyId: string; id: string }, string>) =>
 *   pagedSource({
 *     name: 'units',
 *     pages: (companyId) => [{ refs: ['kg', 'm', 'l'].map((id) => ({ companyId, id })), after: 'l' }],
 *     fill: (refs) => units.fill(refs),
 *   })
 */
export function pagedSource<R>(options: PagedSourceOptions<R>): WarmSource {
  const { name, pages, fill } = objectOptions('pagedSource', options)
  functionOption('pagedSource', 'pages', pages)
  functionOption('pagedSource', 'fill', fill)
  return {
    name,
    async warm({ companyId, after: from, signal, report }) {
      let progress: WarmProgress = { rows: 0, loaded: 0, after: from }
      for await (const { refs, after } of pages(companyId, from)) {
        if (signal.aborted) return false
        const loaded = await fill(refs)
        progress = { rows: progress.rows + refs.length, loaded: progress.loaded + loaded, after }
        report(progress)
      }
      return !signal.aborted
    },
  }
}
