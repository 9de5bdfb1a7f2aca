/** Named parts in parallel, joined by a deadline, with partial failures kept apart. */

import {
  type Clock,
  DeadlineExceededError,
  InvalidInputError,
  onAbort,
  systemClock,
  isError,
  objectInput,
} from '@kerp/core'
import pLimit from 'p-limit'
import { FanOutError, JobCancelledError, JobFailedError } from './errors.js'
import { checkWhole, TIME_MS_MAX } from './pool-options.js'
import { TurnPace } from './turn-pace.js'

/** What a section is given. */
export interface SectionContext {
  readonly name: string
  /** Aborts at the deadline, with the caller's signal, and when a needed section failed. */
  readonly signal: AbortSignal
}

/** The work of one section. */
export type SectionFunction<T> = (context: SectionContext) => T | PromiseLike<T>

/** Sections by name; results keep this order. */
export type Sections = Readonly<Record<string, SectionFunction<unknown>>>

/** Options of `fanOut`. */
export interface FanOutOptions<Name extends string = string> {
  /** From the call to the answer, in ms, up to a day. A section that has not ended then is missing. */
  readonly deadlineMs: number
  /**
   * Sections without which there is no answer but a `FanOutError`: `all`, those that are named, or `any` one of them.
   * @defaultValue none: every failure is in the answer
   */
  readonly need?: 'all' | 'any' | readonly Name[] | undefined
  /** Sections that run at once, up to 1,000. @defaultValue 8 */
  readonly concurrency?: number | undefined
  /** Ends the sections that still run, as cancelled; what the others answered stays. */
  readonly signal?: AbortSignal | undefined
  readonly clock?: Clock | undefined
}

/** How one section ended. */
export type SectionOutcome =
  | { readonly name: string; readonly ok: true; readonly value: unknown; readonly elapsedMs: number }
  | { readonly name: string; readonly ok: false; readonly error: Error; readonly elapsedMs: number }

type ValueOf<F> = F extends (context: SectionContext) => infer T ? Awaited<T> : never

/** What the sections gave. */
export interface FanOutResult<S extends Sections, Needed extends keyof S = never> {
  /** Of the sections that succeeded, in the order of the input. */
  readonly values: { readonly [K in keyof S]?: ValueOf<S[K]> } & { readonly [K in Needed]: ValueOf<S[K]> }
  /** Of the others. */
  readonly errors: { readonly [K in keyof S]?: Error }
  /** Names of the others, in the order of the input. */
  readonly missing: readonly (keyof S & string)[]
  /** All, in the order of the input. */
  readonly sections: readonly SectionOutcome[]
  readonly elapsedMs: number
}

const SECTIONS_MAX = 1_000

/** Sections that run at once unless it is said otherwise. */
const CONCURRENCY = 8

/**
 * Runs all sections, at most `concurrency` at once, and answers by the deadline with what they gave.
 *
 * One section that fails does not disturb the others, unless it is needed: then the others are told to stop. A section
 * that ignores its signal runs on, and what it does after the answer is ignored.
 *
 * @throws {InvalidInputError} `INVALID_INPUT`
 * @throws {FanOutError} `FAN_OUT_INCOMPLETE`: a needed section did not succeed; it has what the others gave
 * @example
 * const sections = { cash: async () => 100n, stock: () => Promise.reject(new Error('no stock')) }
 * const report = await fanOut(sections, { deadlineMs: 800, need: ['cash'] })
 * report.values.cash // 100n
 * report.missing // ['stock']
 */
export function fanOut<const S extends Sections>(
  sections: S,
  options: FanOutOptions<keyof S & string> & { readonly need: 'all' },
): Promise<FanOutResult<S, keyof S>>
export function fanOut<const S extends Sections, const Needed extends keyof S & string = never>(
  sections: S,
  options: FanOutOptions<keyof S & string> & { readonly need?: 'any' | readonly Needed[] | undefined },
): Promise<FanOutResult<S, Needed>>
export async function fanOut(sections: Sections, options: FanOutOptions): Promise<FanOutResult<Sections>> {
  const names = Object.keys(objectInput('sections', sections))
  objectInput('options', options)
  check(sections, names, options)
  const run = new FanOut(sections, names, options)
  return run.answer()
}

function check(sections: Sections, names: readonly string[], options: FanOutOptions): void {
  if (names.length > SECTIONS_MAX)
    throw new InvalidInputError('sections', `at most ${SECTIONS_MAX} sections`, names.length)
  for (const name of names) {
    if (typeof sections[name] !== 'function')
      throw new InvalidInputError(`sections.${name}`, 'a function', sections[name])
  }
  checkWhole('deadlineMs', options.deadlineMs, 1, TIME_MS_MAX)
  if (options.concurrency !== undefined) checkWhole('concurrency', options.concurrency, 1, SECTIONS_MAX)
  const need: unknown = options.need ?? []
  if (need === 'all' || need === 'any') return
  if (!Array.isArray(need)) throw new InvalidInputError('need', 'all, any or a list of names', need)
  for (const name of need as unknown[]) {
    if (typeof name !== 'string' || !names.includes(name))
      throw new InvalidInputError('need', `names among ${names.join(', ')}`, name)
  }
}

