/** What a map takes and gives. */

import { type Clock, InvalidInputError, type RandomSource } from '@kerp/core'
import type { JobContext, JobOptions } from './job.js'
import { checkWhole, type JobTerms, resolveJobOptions } from './pool-options.js'

/** What becomes of failures: the first one ends the map, all are collected, or at most `errorsMax` of them. */
export type OnError = 'throw' | 'collect' | { readonly errorsMax: number }

/** Options of `map`. */
export interface MapOptions
  extends Pick<JobOptions, 'companyId' | 'priority' | 'timeoutMs' | 'retry' | 'signal'> {
  /** Whether results come as they are ready, or as the source gave their items. @defaultValue 'completion' */
  readonly order?: 'completion' | 'input' | undefined
  /** Items that were read and whose results were not taken yet; none is read beyond. @defaultValue twice the concurrency */
  readonly windowMax?: number | undefined
  /** `throw`: the first failure ends the map · `collect`: failures are results · `{ errorsMax }`: so many are. @defaultValue 'throw' */
  readonly onError?: OnError | undefined
  /** How many items there are, for progress. @defaultValue the length of an array, the size of a set or map; else unknown */
  readonly total?: number | undefined
}

/** What `fn` is given beside its item. */
export interface ItemContext extends JobContext {
  /** 0 for the first item of the source. */
  readonly index: number
}

/** The work on one item. It runs in the async context of the caller of `map`. */
export type ItemFunction<I, R> = (input: I, context: ItemContext) => R | PromiseLike<R>

/** What became of one item. Failures appear only if `onError` collects them. */
export type MapResult<I, R> =
  | { readonly ok: true; readonly index: number; readonly input: I; readonly value: R }
  | { readonly ok: false; readonly index: number; readonly input: I; readonly error: unknown }

/** What became of all items that were read: `read` is the sum of the others. */
export interface MapSummary {
  readonly read: number
  readonly done: number
  readonly failed: number
  readonly cancelled: number
  readonly returned: number
  readonly abandoned: number
}

/** `MapOptions` with every choice made. */
export interface ResolvedMapOptions {
  readonly terms: JobTerms
  readonly isInOrder: boolean
  readonly windowMax: number
  /** Failures that end the map when there is one more. */
  readonly errorsMax: number
  readonly isThrowing: boolean
  readonly total: number | undefined
  readonly clock: Clock
  readonly random: RandomSource
}

const WINDOW_MAX = 1_000_000

/** @throws {InvalidInputError} `INVALID_INPUT` for the first option that is wrong; nothing was read. */
export function resolveMapOptions(
  options: MapOptions,
  defaults: { terms: JobTerms; concurrency: number; clock: Clock; random: RandomSource },
  source: unknown,
): ResolvedMapOptions {
  const { order = 'completion', windowMax = 2 * defaults.concurrency, onError = 'throw', total } = options
  checkWhole('windowMax', windowMax, 1, WINDOW_MAX)
  if (total !== undefined) checkWhole('total', total, 0, Number.MAX_SAFE_INTEGER)
  checkOrder(order)
  return {
    terms: resolveJobOptions(defaults.terms, options),
    isInOrder: order === 'input',
    windowMax,
    errorsMax: errorsMaxOf(onError),
    isThrowing: onError === 'throw',
    total: total ?? sizeOf(source),
    clock: defaults.clock,
    random: defaults.random,
  }
}

function checkOrder(order: unknown): void {
  if (order === 'completion' || order === 'input') return
  throw new InvalidInputError('order', 'completion or input', order)
}

function errorsMaxOf(onError: OnError): number {
  if (onError === 'throw') return 0
  if (onError === 'collect') return Number.POSITIVE_INFINITY
  if (typeof onError !== 'object')
    throw new InvalidInputError('onError', 'throw, collect or { errorsMax }', onError)
  checkWhole('onError.errorsMax', onError.errorsMax, 0, Number.MAX_SAFE_INTEGER)
  return onError.errorsMax
}

function sizeOf(source: unknown): number | undefined {
  if (Array.isArray(source)) return source.length
  return source instanceof Set || source instanceof Map ? source.size : undefined
}
