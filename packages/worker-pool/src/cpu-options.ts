/** What a pool of threads is made of, with its bounds. */

import { availableParallelism } from 'node:os'
import { pathToFileURL } from 'node:url'
import { type Clock, InvalidOptionError, wholeNumberOption, objectOptions } from '@kerp/core'

/** What a pool of threads is made of. */
export interface CpuPoolOptions {
  /** The module whose default export is the task: a path, or `new URL('./tax.js', import.meta.url)`. */
  readonly entry: string | URL
  /** Threads, begun with the first job. @defaultValue the processors that this process may use */
  readonly threads?: number | undefined
  /** Jobs that wait for a thread; one more is refused with `OVERLOADED`. @defaultValue 100_000 */
  readonly queueMax?: number | undefined
  /** How long one job may run, in ms; then it is cancelled. @defaultValue 60_000 */
  readonly timeoutMs?: number | undefined
  /** How long a cancelled job may go on until its thread is ended, in ms. @defaultValue 1_000 */
  readonly graceMs?: number | undefined
  /** Fields of the caller's context, for the task; asked for at each call. @defaultValue none */
  readonly context?: (() => Readonly<Record<string, string>>) | undefined
  readonly clock?: Clock | undefined
}

/** The options with their defaults. */
export interface ResolvedCpuOptions {
  readonly entry: string
  readonly threads: number
  readonly queueMax: number
  readonly timeoutMs: number
  readonly graceMs: number
}

const WEEK_MS = 604_800_000

/** @throws {InvalidOptionError} `INVALID_OPTION`. */
export function resolveCpuOptions(options: CpuPoolOptions): ResolvedCpuOptions {
  const whole = (
    option: 'threads' | 'queueMax' | 'timeoutMs' | 'graceMs',
    range: { readonly min: number; readonly max: number; readonly fallback: number },
  ): number => wholeNumberOption('CpuPool', option, options[option], range)
  objectOptions('CpuPool', options)
  return Object.freeze({
    entry: entryOf(options.entry),
    threads: whole('threads', { min: 1, max: 1_024, fallback: availableParallelism() }),
    queueMax: whole('queueMax', { min: 1, max: 100_000_000, fallback: 100_000 }),
    timeoutMs: whole('timeoutMs', { min: 1, max: WEEK_MS, fallback: 60_000 }),
    graceMs: whole('graceMs', { min: 0, max: WEEK_MS, fallback: 1_000 }),
  })
}

function entryOf(entry: unknown): string {
  if (entry instanceof URL) return entry.href
  if (typeof entry !== 'string' || entry === '') {
    throw new InvalidOptionError('CpuPool', 'entry', 'a path or a file URL', entry)
  }
  return entry.startsWith('file:') ? entry : pathToFileURL(entry).href
}
