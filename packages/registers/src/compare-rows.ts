/** Compares what is cached with a page of rows of the database, while work on them may go on. */

import {
  type LoadedRegisters,
  type RegisterImage,
  type RegisterListing,
  type RegisterSource,
  withDeadline,
} from '@kerp/core'
import type { RegisterReading } from './register-reading.js'
import type { Registers } from './registers.js'

/**
 * What a cached register is to its row. `equal` · `behind`: an earlier state, right while work goes on and wrong at
 * rest · `absent`: not cached, or not valid · `foreign`: of the database's history before a failover or restart,
 * about to be voided by the relay · `different`: never a state of the row.
 */
export type RegisterVerdict = 'equal' | 'behind' | 'absent' | 'foreign' | 'different'

/** A row with what is cached of it. */
export interface ComparedRow {
  readonly row: RegisterImage
  readonly cached: RegisterReading | undefined
  readonly verdict: RegisterVerdict
}

/** What is compared with what. */
export interface ComparedParts {
  readonly registers: Pick<Registers, 'cached'>
  readonly source: RegisterSource
}

const DEADLINE_MS = 30_000

/** The rows of a listing, page by page, each page in a statement of its own. `limit` is the size of a page. */
export async function* comparePages(
  parts: ComparedParts,
  listing: RegisterListing,
): AsyncGenerator<readonly ComparedRow[]> {
  let next: RegisterListing | undefined = listing
  while (next !== undefined) {
    const page: LoadedRegisters = await within('RegisterSource.list', parts.source.list(next))
    yield await compareRows(parts, listing.companyId, page)
    const last: RegisterImage | undefined = page.images.at(-1)
    next =
      last === undefined || page.images.length < listing.limit ? undefined : { ...listing, after: last.ref }
  }
}

/** Compares one page. A register that is ahead of its row may be so only until the row is read again. */
export async function compareRows(
  { registers, source }: ComparedParts,
  companyId: string,
  page: LoadedRegisters,
): Promise<readonly ComparedRow[]> {
  const refs = page.images.map(({ ref }) => ref)
  const cached = await registers.cached(companyId, refs)
  const ahead = page.images.filter((image, index) => (cached[index]?.image.version ?? 0) > image.version)
  const again =
    ahead.length === 0
      ? undefined
      : await within(
          'RegisterSource.load',
          source.load(
            companyId,
            ahead.map(({ ref }) => ref),
          ),
        )
  const reread = new Map(ahead.map((image, index) => [image, again?.images[index]]))
  return page.images.map((image, index): ComparedRow => {
    const newer = reread.get(image)
    const row = newer ?? image
    const epoch = newer === undefined || again === undefined ? page.epoch : again.epoch
    return { row, cached: cached[index], verdict: verdictOf(row, epoch, cached[index]) }
  })
}

function verdictOf(row: RegisterImage, epoch: string, cached: RegisterReading | undefined): RegisterVerdict {
  if (cached === undefined) return 'absent'
  if (cached.epoch !== epoch) return 'foreign'
  const { version, fields } = cached.image
  if (version < row.version) return 'behind'
  if (version > row.version) return 'different'
  return fields[0] === row.fields[0] && fields[1] === row.fields[1] ? 'equal' : 'different'
}

function within<T>(operation: string, work: Promise<T>): Promise<T> {
  return withDeadline(work, { operation, deadlineMs: DEADLINE_MS, outcome: 'notDone' })
}
