/**
 * The statements of one stock transaction, between its BEGIN and its COMMIT, whoever owns it.
 *
 * Nothing that is returned here may be told to anybody before the transaction's COMMIT was answered with `COMMIT`,
 * or, when nothing was accepted, before its ROLLBACK was.
 */

import type { Observer, RegisterImage, ReservationState } from '@kerp/core'
import { arrayOf, textArray } from './array-text.js'
import { JudgedTooEarly, type RunStatement } from './batch-run.js'
import { DatabaseUnsuitableError, TransactionRequiredError } from './errors.js'
import { type KnownRows, lockRows } from './known-rows.js'
import { textOf, textOrUndefined, versionOf } from './row-text.js'
import { writtenColumns } from './stock-columns.js'
import {
  judge,
  type LockedReservation,
  type StockFacts,
  type StockOutcome,
  type StoredMovement,
} from './stock-judge.js'
import { StockRows } from './stock-rows.js'
import type { StockStatements } from './stock-statements.js'
import { isEnd, type StockChange, type StockWork } from './stock-work.js'

type Row = Readonly<Record<string, unknown>>

/** What the transaction did, if it commits. */
export interface StockResult {
  readonly epoch: string
  readonly outcomes: ReadonlyMap<StockWork, StockOutcome>
  /** Whether anything was written: without it there is nothing to commit. */
  readonly isChanged: boolean
  /** The transaction as it stands in the movements that it writes. */
  readonly writtenBy: string | undefined
  /** Names of the rows that exist once the transaction commits. */
  readonly rowNames: readonly string[]
}

/** What a stock transaction is made of. */
export interface StockContext {
  readonly run: RunStatement<keyof StockStatements>
  readonly knownRows: KnownRows
  readonly observer: Observer
  /** The mark that `beginWithin` set, in a host's transaction. */
  readonly within?: string | undefined
}

/** Moves stock. No two of the works have the same name. */
export async function moveStock(context: StockContext, works: readonly StockWork[]): Promise<StockResult> {
  const { observer } = context
  const lines = await lockReservations(context, works)
  const rows = new StockRows()
  for (const work of works) rows.add(work.companyId, lines.get(work) ?? work.changes)
  await readLocked(context, rows)
  observer.step?.({ name: 'stock.rowsLocked' })
  const { epoch, facts } = await readFacts(context, works, lines)
  const { outcomes, accepted } = judge(works, rows, facts)
  observer.step?.({ name: 'stock.judged' })
  const isChanged = accepted.length > 0
  let writtenBy: string | undefined
  if (isChanged) {
    const { parameters, counts } = writtenColumns(accepted, rows)
    const written = await context.run('write', parameters)
    assertWritten(rows, written, counts)
    writtenBy = textOrUndefined(written[0] ?? {}, 'written_by')
  }
  observer.step?.({ name: 'stock.written' })
  return { epoch, outcomes, isChanged, writtenBy, rowNames: isChanged ? [...rows.names] : [] }
}

/** The lines of the reservations that are to end; none for those that do not exist. */
async function lockReservations(
  { run }: StockContext,
  works: readonly StockWork[],
): Promise<ReadonlyMap<StockWork, readonly StockChange[]>> {
  return linesOfReservations((values) => run('lockReservations', values), works)
}

/** As `read` finds them, by the work that ends the reservation. */
export async function linesOfReservations(
  read: (values: string[]) => Promise<readonly Row[]>,
  works: readonly StockWork[],
): Promise<ReadonlyMap<StockWork, readonly StockChange[]>> {
  const ends = new Map(
    works.filter(({ kind }) => isEnd(kind)).map((work) => [reservationName(work.companyId, work.id), work]),
  )
  const lines = new Map<StockWork, readonly StockChange[]>()
  if (ends.size === 0) return lines
  for (const row of await read(idParameters([...ends.values()]))) {
    const work = ends.get(reservationName(textOf(row, 'company'), textOf(row, 'id')))
    if (work !== undefined) lines.set(work, changesIn(textOf(row, 'lines')))
  }
  return lines
}

async function readLocked({ run, knownRows }: StockContext, rows: StockRows): Promise<void> {
  if (rows.all.length === 0) return
  for (const found of await lockRows(run, knownRows, rows)) {
    const row = rowIn(rows, found)
    row.version = versionOf(found)
    row.onHand = BigInt(textOf(found, 'on_hand'))
    row.reserved = BigInt(textOf(found, 'reserved'))
    row.fence = BigInt(textOf(found, 'fence'))
  }
  if (rows.all.some((row) => row.version < 0)) {
    throw new DatabaseUnsuitableError('A row of stock could not be made.')
  }
}

/** What is stored under the ids, in statements that begin after the locks: what was committed before is seen. */
async function readFacts(
  { run, within }: StockContext,
  works: readonly StockWork[],
  lines: ReadonlyMap<StockWork, readonly StockChange[]>,
): Promise<{ readonly epoch: string; readonly facts: StockFacts }> {
  const found = await run('readStored', [
    textArray(works.map((work) => work.companyId)),
    arrayOf(works.map((work) => work.space)),
    textArray(works.map((work) => work.id)),
  ])
  const first = found[0] ?? {}
  if (within !== undefined && textOrUndefined(first, 'within') !== within) {
    throw new TransactionRequiredError('Moving stock in a transaction')
  }
  const stored = storedIn(found)
  const asked = works.filter((work) => lines.has(work) || (work.space === 'hold' && stored.has(work.name)))
  const reservations = await readReservations(run, asked, lines)
  const nowMs = Number(textOf(first, 'now_ms'))
  return { epoch: textOf(first, 'epoch'), facts: { nowMs, stored, reservations } }
}

