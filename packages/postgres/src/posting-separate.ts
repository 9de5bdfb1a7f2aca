/** Keeps vouchers on rows that somebody holds for long apart from all others. */

import type { BatchContext } from './posting-batch.js'
import { type Entry, type Group, halves, type Retried, shorterLockTimeoutMs } from './posting-group.js'
import { BatchRows, rowName } from './posting-totals.js'
import { textOf } from './row-text.js'

const PROBE_DEADLINE_MS = 1_000

/**
 * Asks which rows of the group are held, and splits it: vouchers on other rows go again at once, those on held rows
 * after a moment. If no row is held any more, or the hindrance cannot be seen, as a row that another transaction is
 * just making, halves find it. Never rejects: without an answer the whole group waits.
 */
export async function separateLocked<E extends Entry>(
  context: BatchContext,
  group: Group<E>,
): Promise<readonly Retried<E>[]> {
  const next = { ...group, attempts: group.attempts + 1 }
  try {
    const held = await heldRows(context, group)
    const isHeld = ({ voucher }: E): boolean =>
      voucher.lines.some((line) => held.has(rowName(voucher.companyId, line.account, voucher.fiscalYear)))
    const staying = group.entries.filter(isHeld)
    const going = group.entries.filter((entry) => !isHeld(entry))
    if (staying.length === 0) return halves(group, shorterLockTimeoutMs(group))
    return [
      { ...next, entries: going, backOff: false },
      { ...next, entries: staying, backOff: true },
    ].filter(({ entries }) => entries.length > 0)
  } catch {
    return [{ ...next, backOff: true }]
  }
}

async function heldRows<E extends Entry>(
  { database, statements }: BatchContext,
  group: Group<E>,
): Promise<ReadonlySet<string>> {
  const values = new BatchRows(group.entries.map((entry) => entry.voucher)).parameters()
  const { rows } = await database.use('posting', PROBE_DEADLINE_MS, (client) =>
    client.query({ text: statements.heldRows, values }),
  )
  return new Set(
    rows.map((row) => rowName(textOf(row, 'company'), textOf(row, 'account'), textOf(row, 'fiscal_year'))),
  )
}
