/**
 * Loads rows from the database on behalf of all readers: bounded, batched, and never older than the call.
 *
 * At most `loadsMax` statements run at once and no row is in two of them. A caller never joins a statement that
 * runs already, for it may have begun before a commit that the caller knows of; it joins the next one, which
 * carries everything that waits for the same company.
 */

import {
  type Clock,
  InvalidInputError,
  type Observer,
  OverloadedError,
  type RandomSource,
  RecentFailures,
  type RegisterImage,
  type RegisterRef,
  type RegisterSource,
  withDeadline,
  objectOptions,
} from '@kerp/core'
import { LoadBackoffError } from './errors.js'
import { codeOfFailure, isDatabaseFailure } from './load-failure.js'

/** A row with the history and the moment that it was read at. */
export interface LoadedRegister {
  readonly image: RegisterImage
  readonly epoch: string
  readonly asOfMs: number
}

/** A row to load, with the key of its register. */
export interface KeyedRef {
  readonly ref: RegisterRef
  readonly key: string
}

/** What a loader is made of. */
export interface RegisterLoaderOptions {
  /** The database that rows are loaded from. */
  readonly source: Pick<RegisterSource, 'load'>
  readonly clock: Clock
  readonly random: RandomSource
  readonly observer: Observer | undefined
  /** Statements at once. */
  readonly loadsMax: number
  /** Rows of one statement. */
  readonly rowsPerLoadMax: number
  /** Rows that wait for a statement; more are refused with `OVERLOADED`. */
  readonly waitingRowsMax: number
  /** From the begin of a statement to the end of waiting for it, in ms. */
  readonly loadDeadlineMs: number
  /** How long rows are not loaded again after a failure, less up to half of it by chance, in ms. */
  readonly backoffMs: number
}

interface Batch {
  readonly companyId: string
  /** Its rows were being loaded when they came, so it waits for the end of those statements. */
  readonly held: boolean
  /** Its rows were asked for as one moment: nothing joins it, and it joins nothing. */
  readonly alone: boolean
  readonly rows: Map<string, RegisterRef>
  /** Rows that were left out because loading them failed while they waited, with what failed. */
  readonly failed: Map<string, unknown>
  readonly result: Promise<ReadonlyMap<string, LoadedRegister>>
  readonly settle: (outcome: Promise<ReadonlyMap<string, LoadedRegister>>) => void
}

/** The one way from registers to the database. */
export class RegisterLoader {
  readonly #options: RegisterLoaderOptions
  readonly #waiting: Batch[] = []
  readonly #loading = new Set<string>()
  readonly #failures: RecentFailures
  #running = 0
  #waitingRows = 0

  constructor(options: RegisterLoaderOptions) {
    this.#options = objectOptions('RegisterLoader', options)
    this.#failures = new RecentFailures(options.clock)
  }

  /** How long to wait after a failure: another time at each call. */
  backoffMs(): number {
    return this.#options.backoffMs * (1 - this.#options.random.fraction() / 2)
  }

  /**
   * The rows as of a statement that begins after this call, in the order of `rows`.
   *
   * @throws {OverloadedError} `OVERLOADED`, retryable, when too many rows wait.
   * @throws {DeadlineExceededError} `DEADLINE_EXCEEDED`, retryable, when the statement takes too long.
   * @throws {LoadBackoffError} `LOAD_BACKOFF`, retryable, when loading one of them failed a moment ago.
   * @throws whatever the source throws.
   */
  async load(companyId: string, rows: readonly KeyedRef[]): Promise<readonly LoadedRegister[]> {
    this.#admit(rows)
    const batches = new Set<Batch>()
    for (const { key, ref } of rows) batches.add(this.#enqueue(companyId, key, ref))
    this.#begin()
    const loaded = new Map<string, LoadedRegister>()
    const failed = new Map<string, unknown>()
    for (const result of await Promise.all([...batches].map((batch) => batch.result))) {
      for (const [key, row] of result) loaded.set(key, row)
    }
    for (const batch of batches) for (const [key, error] of batch.failed) failed.set(key, error)
    return rows.map(({ key }) => {
      if (failed.has(key)) throw backoffAfter(failed.get(key))
      return present(loaded.get(key))
    })
  }

  /**
   * The rows as of one statement of their own that begins after this call, in the order of `rows`: one moment.
   *
   * Throws like `load`.
   */
  async loadTogether(companyId: string, rows: readonly KeyedRef[]): Promise<readonly LoadedRegister[]> {
    this.#admit(rows)
    const batch = newBatch(companyId, { held: false, alone: true })
    for (const { key, ref } of rows) batch.rows.set(key, ref)
    this.#waiting.push(batch)
    this.#waitingRows += batch.rows.size
    this.#begin()
    const loaded = await batch.result
    return rows.map(({ key }) => present(loaded.get(key)))
  }

  #admit(rows: readonly KeyedRef[]): void {
    const { waitingRowsMax } = this.#options
    for (const { key } of rows) this.#refuseFailed(key)
    if (this.#waitingRows + rows.length > waitingRowsMax) {
      throw new OverloadedError('Registers', 'waitingRowsMax', waitingRowsMax)
    }
  }

