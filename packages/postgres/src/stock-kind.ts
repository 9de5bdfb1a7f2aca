/** Movements of stock as works of a queue: how a batch of them is done, and which of them wait for rows of others. */

import type { KerpError, Observer, StockMove } from '@kerp/core'
import type { BatchKind } from './batch-queue.js'
import { KEYED_PLANS, runBatch, stagedStatements } from './batch-run.js'
import type { Database } from './database.js'
import { MovementRejectedError, MovementUnknownError } from './errors.js'
import type { KnownRows } from './known-rows.js'
import type { PreparedStatements } from './prepared-statements.js'
import { textOf } from './row-text.js'
import { answerOf, type StockAnswer } from './stock-answer.js'
import { StockRows } from './stock-rows.js'
import type { StockStatements } from './stock-statements.js'
import { linesOfReservations, moveStock, type StockResult } from './stock-transaction.js'
import { stockRowName, type StockWork } from './stock-work.js'

/** What every batch shares. */
export interface StockParts {
  readonly database: Database
  readonly statements: StockStatements
  readonly prepared: PreparedStatements
  readonly knownRows: KnownRows
  readonly observer: Observer
  /** Called after each commit that wrote outbox rows. */
  readonly onCommitted: () => void
}

const OPERATION = 'moving stock'
const STEPS = { begun: 'stock.begun', committing: 'stock.committing', committed: 'stock.committed' } as const
const PROBE_DEADLINE_MS = 1_000

/** The kind of work that stock movements are. */
export function stockKind(parts: StockParts): BatchKind<StockWork, StockResult, StockAnswer> {
  const { database, statements, prepared, knownRows, observer } = parts
  return {
    owner: 'StockLedger',
    operation: OPERATION,
    unknown: (work, cause) => new MovementUnknownError(work.id, cause),
    typed: (error) => database.typed(OPERATION, error),
    rejected: (work, sqlState, cause) => new MovementRejectedError(work.id, sqlState, cause),
    async run(works, limits) {
      const end = await runBatch<StockResult>(
        {
          operation: OPERATION,
          database,
          observer,
          steps: STEPS,
          settings: KEYED_PLANS,
          work: async (client, at) => {
            const result = await moveStock(
              {
                run: stagedStatements(client, statements, prepared, at),
                knownRows,
                observer,
              },
              works,
            )
            return { result, isChanged: result.isChanged, writtenBy: result.writtenBy }
          },
        },
        limits,
      )
      if (end.kind === 'committed' && end.result.isChanged) {
        knownRows.add(end.result.rowNames)
        parts.onCommitted()
      }
      return end
    },
    free: (works) => freeWorks(parts, works),
    answer: (result, work, place, own) => answerOf(result, work, place, own),
    queued: () => observer.step?.({ name: 'stock.queued' }),
    began: (waiting) => observer.stockQueue?.({ waiting }),
    ended: (result, movements, elapsedMs) => observer.stockBatch?.({ result, movements, elapsedMs }),
    settled: ({ kind, companyId }, answer, elapsedMs) => {
      observer.stockMove?.({ kind, result: resultOf(answer), elapsedMs })
      observer.companyWork?.({ companyId, work: 'movement', count: 1 })
    },
  }
}

async function freeWorks(
  { database, statements }: StockParts,
  works: readonly StockWork[],
): Promise<ReadonlySet<StockWork>> {
  return database.once(OPERATION, PROBE_DEADLINE_MS, async (client) => {
    const lines = await linesOfReservations(
      async (values) => (await client.query({ text: statements.readReservations, values })).rows,
      works,
    )
    const rows = new StockRows()
    for (const work of works) rows.add(work.companyId, lines.get(work) ?? work.changes)
    const found = await client.query({ text: statements.probeRows, values: rows.parameters() })
    const free = new Set(
      found.rows.map((row) =>
        stockRowName(textOf(row, 'company'), textOf(row, 'item'), textOf(row, 'warehouse')),
      ),
    )
    const isFree = (work: StockWork): boolean =>
      (lines.get(work) ?? work.changes).every(({ item, warehouse }) =>
        free.has(stockRowName(work.companyId, item, warehouse)),
      )
    return new Set(works.filter(isFree))
  })
}

const RESULTS: Readonly<Record<string, StockMove['result']>> = {
  MOVEMENT_CONFLICT: 'conflict',
  INSUFFICIENT_STOCK: 'insufficient',
  FENCED: 'fenced',
  RESERVATION_NOT_FOUND: 'settled',
  RESERVATION_SETTLED: 'settled',
  RESERVATION_EXPIRED: 'settled',
  MOVEMENT_REJECTED: 'rejected',
  MOVEMENT_UNKNOWN: 'unknown',
}

function resultOf(answer: StockAnswer | KerpError): StockMove['result'] {
  if (answer instanceof Error) return RESULTS[answer.code] ?? 'failed'
  return answer.kind === 'notDue' ? 'settled' : answer.kind
}
