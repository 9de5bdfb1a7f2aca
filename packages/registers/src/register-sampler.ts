/**
 * Self-audit: compares a few rows that this process and Redis hold with the database, at a low rate, for ever.
 *
 * Every rule says that it finds nothing. Whatever it finds is counted, voided, and never hidden.
 */

import {
  type Clock,
  type Closable,
  observerOfPart,
  type InvalidationLog,
  type Observer,
  type RegisterRef,
  type RegisterSource,
  Repeater,
  systemClock,
  wholeNumberOption,
  withDeadline,
  objectOptions,
} from '@kerp/core'
import { compareRows } from './compare-rows.js'
import type { Registers } from './registers.js'

/** Options of `RegisterSampler`. */
export interface RegisterSamplerOptions {
  /** With an in-process tier: the rows that it holds are the ones that are sampled. */
  readonly registers: Registers
  /** The database that the registers are loaded from. */
  readonly source: RegisterSource
  /** Makes the voiding outlive Redis. */
  readonly invalidations?: InvalidationLog | undefined
  readonly observer?: Observer | undefined
  readonly clock?: Clock | undefined
  /** From one sample to the next, in ms. @defaultValue 5_000 */
  readonly everyMs?: number | undefined
  /** Rows of one sample. @defaultValue 20 */
  readonly rowsMax?: number | undefined
}

const DEADLINE_MS = 5_000

/** Samples for as long as it runs; its failures are reported to the observer and tried again. */
export class RegisterSampler implements Closable {
  readonly #options: RegisterSamplerOptions
  readonly #observer: Observer
  readonly #clock: Clock
  readonly #rowsMax: number
  readonly #repeater: Repeater

  /** No I/O happens here. @throws {InvalidOptionError} `INVALID_OPTION` */
  constructor(options: RegisterSamplerOptions) {
    objectOptions('RegisterSampler', options)
    const whole = (name: keyof RegisterSamplerOptions, fallback: number, max: number): number =>
      wholeNumberOption('RegisterSampler', name, options[name], { min: 1, max, fallback })
    this.#options = options
    this.#observer = observerOfPart(options.observer)
    this.#clock = options.clock ?? systemClock
    this.#rowsMax = whole('rowsMax', 20, 1_000)
    const everyMs = whole('everyMs', 5_000, 86_400_000)
    this.#repeater = new Repeater({
      source: 'RegisterSampler',
      pass: () => this.sample(),
      everyMs,
      firstMs: everyMs,
      observer: options.observer,
      clock: options.clock,
    })
  }

  /** Samples until `close`, for the first time after `everyMs`. */
  start(): void {
    this.#repeater.start()
  }

  /**
   * One sample: how many rows were compared, and how many held values were never a state of their row. Those
   * companies' registers are void afterwards.
   *
   * @throws what the source throws, and what Redis throws where a company could not be voided.
   */
  async sample(): Promise<{ readonly rows: number; readonly drifted: number }> {
    const refs = this.#options.registers.sample(this.#rowsMax)
    const companies = new Map<string, RegisterRef[]>()
    for (const ref of refs) companies.set(ref.companyId, [...(companies.get(ref.companyId) ?? []), ref])
    let drifted = 0
    for (const [companyId, theirs] of companies) drifted += await this.#compare(companyId, theirs)
    return { rows: refs.length, drifted }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Ends after the sample that runs now. */
  close(): Promise<void> {
    return this.#repeater.close()
  }

  async #compare(companyId: string, refs: readonly RegisterRef[]): Promise<number> {
    const { registers, source, invalidations } = this.#options
    const page = await withDeadline(source.load(companyId, refs), {
      operation: 'RegisterSource.load',
      deadlineMs: DEADLINE_MS,
      outcome: 'notDone',
      clock: this.#clock,
    })
    const held = { cached: () => Promise.resolve(refs.map((ref) => registers.peek(ref))) }
    const compared = [
      ...(await compareRows({ registers: held, source }, companyId, page)),
      ...(await compareRows({ registers, source }, companyId, page)),
    ]
    const drifted = compared.filter(({ verdict }) => verdict === 'different').length
    if (drifted === 0) return 0
    this.#observer.balanceDrift?.({ count: drifted })
    await invalidations?.invalidateAll(companyId)
    await registers.invalidateAll(companyId)
    return drifted
  }
}
