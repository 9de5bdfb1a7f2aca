/** The options of the chunk ledger, and the rules for what its callers name. */

import {
  type BatchOpening,
  type BatchRunRef,
  type Clock,
  InvalidInputError,
  wholeNumberOption,
} from '@kerp/core'
import type { DatabasePool } from './database-pool.js'
import {
  checkCompanyId,
  checkFields,
  checkName,
  checkWhole,
  isWellFormed,
  resolveSchema,
} from './identifiers.js'

/** What a chunk ledger is made of. */
export interface ChunkLedgerOptions {
  /** A `pg.Pool`, with a connection for each chunk in work at once. Never closed here. */
  readonly pool: DatabasePool
  /** @defaultValue 'kerp' */
  readonly schema?: string | undefined
  readonly clock?: Clock | undefined
  /** How long a call may take in all, effects included, in ms. @defaultValue 30_000 */
  readonly deadlineMs?: number | undefined
}

const PARAMS_LENGTH_MAX = 65_536
const ITEM_ID_LENGTH_MAX = 256
const CHUNK_ITEMS_MAX = 10_000
const LEASE_MS_MAX = 86_400_000

/** @throws {InvalidOptionError} `INVALID_OPTION`. */
export function resolveChunkLedgerOptions(options: ChunkLedgerOptions): {
  readonly schema: string
  readonly deadlineMs: number
} {
  const bounds = { min: 50, max: 3_600_000, fallback: 30_000 }
  return {
    schema: resolveSchema('ChunkLedger', options.schema),
    deadlineMs: wholeNumberOption('ChunkLedger', 'deadlineMs', options.deadlineMs, bounds),
  }
}

/** @throws {InvalidInputError} `INVALID_INPUT`. */
export function checkRunRef(ref: BatchRunRef): BatchRunRef {
  return {
    companyId: checkCompanyId(checkFields('ref', ref).companyId, InvalidInputError),
    runId: checkName(ref.runId, 'runId', InvalidInputError),
  }
}

/** @throws {InvalidInputError} `INVALID_INPUT`. */
export function checkOpening(opening: BatchOpening): BatchOpening {
  const { params, chunkItems, failuresMax, stopAfterFailures } = checkFields('opening', opening)
  const batch = checkName(opening.batch, 'batch', InvalidInputError)
  if (typeof params !== 'string' || params.length > PARAMS_LENGTH_MAX || params.includes('\0')) {
    throw new InvalidInputError('params', `a text of at most ${PARAMS_LENGTH_MAX} characters`, params)
  }
  checkWhole('chunkItems', chunkItems, 1, CHUNK_ITEMS_MAX)
  checkWhole('failuresMax', failuresMax, 0, Number.MAX_SAFE_INTEGER)
  checkWhole('stopAfterFailures', stopAfterFailures, 0, Number.MAX_SAFE_INTEGER)
  return { ...checkRunRef(opening), batch, params, chunkItems, failuresMax, stopAfterFailures }
}

/** How long a lease lasts, in ms, as text. @throws {InvalidInputError} `INVALID_INPUT`. */
export function leaseText(leaseMs: number): string {
  return String(checkWhole('leaseMs', leaseMs, 1, LEASE_MS_MAX))
}

/** The number of a chunk, as text. @throws {InvalidInputError} `INVALID_INPUT`. */
export function chunkNumberText(number: number): string {
  return String(checkWhole('number', number, 1, Number.MAX_SAFE_INTEGER))
}

/** Ids of one page, each once. @throws {InvalidInputError} `INVALID_INPUT`. */
export function checkItemIds(ids: readonly string[]): readonly string[] {
  const seen = new Set<string>()
  for (const [index, id] of ids.entries()) {
    const isGood = typeof id === 'string' && id.length > 0 && id.length <= ITEM_ID_LENGTH_MAX
    if (!isGood || id.includes('\0') || !isWellFormed(id) || seen.has(id)) {
      const rule = `a text of 1 to ${ITEM_ID_LENGTH_MAX} characters without NUL, once in the list`
      throw new InvalidInputError(`itemIds[${index}]`, rule, id)
    }
    seen.add(id)
  }
  return ids
}