async function readReservations(
  run: StockContext['run'],
  asked: readonly StockWork[],
  lines: ReadonlyMap<StockWork, readonly StockChange[]>,
): Promise<ReadonlyMap<string, LockedReservation>> {
  const reservations = new Map<string, LockedReservation>()
  if (asked.length === 0) return reservations
  const rows = new Map<string, Row>()
  for (const row of await run('readReservations', idParameters(asked))) {
    rows.set(reservationName(textOf(row, 'company'), textOf(row, 'id')), row)
  }
  for (const work of asked) {
    const row = rows.get(reservationName(work.companyId, work.id))
    if (row !== undefined) reservations.set(work.name, reservationOf(row, lines.get(work) ?? []))
  }
  return reservations
}

function storedIn(rows: readonly Row[]): ReadonlyMap<string, StoredMovement> {
  const stored = new Map<string, { hash: string; writtenBy: string; images: RegisterImage[] }>()
  for (const row of rows) {
    const companyId = textOrUndefined(row, 'company')
    if (companyId === undefined) continue
    const name = `${companyId}\n${textOf(row, 'space')}\n${textOf(row, 'id')}`
    const movement = stored.get(name) ?? {
      hash: textOf(row, 'request_hash'),
      writtenBy: textOf(row, 'written_by'),
      images: [],
    }
    stored.set(name, movement)
    movement.images.push({
      ref: { companyId, family: 'inventory', parts: [textOf(row, 'item'), textOf(row, 'warehouse')] },
      version: versionOf(row),
      fields: [textOf(row, 'on_hand'), textOf(row, 'reserved')],
    })
  }
  return stored
}

const STATES: readonly ReservationState[] = ['held', 'confirmed', 'cancelled', 'expired']

function reservationOf(row: Row, changes: readonly StockChange[]): LockedReservation {
  const state = STATES.find((known) => known === textOf(row, 'state'))
  if (state === undefined) throw new DatabaseUnsuitableError('A reservation is in a state that is not known.')
  return {
    state,
    isDue: textOf(row, 'due') === 'true',
    expiresAtMs: Number(textOf(row, 'expires_at_ms')),
    changes,
  }
}

/** The lines of a reservation as they are stored: `[[item, warehouse, thousandths], …]`. */
function changesIn(text: string): readonly StockChange[] {
  const lines: unknown = JSON.parse(text)
  if (!Array.isArray(lines)) throw new DatabaseUnsuitableError('A reservation has lines of another shape.')
  return lines.map((line: unknown): StockChange => {
    const parts: readonly unknown[] = Array.isArray(line) ? line : []
    const [item, warehouse, reserved] = parts
    if (typeof item !== 'string' || typeof warehouse !== 'string' || typeof reserved !== 'string') {
      throw new DatabaseUnsuitableError('A reservation has lines of another shape.')
    }
    return { item, warehouse, onHand: 0n, reserved: BigInt(reserved) }
  })
}

/**
 * What was written must be what was computed: a rule or trigger of the host may have changed or dropped it. Fewer
 * ids or ends than were accepted mean that somebody else used the id on other rows, or that time went by.
 */
function assertWritten(
  rows: StockRows,
  written: readonly Row[],
  counts: Readonly<Record<'movements' | 'lines' | 'holds' | 'ends' | 'outbox', number>>,
): void {
  const first = written[0] ?? {}
  const found = Object.entries(counts).map(([name, count]) => Number(textOf(first, name)) - count)
  const wrong = written.filter((row) => !isSame(rows, row))
  if (wrong.length > 0 || written.length !== counts.outbox || found.some((difference) => difference > 0)) {
    throw new DatabaseUnsuitableError(
      'The rows that were written differ from those that were computed; the transaction is rolled back.',
    )
  }
  if (found.some((difference) => difference < 0)) throw new JudgedTooEarly()
}

function isSame(rows: StockRows, found: Row): boolean {
  const row = rowIn(rows, found)
  return (
    textOf(found, 'on_hand') === row.onHand.toString() &&
    textOf(found, 'reserved') === row.reserved.toString() &&
    versionOf(found) === row.version
  )
}

function rowIn(rows: StockRows, found: Row): ReturnType<StockRows['row']> {
  return rows.row(textOf(found, 'company'), {
    item: textOf(found, 'item'),
    warehouse: textOf(found, 'warehouse'),
  })
}

/** Of a reservation, whoever asks for it: its making and its end have the same. */
function reservationName(companyId: string, id: string): string {
  return `${companyId}\n${id}`
}

function idParameters(works: readonly StockWork[]): string[] {
  return [textArray(works.map((work) => work.companyId)), textArray(works.map((work) => work.id))]
}
