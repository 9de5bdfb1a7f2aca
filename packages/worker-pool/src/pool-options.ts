/** What a pool and a single job take, checked at the edge. */

import {
  type Clock,
  observerOfPart,
  InvalidInputError,
  InvalidOptionError,
  type Observer,
  oneOfOption,
  type RandomSource,
  systemClock,
  systemRandom,
  textOption,
  wholeNumberOption,
} from '@kerp/core'
import type { JobOptions, JobPriority, JobRetry } from './job.js'

/** What happens to a job that finds all places taken and the queue full. */
export type OnFull = 'wait' | 'reject' | 'dropOldest' | 'callerRuns'

/** Options of `createPool`. */
export interface PoolOptions {
  /** For errors and metrics: a letter, then up to 63 of `A-Z a-z 0-9 . _ -`. */
  readonly name: string
  /** Jobs that run at once. @defaultValue 16 */
  readonly concurrency?: number | undefined
  /** Accepted jobs that wait for their start, retries included. @defaultValue 1_000 */
  readonly queueMax?: number | undefined
  /**
   * `wait`: the caller waits for room, in turn with other companies · `reject`: `OVERLOADED` · `dropOldest`: the oldest
   * job of the lowest priority, of the same company if it has one, makes room with `JOB_DROPPED` · `callerRuns`: the
   * job runs at once, beside the pool's own, and `submit` answers when it has ended. @defaultValue 'wait'
   */
  readonly onFull?: OnFull | undefined
  /** Callers that wait for room; one more is refused with `OVERLOADED`. @defaultValue 10_000 */
  readonly waitersMax?: number | undefined
  /** From the start of an attempt to its end, in ms. @defaultValue 300_000 */
  readonly timeoutMs?: number | undefined
  /** How long a function that was told to stop keeps its place and its key, in ms. @defaultValue 1_000 */
  readonly graceMs?: number | undefined
  /** How often a failed job is tried again, and after what waits. @defaultValue none: a job is tried once */
  readonly retry?: JobRetry | undefined
  /** Times in a row that a higher priority begins before a lower one has its turn. @defaultValue 16 */
  readonly passesMax?: number | undefined
  readonly observer?: Observer | undefined
  readonly clock?: Clock | undefined
  readonly random?: RandomSource | undefined
}

/** `PoolOptions` with every choice made. */
export interface ResolvedPoolOptions {
  readonly name: string
  readonly concurrency: number
  readonly queueMax: number
  readonly onFull: OnFull
  readonly waitersMax: number
  readonly graceMs: number
  readonly passesMax: number
  readonly observer: Observer
  readonly clock: Clock
  readonly random: RandomSource
  /** What a job without options gets. */
  readonly terms: JobTerms
}

/** The options of one job with every choice made; shared by all jobs that ask for nothing. */
export interface JobTerms {
  readonly id: string | undefined
  readonly key: string | undefined
  readonly companyId: string | undefined
  /** 0 is served first. */
  readonly band: number
  readonly timeoutMs: number
  readonly waitMs: number | undefined
  readonly retry: JobRetry | undefined
  readonly signal: AbortSignal | undefined
}

/** The longest of all times here: a day, in ms. */
export const TIME_MS_MAX = 86_400_000

/** Characters of an id, a key or a company. */
const TEXT_MAX = 256
const CONCURRENCY_MAX = 100_000

// The order in which priorities are served.
const BANDS: readonly JobPriority[] = ['high', 'normal', 'low']

const NAME = {
  pattern: /^[A-Za-z][\w.-]{0,63}$/,
  words: 'a letter and up to 63 of A-Z a-z 0-9 . _ -',
  fallback: '',
}