/** One call of `fanOut`. */
class FanOut {
  readonly #sections: Sections
  readonly #names: readonly string[]
  readonly #options: FanOutOptions
  readonly #clock: Clock
  readonly #controller = new AbortController()
  readonly #outcomes = new Map<string, SectionOutcome>()
  readonly #begun = new Set<string>()
  readonly #startMs: number
  #complete: () => void = () => undefined

  constructor(sections: Sections, names: readonly string[], options: FanOutOptions) {
    this.#sections = sections
    this.#names = names
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#startMs = this.#clock.monotonicMs()
  }

  async answer(): Promise<FanOutResult<Sections>> {
    const { signal, deadlineMs } = this.#options
    const over = new Promise<void>((resolve) => (this.#complete = resolve))
    const abort = (): void => this.#endOthers((name) => this.#cancelled(name, signal?.reason))
    const timer = this.#clock.setTimer(deadlineMs, () => this.#endOthers((name) => this.#late(name)))
    const unlisten = signal === undefined ? undefined : onAbort(signal, abort)
    if (signal?.aborted === true) abort()
    else this.#begin()
    if (this.#names.length === 0) this.#complete()
    await over
    timer.cancel()
    unlisten?.()
    return this.#join()
  }

  #begin(): void {
    const limit = pLimit(this.#options.concurrency ?? CONCURRENCY)
    const pace = new TurnPace()
    for (const name of this.#names) {
      void limit(async () => {
        await this.#run(name)
        await pace.pieceDone()
      })
    }
  }

  async #run(name: string): Promise<void> {
    const section = this.#sections[name]
    if (this.#outcomes.has(name) || section === undefined) return
    this.#begun.add(name)
    try {
      const value = await section({ name, signal: this.#controller.signal })
      this.#ended({ name, ok: true, value, elapsedMs: this.#elapsedMs() })
    } catch (thrown) {
      const error = isError(thrown) ? thrown : new JobFailedError(name, thrown)
      this.#ended({ name, ok: false, error, elapsedMs: this.#elapsedMs() })
    }
  }

  #ended(outcome: SectionOutcome): void {
    // What ends after the answer, or after it was told to stop, is ignored.
    if (this.#outcomes.has(outcome.name)) return
    this.#outcomes.set(outcome.name, outcome)
    if (this.#outcomes.size === this.#names.length) this.#complete()
    else if (!outcome.ok && this.#isNeeded(outcome.name))
      this.#endOthers((name) => this.#cancelled(name, outcome.error))
  }

  #endOthers(reasonOf: (name: string) => Error): void {
    const open = this.#names.filter((name) => !this.#outcomes.has(name))
    const elapsedMs = this.#elapsedMs()
    for (const name of open) this.#outcomes.set(name, { name, ok: false, error: reasonOf(name), elapsedMs })
    this.#controller.abort(open[0] === undefined ? undefined : reasonOf(open[0]))
    this.#complete()
  }

  #cancelled(name: string, reason: unknown): Error {
    return new JobCancelledError(name, this.#begun.has(name), reason)
  }

  #late(name: string): Error {
    const outcome = this.#begun.has(name) ? 'unknown' : 'notDone'
    return new DeadlineExceededError(`Section ${name}`, this.#options.deadlineMs, outcome)
  }

  #isNeeded(name: string): boolean {
    const { need = [] } = this.#options
    return need === 'all' || (need !== 'any' && need.includes(name))
  }

  #elapsedMs(): number {
    return this.#clock.monotonicMs() - this.#startMs
  }

  #join(): FanOutResult<Sections> {
    const sections = this.#names.flatMap((name) => this.#outcomes.get(name) ?? [])
    const values = Object.fromEntries(sections.flatMap((one) => (one.ok ? [[one.name, one.value]] : [])))
    const errors = Object.fromEntries(sections.flatMap((one) => (one.ok ? [] : [[one.name, one.error]])))
    const missing = Object.keys(errors)
    const isNone = this.#options.need === 'any' && missing.length === this.#names.length
    const needed = isNone ? missing : missing.filter((name) => this.#isNeeded(name))
    if (needed.length > 0) throw new FanOutError(needed, values, errors, this.#firstFailure(needed, errors))
    return { values, errors, missing, sections, elapsedMs: this.#elapsedMs() }
  }

  /** The one that the others were stopped for, not one that was stopped. */
  #firstFailure(needed: readonly string[], errors: Readonly<Record<string, Error>>): Error | undefined {
    const failures = needed.flatMap((name) => errors[name] ?? [])
    return failures.find((error) => !(error instanceof JobCancelledError)) ?? failures[0]
  }
}
