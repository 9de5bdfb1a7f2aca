/** What `GuardedBalances` is made of, with its bounds and their defaults. */

import {
  type Clock,
  observerOfPart,
  InvalidInputError,
  type Observer,
  type RandomSource,
  type RegisterRef,
  systemClock,
  systemRandom,
  wholeNumberOption,
  objectOptions,
} from '@kerp/core'
import { type Keys, type TtlPolicy, ttlPolicy } from '@kerp/keys'
import { Circuit, type RedisClient, redisClientOption } from '@kerp/redis'
import { RegisterLoader } from '@kerp/registers'
import type { AccountRef } from './balance.js'
import type { OperationParts } from './commit-operation.js'

/** The totals of one account in one fiscal year, in minor units. */
export interface BalanceTotals {
  readonly debit: bigint
  readonly credit: bigint
}

/** The host's tables, as they are. */
export interface BalanceTotalsSource {
  /**
   * Reads rows in one autocommit statement on the primary that begins after the call: never from a caller's
   * transaction, never from a replica. The answer has one pair for each ref, in the same order; zeros for no row.
   */
  load(companyId: string, refs: readonly AccountRef[]): Promise<readonly BalanceTotals[]>
}

/** Options of `GuardedBalances`. */
export interface GuardedBalancesOptions {
  /** Never closed by this class. */
  readonly redis: RedisClient
  readonly keys: Keys
  /** Reads the totals of accounts from the host's table. */
  readonly source: BalanceTotalsSource
  readonly observer?: Observer | undefined
  readonly clock?: Clock | undefined
  readonly random?: RandomSource | undefined
  /** `balance` is how old the worst answer can be, whatever Redis forgot and whoever wrote without a guard. @defaultValue ttlPolicy() */
  readonly ttl?: TtlPolicy | undefined
  /**
   * How long rows are not cached after a process that was about to change them was heard of, in ms. The database must end
   * the transaction of a client that is gone, and a COMMIT that it was sent, in less. @defaultValue 30_000
   */
  readonly operationMs?: number | undefined
  /** Guarded pieces of work at once; one more is refused with `OVERLOADED`. @defaultValue 1_000 */
  readonly operationsMax?: number | undefined
  /** The longest that each call of a guard waits for Redis, in ms. @defaultValue 250 */
  readonly guardDeadlineMs?: number | undefined
  /** The longest that a read waits for one answer of Redis, in ms. @defaultValue 25 */
  readonly redisDeadlineMs?: number | undefined
  /** From the begin of a statement to the end of waiting for it, in ms. @defaultValue 5_000 */
  readonly loadDeadlineMs?: number | undefined
  /** Statements at once. @defaultValue 8 */
  readonly loadsMax?: number | undefined
  /** Rows that wait for a statement; more are refused with `OVERLOADED`. @defaultValue 100_000 */
  readonly waitingRowsMax?: number | undefined
}

/** The options with every choice made. */
export interface GuardedParts extends OperationParts {
  readonly keys: Keys
  readonly random: RandomSource
  readonly ttl: TtlPolicy
  readonly circuit: Circuit
  readonly loader: RegisterLoader
  readonly redisDeadlineMs: number
  readonly operationsMax: number
  /** How long a missing row is reserved for who loads it, in ms. */
  readonly leaseMs: number
}

const ROWS_PER_LOAD_MAX = 1_000
/** How long Redis is not asked after it did not answer, in ms. */
const SILENCE_PAUSE_MS = 250
/** A process that stands still must not be taken for dead at once. */
const OPERATION_MS_MIN = 1_000

/**
 * Checks the options and makes the parts; no I/O.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION`
 */
export function resolveGuardedOptions(options: GuardedBalancesOptions): GuardedParts {
  objectOptions('GuardedBalances', options)
  const whole = (name: keyof GuardedBalancesOptions, fallback: number, min = 1): number =>
    wholeNumberOption('GuardedBalances', name, options[name], { min, max: 86_400_000, fallback })
  const { redis, keys, clock = systemClock, random = systemRandom } = options
  const observer = observerOfPart(options.observer)
  const loadDeadlineMs = whole('loadDeadlineMs', 5_000)
  return Object.freeze({
    redis: redisClientOption('GuardedBalances', redis),
    keys,
    clock,
    random,
    observer,
    ttl: options.ttl ?? ttlPolicy(),
    operationMs: whole('operationMs', 30_000, OPERATION_MS_MIN),
    operationsMax: whole('operationsMax', 1_000),
    guardDeadlineMs: whole('guardDeadlineMs', 250),
    redisDeadlineMs: whole('redisDeadlineMs', 25),
    leaseMs: loadDeadlineMs,
    circuit: new Circuit({
      owner: 'GuardedBalances',
      clock,
      random,
      observer,
      failuresMax: 1,
      openMs: SILENCE_PAUSE_MS,
    }),
    loader: new RegisterLoader({
      source: { load: (companyId, refs) => loadTotals(options.source, clock, companyId, refs) },
      clock,
      random,
      observer,
      loadsMax: whole('loadsMax', 8),
      rowsPerLoadMax: ROWS_PER_LOAD_MAX,
      waitingRowsMax: whole('waitingRowsMax', 100_000),
      loadDeadlineMs,
      backoffMs: 0,
    }),
  })
}

/** In the terms of registers, whose loader this is: a row without a version has none that grows. */
async function loadTotals(
  source: BalanceTotalsSource,
  clock: Clock,
  companyId: string,
  refs: readonly RegisterRef[],
) {
  const asOfMs = clock.nowMs()
  const wanted = refs.map(({ parts: [account, year] }) => ({ companyId, account, fiscalYear: Number(year) }))
  const totals = await source.load(companyId, wanted)
  const images = refs.map((ref, index) => {
    const { debit, credit }: Partial<BalanceTotals> = totals[index] ?? {}
    if (typeof debit === 'bigint' && typeof credit === 'bigint') {
      return { ref, version: 0, fields: [String(debit), String(credit)] as const }
    }
    throw new InvalidInputError('source.load', 'debit and credit as bigint for each ref', totals[index])
  })
  return { epoch: '', asOfMs, images }
}
