/** Compares what is cached with the rows of the database. */

import type { RegisterImage } from '@kerp/core'
import { type ComparedRow, compareRows, type RegisterVerdict } from '@kerp/registers'
import { type PageOptions, balancePages } from './pages.js'
import type { BalanceParts } from './warm.js'

/** What an audit takes. */
export interface BalanceAuditOptions extends PageOptions {
  /** Whether a difference voids the company's registers. @defaultValue true */
  readonly repair?: boolean | undefined
}

/** A cached balance that is not a state of its row. */
export interface BalanceDifference {
  readonly account: string
  readonly cached: Pick<RegisterImage, 'version' | 'fields'>
  readonly row: Pick<RegisterImage, 'version' | 'fields'>
}

/** What an audit found. Every row is in exactly one of the five counts. */
export interface BalanceAudit {
  readonly rows: number
  /** Cached and equal to the row. */
  readonly equal: number
  /** Cached, and an earlier state than the row's: right while vouchers are being posted, wrong at rest. */
  readonly behind: number
  /** Not cached, or not valid. */
  readonly absent: number
  /** Cached, and of the database's history before a failover or restart: the relay is about to void it. */
  readonly foreign: number
  /** Cached and never a state of the row. At most 100 are listed; `different` counts all. */
  readonly differences: readonly BalanceDifference[]
  readonly different: number
  /** The last account looked at. */
  readonly after: string | undefined
  readonly done: boolean
}

const DIFFERENCES_LISTED_MAX = 100

/** Walks all rows of the year. Posting may go on: a row that moved while it was looked at is read again. */
export async function auditBalances(
  parts: BalanceParts,
  companyId: string,
  options: BalanceAuditOptions,
): Promise<BalanceAudit> {
  const counts: Record<RegisterVerdict, number> = { equal: 0, behind: 0, absent: 0, foreign: 0, different: 0 }
  const differences: BalanceDifference[] = []
  let { after } = options
  let done = false
  for await (const page of balancePages(parts.source, companyId, options)) {
    for (const compared of await compareRows(parts, companyId, page)) {
      counts[compared.verdict] += 1
      const difference = differenceOf(compared)
      if (difference !== undefined && differences.length < DIFFERENCES_LISTED_MAX)
        differences.push(difference)
    }
    after = page.images.at(-1)?.ref.parts[0] ?? after
    done = page.last
  }
  const rows = counts.equal + counts.behind + counts.absent + counts.foreign + counts.different
  return { rows, ...counts, differences, after, done }
}

function differenceOf({ row, cached, verdict }: ComparedRow): BalanceDifference | undefined {
  if (verdict !== 'different' || cached === undefined) return undefined
  return { account: row.ref.parts[0], cached: stateOf(cached.image), row: stateOf(row) }
}

function stateOf({ version, fields }: RegisterImage): BalanceDifference['row'] {
  return { version, fields }
}
