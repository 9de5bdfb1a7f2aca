/**
 * What becomes of vouchers whose transaction did not end well: who is told what, and who is tried again with whom.
 * Pure decisions; the queue carries them out.
 */

import { KerpError } from '@kerp/core'
import { typedError } from './database.js'
import { DatabaseUnavailableError, PostingUnknownError, VoucherRejectedError } from './errors.js'
import type { BatchEnd, BatchFailure } from './posting-batch.js'
import { sqlStateOf } from './sql-state.js'
import type { CheckedVoucher } from './checked-voucher.js'

/** A voucher on its way. Times are of the monotonic clock, in ms. */
export interface Entry {
  readonly voucher: CheckedVoucher
  readonly startMs: number
  readonly endMs: number
}

/** Vouchers that go into one transaction together. */
export interface Group<E extends Entry> {
  readonly entries: readonly E[]
  /** How many transactions these vouchers were in before. */
  readonly attempts: number
  readonly lockTimeoutMs: number
  /** An earlier COMMIT of these vouchers was not answered: they may be posted already. */
  readonly unknown: boolean
}

/** A group that is tried again. */
export interface Retried<E extends Entry> extends Group<E> {
  /** Waits a moment before; halves of a bisected group do not. */
  readonly backOff: boolean
}

/** What to do. */
export interface Verdict<E extends Entry> {
  readonly rejected: readonly { readonly entry: E; readonly error: KerpError }[]
  readonly retried: readonly Retried<E>[]
  /** Rows that somebody else holds have to be found, so that their vouchers do not hold up the others. */
  readonly separate?: Group<E>
}

/** How long vouchers are tried again. */
export interface GroupLimits {
  readonly nowMs: number
  /** Age from which a voucher is not tried again on a database that cannot be reached. */
  readonly outageMs: number
}

const LOCK_TIMEOUT_MS_MIN = 50

/** Decides after a transaction that was not committed for certain. */
export function verdictOf<E extends Entry>(
  group: Group<E>,
  end: Exclude<BatchEnd, { kind: 'committed' }>,
  limits: GroupLimits,
): Verdict<E> {
  if (end.kind === 'unknown') return tryAgain({ ...group, unknown: true }, end.error, limits.nowMs)
  switch (end.failure) {
    case 'retry':
    case 'deadline':
    case 'cancelled':
      return tryAgain(group, end.error, limits.nowMs)
    case 'lost':
    case 'rolledBack':
      // Whoever may be posted already waits for certainty as long as the deadline allows.
      return tryAgain(group, end.error, limits.nowMs, group.unknown ? Infinity : limits.outageMs)
    case 'locked':
      return afterLockTimeout(group, end, limits)
    case 'unsuitable':
    case 'rejected':
    case 'refused':
      return afterRefusal(group, end)
  }
}

/** What a caller hears when its time is up: that nothing was done, or that nobody knows. */
export function timeIsUp(group: Pick<Group<Entry>, 'unknown'>, entry: Entry, cause?: unknown): KerpError {
  if (group.unknown) return new PostingUnknownError(entry.voucher.id, cause)
  return new DatabaseUnavailableError('posting', cause)
}

function tryAgain<E extends Entry>(
  group: Group<E>,
  cause: unknown,
  nowMs: number,
  ageMsMax = Infinity,
): Verdict<E> {
  const isOver = (entry: E): boolean => nowMs >= entry.endMs || nowMs - entry.startMs >= ageMsMax
  const left = group.entries.filter((entry) => !isOver(entry))
  return {
    rejected: group.entries.filter(isOver).map((entry) => ({ entry, error: timeIsUp(group, entry, cause) })),
    retried:
      left.length === 0 ? [] : [{ ...group, entries: left, attempts: group.attempts + 1, backOff: true }],
  }
}

function afterLockTimeout<E extends Entry>(
  group: Group<E>,
  end: BatchFailure,
  { nowMs }: GroupLimits,
): Verdict<E> {
  if (group.entries.length === 1) return tryAgain(group, end.error, nowMs)
  if (end.stage === 'locking') return { rejected: [], retried: [], separate: group }
  // Which key is held cannot be asked, as its row is not visible: halves find it, each waiting a shorter time.
  return { rejected: [], retried: halves(group, shorterLockTimeoutMs(group)) }
}

function afterRefusal<E extends Entry>(group: Group<E>, end: BatchFailure): Verdict<E> {
  const [entry] = group.entries
  // Without its tables the database refuses everybody alike; a trigger of the host refuses its own voucher only.
  const allAlike = end.failure === 'unsuitable' && end.stage !== 'writing'
  if (entry !== undefined && group.entries.length > 1 && !allAlike) {
    return { rejected: [], retried: halves(group, group.lockTimeoutMs) }
  }
  // A refusal before the keys were claimed says nothing about an earlier, unanswered COMMIT.
  const doubtful = group.unknown && end.stage === 'claiming' && !(end.error instanceof KerpError)
  return {
    rejected: group.entries.map((each) => ({
      entry: each,
      error: doubtful ? timeIsUp(group, each, end.error) : refusalOf(each, end.error),
    })),
    retried: [],
  }
}

function refusalOf(entry: Entry, error: unknown): KerpError {
  const typed = typedError('posting', error)
  const state = sqlStateOf(error)
  const isOwnFault = !(error instanceof KerpError) && typed instanceof DatabaseUnavailableError
  return isOwnFault && state !== undefined ? new VoucherRejectedError(entry.voucher.id, state, error) : typed
}

/** Each of many halves waits a shorter time, so that the innocent ones among them wait little in all. */
export function shorterLockTimeoutMs(group: Pick<Group<Entry>, 'lockTimeoutMs'>): number {
  return Math.max(LOCK_TIMEOUT_MS_MIN, Math.ceil(group.lockTimeoutMs / 4))
}

/** Both halves of a group, to be tried at once. */
export function halves<E extends Entry>(group: Group<E>, lockTimeoutMs: number): Retried<E>[] {
  const middle = Math.ceil(group.entries.length / 2)
  return [group.entries.slice(0, middle), group.entries.slice(middle)].map((entries) => ({
    ...group,
    entries,
    attempts: group.attempts + 1,
    lockTimeoutMs,
    backOff: false,
  }))
}
