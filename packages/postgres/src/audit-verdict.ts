/** What audits of the database have in common: how long they may take, and how they list what differs. */

import { textOf, textOrUndefined } from './row-text.js'

/** An audit reads everything, and may take so many times as long as other reads. */
export const AUDIT_TIMES = 12

const LISTED_MAX = 100

/**
 * The first of what a statement calls `found`, as the table `f`; its statement also answers `differences_total`.
 *
 * `found` has the columns `check`, `subject`, `expected`, `found`, and those of its order: `name`, which is the subject without its
 * numbers, and `numbers`, so that version 2 stands before version 10.
 */
export const LISTED = `(SELECT n."check", n.subject, n.expected, n.found FROM found n
  ORDER BY n."check" COLLATE "C", n.name COLLATE "C", n.numbers, n.subject COLLATE "C" LIMIT ${LISTED_MAX}) f`

/** What an audit comes to. */
export interface AuditVerdict<Check> {
  readonly ok: boolean
  readonly differencesTotal: number
  readonly differences: readonly {
    readonly check: Check
    readonly subject: string
    readonly expected: string
    readonly found: string
  }[]
}

/** Reads the answer: each row has the total, and one difference; where nothing differs there is one row without. */
export function auditVerdict<Check extends string>(
  rows: readonly Readonly<Record<string, unknown>>[],
  checks: readonly Check[],
): AuditVerdict<Check> {
  const differencesTotal = Number(textOf(rows[0] ?? {}, 'differences_total'))
  const differences = rows.flatMap((row) => {
    const check = checks.find((known) => known === textOrUndefined(row, 'check'))
    if (check === undefined) return []
    const subject = textOf(row, 'subject')
    return [{ check, subject, expected: textOf(row, 'expected'), found: textOf(row, 'found') }]
  })
  return { ok: differencesTotal === 0, differencesTotal, differences }
}