  #refuseFailed(key: string): void {
    const failure = this.#failures.of(key)
    if (failure !== undefined) throw backoffAfter(failure.error)
  }

  #enqueue(companyId: string, key: string, ref: RegisterRef): Batch {
    const held = this.#loading.has(key)
    let batch: Batch | undefined
    for (const candidate of this.#waiting) {
      if (candidate.companyId !== companyId || candidate.alone) continue
      if (candidate.rows.has(key)) return candidate
      // Rows that must wait for a running statement do not hold up rows that need not.
      if (candidate.held === held && candidate.rows.size < this.#options.rowsPerLoadMax) batch ??= candidate
    }
    if (batch === undefined) {
      batch = newBatch(companyId, { held, alone: false })
      this.#waiting.push(batch)
    }
    batch.rows.set(key, ref)
    this.#waitingRows += 1
    return batch
  }

  #isBlocked(batch: Batch): boolean {
    if (!batch.held) return false
    for (const key of batch.rows.keys()) if (this.#loading.has(key)) return true
    return false
  }

  #begin(): void {
    for (let index = 0; index < this.#waiting.length && this.#running < this.#options.loadsMax; ) {
      const batch = this.#waiting[index]
      if (batch === undefined || this.#isBlocked(batch)) {
        index += 1
        continue
      }
      this.#waiting.splice(index, 1)
      this.#run(batch)
    }
  }

  #run(batch: Batch): void {
    this.#waitingRows -= batch.rows.size
    // Rows whose load failed while they waited are left out; their callers are told in `load`.
    if (!batch.alone) this.#leaveOut(batch)
    if (batch.rows.size === 0) {
      batch.settle(Promise.resolve(new Map()))
      return
    }
    this.#running += 1
    if (!batch.alone) for (const key of batch.rows.keys()) this.#loading.add(key)
    const outcome = this.#loadRows(batch)
    batch.settle(outcome)
    const end = (): void => {
      this.#running -= 1
      if (!batch.alone) for (const key of batch.rows.keys()) this.#loading.delete(key)
      this.#begin()
    }
    outcome.then(end, end)
  }

  #leaveOut({ rows, failed }: Batch): void {
    for (const key of rows.keys()) {
      const failure = this.#failures.of(key)
      if (failure === undefined) continue
      rows.delete(key)
      failed.set(key, failure.error)
    }
  }

  async #loadRows(batch: Batch): Promise<ReadonlyMap<string, LoadedRegister>> {
    const { source, clock, observer, loadDeadlineMs } = this.#options
    const refs = [...batch.rows.values()]
    const begunMs = clock.monotonicMs()
    const type = refs[0]?.family ?? 'balance'
    const tell = (ok: boolean): void =>
      observer?.cacheLoad?.({ type, ok, elapsedMs: clock.monotonicMs() - begunMs })
    try {
      const { images, epoch, asOfMs } = await withDeadline(source.load(batch.companyId, refs), {
        operation: 'RegisterSource.load',
        deadlineMs: loadDeadlineMs,
        outcome: 'notDone',
        clock,
      })
      tell(true)
      const keys = [...batch.rows.keys()]
      return new Map(keys.map((key, index) => [key, { image: present(images[index]), epoch, asOfMs }]))
    } catch (error) {
      tell(false)
      if (isDatabaseFailure(error)) {
        for (const key of batch.rows.keys()) this.#failures.add(key, error, this.backoffMs())
      }
      throw error
    }
  }
}

function newBatch(companyId: string, kind: Pick<Batch, 'held' | 'alone'>): Batch {
  let settle: Batch['settle'] = () => undefined
  const result = new Promise<ReadonlyMap<string, LoadedRegister>>((resolve) => {
    settle = resolve
  })
  return { companyId, ...kind, rows: new Map(), failed: new Map(), result, settle }
}

function backoffAfter(error: unknown): LoadBackoffError {
  return new LoadBackoffError(codeOfFailure(error), error)
}

function present<T>(value: T | undefined): T {
  if (value !== undefined) return value
  throw new InvalidInputError('source.load', 'a source that answers one image for each ref', value)
}
