/**
 * What becomes of works whose shared transaction did not end well: who is told what, and who is tried again with
 * whom. Pure decisions; the queue carries them out.
 */

import { KerpError } from '@kerp/core'
import type { BatchFailure, BatchUnknown } from './batch-run.js'
import { DatabaseUnavailableError } from './errors.js'
import { failureKindOf, sqlStateOf } from './sql-state.js'

/** A work on its way. Times are of the monotonic clock, in ms. */
export interface Entry<W> {
  readonly work: W
  readonly startMs: number
  readonly endMs: number
}

/** Works that go into one transaction together. */
export interface Group<E> {
  readonly entries: readonly E[]
  /** How many transactions these works were in before. */
  readonly attempts: number
  readonly lockTimeoutMs: number
  /** An earlier COMMIT of these works was not answered: they may be done already. */
  readonly unknown: boolean
  /** The transactions of those COMMITs: what one of them wrote was done by these works' own callers. */
  readonly own: readonly string[]
}

/** A group that is tried again. */
export interface Retried<E> extends Group<E> {
  /** Waits a moment before; halves of a bisected group do not. */
  readonly backOff: boolean
}

/** What to do. */
export interface Verdict<E> {
  readonly rejected: readonly { readonly entry: E; readonly error: KerpError }[]
  readonly retried: readonly Retried<E>[]
  /** Rows that somebody else holds have to be found, so that their works do not hold up the others. */
  readonly separate?: Group<E> | undefined
}

/** How long works are tried again, and the words for their callers. */
export interface GroupRules<W> {
  readonly operation: string
  readonly nowMs: number
  /** Age from which a work is not tried again on a database that cannot be reached. */
  readonly outageMs: number
  /** Nobody knows whether the work is done. */
  readonly unknown: (work: W, cause: unknown) => KerpError
  /** Any other error, as its callers are told of it. */
  readonly typed: (error: unknown) => KerpError
  /** A constraint or trigger of the database refused this very work. */
  readonly rejected: (work: W, sqlState: string, cause: unknown) => KerpError
}

const LOCK_TIMEOUT_MS_MIN = 50

/** Decides after a transaction that was not committed for certain. */
export function verdictOf<W, E extends Entry<W>>(
  group: Group<E>,
  end: BatchFailure | BatchUnknown,
  rules: GroupRules<W>,
): Verdict<E> {
  if (end.kind === 'unknown') {
    const own = end.writtenBy === undefined ? group.own : [...group.own, end.writtenBy]
    return tryAgain({ ...group, unknown: true, own }, end.error, rules)
  }
  switch (end.failure) {
    case 'retry':
    case 'deadline':
    case 'cancelled':
      return tryAgain(group, end.error, rules)
    case 'unprepared':
      return tryAgain(group, end.error, rules)
    case 'unforeseen':
      // Nothing says whose fault it is: if one of them is what the server fails at, the others must not wait for it.
      if (end.stage === 'writing' && group.entries.length > 1) {
        return { rejected: [], retried: halves(group, group.lockTimeoutMs) }
      }
      return afterLoss(group, end.error, rules)
    case 'lost':
    case 'rolledBack':
      return afterLoss(group, end.error, rules)
    case 'locked':
      return afterLockTimeout(group, end, rules)
    case 'unsuitable':
    case 'rejected':
    case 'refused':
      return afterRefusal(group, end, rules)
  }
}

/** What a caller hears when its time is up: that nothing was done, or that nobody knows. */
export function timeIsUp<W>(
  group: Pick<Group<Entry<W>>, 'unknown'>,
  work: W,
  rules: Pick<GroupRules<W>, 'operation' | 'unknown'>,
  cause?: unknown,
): KerpError {
  if (group.unknown) return rules.unknown(work, cause)
  return new DatabaseUnavailableError(rules.operation, cause)
}

function tryAgain<W, E extends Entry<W>>(
  group: Group<E>,
  cause: unknown,
  rules: GroupRules<W>,
  ageMsMax = Infinity,
): Verdict<E> {
  const { nowMs } = rules
  const isOver = (entry: E): boolean => nowMs >= entry.endMs || nowMs - entry.startMs >= ageMsMax
  const left = group.entries.filter((entry) => !isOver(entry))
  return {
    rejected: group.entries
      .filter(isOver)
      .map((entry) => ({ entry, error: timeIsUp(group, entry.work, rules, cause) })),
    retried:
      left.length === 0 ? [] : [{ ...group, entries: left, attempts: group.attempts + 1, backOff: true }],
  }
}

function afterLoss<W, E extends Entry<W>>(group: Group<E>, cause: unknown, rules: GroupRules<W>): Verdict<E> {
  // Whoever may be done already waits for certainty as long as the deadline allows.
  return tryAgain(group, cause, rules, group.unknown ? Infinity : rules.outageMs)
}

function afterLockTimeout<W, E extends Entry<W>>(
  group: Group<E>,
  end: BatchFailure,
  rules: GroupRules<W>,
): Verdict<E> {
  if (group.entries.length === 1) return tryAgain(group, end.error, rules)
  if (end.stage === 'locking') return { rejected: [], retried: [], separate: group }
  // Which key is held cannot be asked, as its row is not visible.
  return { rejected: [], retried: impatientHalves(group) }
}

/** Halves that find what holds one of them up; each waits a shorter time, so that the innocent ones wait little in all. */
export function impatientHalves<E>(group: Group<E>): readonly Retried<E>[] {
  return halves(group, Math.max(LOCK_TIMEOUT_MS_MIN, Math.ceil(group.lockTimeoutMs / 4)))
}

function afterRefusal<W, E extends Entry<W>>(
  group: Group<E>,
  end: BatchFailure,
  rules: GroupRules<W>,
): Verdict<E> {
  // Without its tables the database refuses everybody alike; a trigger of the host refuses its own work only.
  const allAlike = end.failure === 'unsuitable' && end.stage !== 'writing'
  if (group.entries.length > 1 && !allAlike) {
    return { rejected: [], retried: halves(group, group.lockTimeoutMs) }
  }
  // A refusal before anything was written says nothing about an earlier, unanswered COMMIT.
  const doubtful = group.unknown && end.stage !== 'writing' && !(end.error instanceof KerpError)
  return {
    rejected: group.entries.map((entry) => ({
      entry,
      error: doubtful
        ? timeIsUp(group, entry.work, rules, end.error)
        : refusalOf(entry.work, end.error, rules),
    })),
    retried: [],
  }
}

function refusalOf<W>(work: W, error: unknown, rules: GroupRules<W>): KerpError {
  const state = sqlStateOf(error)
  const isOwnFault = state !== undefined && failureKindOf(error) === 'rejected'
  return isOwnFault ? rules.rejected(work, state, error) : rules.typed(error)
}

function halves<E>(group: Group<E>, lockTimeoutMs: number): Retried<E>[] {
  const middle = Math.ceil(group.entries.length / 2)
  return [group.entries.slice(0, middle), group.entries.slice(middle)].map((entries) => ({
    ...group,
    entries,
    attempts: group.attempts + 1,
    lockTimeoutMs,
    backOff: false,
  }))
}