/** @throws {InvalidOptionError} `INVALID_OPTION` */
export function resolvePoolOptions(options: PoolOptions): ResolvedPoolOptions {
  if (!isObject(options)) throw new InvalidOptionError('createPool', 'options', 'an object', options)
  const name = textOption('Pool', 'name', options.name, NAME)
  if (name === '') throw new InvalidOptionError('Pool', 'name', NAME.words, options.name)
  const owner = `Pool ${name}`
  const whole = (option: keyof PoolOptions, min: number, max: number, fallback: number): number =>
    wholeNumberOption(owner, option, options[option], { min, max, fallback })
  if (options.retry !== undefined) checkRetry(options.retry, `${owner} option retry`)
  return Object.freeze({
    name,
    concurrency: whole('concurrency', 1, CONCURRENCY_MAX, 16),
    queueMax: whole('queueMax', 0, 100_000_000, 1_000),
    onFull: oneOfOption(
      owner,
      'onFull',
      options.onFull,
      ['wait', 'reject', 'dropOldest', 'callerRuns'],
      'wait',
    ),
    waitersMax: whole('waitersMax', 1, 100_000_000, 10_000),
    graceMs: whole('graceMs', 0, TIME_MS_MAX, 1_000),
    passesMax: whole('passesMax', 1, 1_000_000, 16),
    observer: observerOfPart(options.observer),
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    terms: Object.freeze({
      id: undefined,
      key: undefined,
      companyId: undefined,
      band: BANDS.indexOf('normal'),
      timeoutMs: whole('timeoutMs', 1, TIME_MS_MAX, 300_000),
      waitMs: undefined,
      retry: options.retry,
      signal: undefined,
    }),
  })
}

/** @throws {InvalidInputError} `INVALID_INPUT` for the first option that is wrong; nothing was accepted. */
export function resolveJobOptions(defaults: JobTerms, options: JobOptions): JobTerms {
  if (!isObject(options)) throw new InvalidInputError('options', 'an object', options)
  const { id, key, companyId, priority, timeoutMs, waitMs, retry, signal } = options
  checkText('id', id)
  checkText('key', key)
  checkText('companyId', companyId)
  if (timeoutMs !== undefined) checkWhole('timeoutMs', timeoutMs, 1, TIME_MS_MAX)
  if (waitMs !== undefined) checkWhole('waitMs', waitMs, 0, TIME_MS_MAX)
  if (retry !== undefined) checkRetry(retry, 'retry')
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw new InvalidInputError('signal', 'an AbortSignal', signal)
  return {
    id,
    key,
    companyId,
    band: priority === undefined ? defaults.band : bandOf(priority),
    timeoutMs: timeoutMs ?? defaults.timeoutMs,
    waitMs,
    retry: retry ?? defaults.retry,
    signal,
  }
}

/** @throws {InvalidInputError} `INVALID_INPUT` */
export function checkWhole(field: string, value: unknown, min: number, max: number): void {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return
  throw new InvalidInputError(field, `a whole number from ${min} to ${max}`, value)
}

/** The concurrency of `resize`. @throws {InvalidInputError} `INVALID_INPUT` */
export function checkConcurrency(value: unknown): void {
  checkWhole('concurrency', value, 1, CONCURRENCY_MAX)
}

function bandOf(priority: JobPriority): number {
  const band = BANDS.indexOf(priority)
  if (band >= 0) return band
  throw new InvalidInputError('priority', `one of ${BANDS.join(', ')}`, priority)
}

function checkText(field: string, value: unknown): void {
  if (value === undefined) return
  if (typeof value === 'string' && value.length > 0 && value.length <= TEXT_MAX) return
  throw new InvalidInputError(field, `a text of 1 to ${TEXT_MAX} characters`, value)
}

function checkRetry(retry: JobRetry, field: string): void {
  if (!isObject(retry)) throw new InvalidInputError(field, 'an object', retry)
  checkWhole(`${field}.attemptsMax`, retry.attemptsMax, 1, 1_000)
  for (const name of ['backoffMs', 'backoffMsMax'] as const) {
    if (retry[name] !== undefined) checkWhole(`${field}.${name}`, retry[name], 0, TIME_MS_MAX)
  }
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}
