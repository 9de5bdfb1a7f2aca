/**
 * Registers: rows of the database, cached in Redis by version, read through.
 *
 * Knows nothing of accounts or stock. Redis does no arithmetic: it holds the images of committed rows, and a
 * watermark beside them that says which of them are valid and how far the relay got.
 */

import {
  type CacheRequest,
  type Closable,
  closeOnce,
  InvalidInputError,
  listInput,
  objectInput,
  type ReadToken,
  type RegisterFamily,
  type RegisterImages,
  type RegisterRef,
  withDeadline,
} from '@kerp/core'
import { type ApplyResult, applyImages } from './apply-images.js'
import { readingOf } from './fill-loaded.js'
import { readCut } from './cut-rows.js'
import { type ForeignDatabaseError, LoadBackoffError } from './errors.js'
import { answerOf } from './local-reading.js'
import type { Freshness } from './local-tier.js'
import { MissingRows } from './missing-rows.js'
import { GENERATION_RANDOM_BYTES, parseImageText } from './register.js'
import { type AnswerMaker, plainReading, type RegisterReading } from './register-reading.js'
import { type RegistersOptions, type RegistersParts, resolveRegistersOptions } from './registers-options.js'
import { renewGeneration } from './renew-generation.lua.js'
import { hasKey, newRows, readCached, readStored, type Rows } from './stored-rows.js'
import { voidRegisters } from './void-registers.lua.js'
import { Wanted } from './wanted.js'

/** What a read may ask for beside its rows. */
export interface RegisterReadOptions {
  /** A token of a posting: no row is answered older than the token names it. */
  readonly atLeast?: ReadToken | undefined
  /** All rows as they stood at one moment of the database: no change is in one of them and not in another. */
  readonly cut?: boolean | undefined
}

/** How long `foreign()` tells of what a read met, in ms. */
const FOREIGN_MS = 60_000

/**
 * Reads registers, and applies committed images to them.
 *
 * Needs an `OutboxRelay` somewhere: without one no watermark stands in Redis, and the database answers all.
 */
export class Registers implements Closable {
  readonly #parts: RegistersParts
  readonly #missing: MissingRows
  readonly #close = closeOnce(async () => {
    await this.#parts.tier?.close()
  })

  /**
   * No I/O happens here.
   *
   * @throws {InvalidOptionError} `INVALID_OPTION`
   */
  constructor(options: RegistersOptions) {
    this.#parts = resolveRegistersOptions(options)
    this.#missing = new MissingRows(this.#parts)
  }

  /**
   * The rows in the order of `refs`, of which any may stand there twice.
   *
   * Each row is exact: a state that the database committed. Several rows are one moment only with `cut`: then all
   * come from this process, or all from one statement. Rows that this process holds cost no round trip, those that
   * Redis holds one; all others are loaded in one statement. While Redis is down, silent or has no watermark, and with
   * an in-process tier also while nobody vouches for it, the database answers.
   *
   * @throws {EpochChangedError} `EPOCH_CHANGED`: the token is of another history than the database's.
   * @throws {VersionNotReachedError} `VERSION_NOT_REACHED`, retryable: the database itself is behind the token.
   * @throws {OverloadedError} `OVERLOADED`, retryable: too many rows wait for the database.
   * @throws {LoadBackoffError} `LOAD_BACKOFF`, retryable: loading one of the rows failed less than `loadBackoffMs` ago.
   * @throws {DeadlineExceededError} `DEADLINE_EXCEEDED`, retryable.
   * @throws {InvalidInputError} `INVALID_INPUT` or `INVALID_KEY` for a ref or token that is none.
   * @throws whatever the source throws, for example `DATABASE_UNAVAILABLE`.
   */
  getMany(
    companyId: string,
    refs: readonly RegisterRef[],
    options: RegisterReadOptions = {},
  ): Promise<readonly RegisterReading[]> {
    return this.getManyAs(plainReading, companyId, refs, options)
  }

  /**
   * `getMany` in other words: what `make` writes of each row. Of a row that this process holds it is written once and
   * answered to all who ask until the row or its company moves on, so it should be frozen.
   */
  async getManyAs<V>(
    make: AnswerMaker<V>,
    companyId: string,
    refs: readonly RegisterRef[],
    options: RegisterReadOptions = {},
  ): Promise<readonly V[]> {
    listInput('refs', refs)
    objectInput('options', options)
    const { clock, observer } = this.#parts
    const begunMs = clock.monotonicMs()
    const wanted = options.atLeast === undefined ? undefined : new Wanted(this.#parts.keys, options.atLeast)
    const readings =
      options.cut === true
        ? await readCut(this.#parts, companyId, refs, wanted)
        : await this.#readEach(companyId, refs, wanted)
    observer.cacheRead?.({ type: refs[0]?.family ?? 'balance', elapsedMs: clock.monotonicMs() - begunMs })
    return readings.map((reading) => answerOf(reading, make))
  }

  /**
   * The row, if this process holds it and can prove that it is at most `maxStalenessMs` old: synchronous, without any
   * I/O. Undefined says nothing of the row; `getMany` answers then. It is never older than what this process applied.
   */
  peek(ref: RegisterRef): RegisterReading | undefined {
    const { companyId, family, parts } = ref
    return this.peekAs(plainReading, companyId, family, parts[0], parts[1])
  }

  /** `peek` in other words, as `getManyAs`; for those who count nanoseconds, as no ref has to be made. */
  peekAs<V>(
    make: AnswerMaker<V>,
    companyId: string,
    family: RegisterFamily,
    first: string,
    second: string,
  ): V | undefined {
    return this.#parts.tier?.peekAs(make, companyId, family, first, second)
  }

  /** Whether a row can have a register; one of a host's own tables may have a name that no key has room for. */
  canHold(ref: RegisterRef): boolean {
    return hasKey(this.#parts, ref)
  }

  /** What may be answered from caches now; undefined without an in-process tier. */
  freshness(): Freshness | undefined {
    return this.#parts.tier?.freshness()
  }

  /** The other database whose rows stood in the place of this one's, if a read met them in the last minute. */
  foreign(): ForeignDatabaseError | undefined {
    return this.#parts.ownEpoch.foreignWithin(FOREIGN_MS)
  }

  /** Rows that this process holds, some at each call and others at the next; for samplers. */
  sample(count: number): readonly RegisterRef[] {
    return this.#parts.tier?.sample(count) ?? []
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Ends the in-process tier and its connection; reads go on without it. */
  close(): Promise<void> {
    return this.#close()
  }

  async #readEach(
    companyId: string,
    refs: readonly RegisterRef[],
    wanted: Wanted | undefined,
  ): Promise<readonly RegisterReading[]> {
    const { tier, keys } = this.#parts
    if (tier === undefined) return this.#readStored(newRows(companyId, refs, undefined), wanted)
    const readings = refs.map((ref) => {
      const { family, parts } = ref
      const reading =
        ref.companyId === companyId ? tier.peek(companyId, family, parts[0], parts[1]) : undefined
      const isMet =
        wanted === undefined || reading === undefined
          ? true
          : wanted.isMet(keys.register(ref), reading.epoch, reading.image.version)
      return isMet ? reading : undefined
    })
    const missing = refs.filter((_, index) => readings[index] === undefined)
    if (missing.length === 0) return complete(readings)
    const rows = newRows(companyId, missing, tier.ticket(companyId))
    const found = (await this.#readStored(rows, wanted)).values()
    return readings.map((reading) => reading ?? answered(found.next().value))
  }

  async #readStored(rows: Rows, wanted: Wanted | undefined): Promise<readonly RegisterReading[]> {
    const { clock } = this.#parts
    const usable = await readStored(this.#parts, rows)
    const rest = unanswered(this.#parts, rows, wanted)
    if (rest.length === 0) {
      this.#parts.observer.companyWork?.({ companyId: rows.companyId, work: 'read', count: rows.refs.length })
      this.#count(rows, 'hit', rows.refs.length)
    } else {
      await withDeadline(this.#answerRest(rows, rest, wanted, usable), {
        operation: 'Registers.getMany',
        deadlineMs: this.#parts.readDeadlineMs,
        outcome: 'notDone',
        clock,
      })
    }
    return complete(rows.readings)
  }

  /**
   * What Redis holds now, without leases and without the database: undefined for a row that it does not hold
   * or may not answer. For samplers and diagnosis.
   */
  async cached(
    companyId: string,
    refs: readonly RegisterRef[],
  ): Promise<readonly (RegisterReading | undefined)[]> {
    const readings = await readCached(this.#parts, companyId, refs)
    return readings.map((reading) => (reading === undefined ? undefined : plainReading(reading)))
  }

  /**
   * The fast path of whoever committed: hands images of one transaction to Redis, after COMMIT was
   * acknowledged and never before.
   *
   * From the call on no read of this process answers these rows older, whatever becomes of it in Redis. Update-only and
   * idempotent; late, doubled and reordered calls do no harm. A Redis that is down is no
   * error: the relay brings the same images, and `unreachable` says so.
   *
   * @throws {InvalidInputError} `INVALID_INPUT` for an image that could not have been committed.
   */
  apply(committed: RegisterImages): Promise<ApplyResult> {
    return applyImages(this.#parts, committed)
  }

  /**
   * Removes one register from Redis at once. It is lost for ever when Redis is: durable invalidations are
   * written to the `InvalidationLog`.
   *
   * @throws {RedisNotDoneError} `REDIS_NOT_DONE`, {RedisUnknownError} `REDIS_UNKNOWN`, both retryable, or
   * {RedisRefusedError} `REDIS_REFUSED`.
   */
  async invalidate(ref: RegisterRef): Promise<void> {
    const { redis, keys, observer, applyDeadlineMs, tier, own } = this.#parts
    const key = keys.register(ref)
    try {
      await voidRegisters.run(
        redis,
        { watermark: keys.watermark(ref.companyId) },
        { channel: keys.registersChannel(ref.companyId) },
        { moreKeys: [key], deadlineMs: applyDeadlineMs, observer, effect: 'idempotent' },
      )
    } catch (error) {
      // Redis may hold it still: until something newer vouches for what it holds, the database answers.
      this.#demandSince(own.addVoid(key))
      throw error
    } finally {
      tier?.void(ref.companyId, key)
    }
  }

  /**
   * Voids all registers of a company at once, whatever their number, by a new generation. Not durable either.
   *
   * @throws like `invalidate`.
   */
  async invalidateAll(companyId: string): Promise<void> {
    const { redis, keys, random, observer, applyDeadlineMs, tier, clock } = this.#parts
    try {
      const renewed = await renewGeneration.run(
        redis,
        { watermark: keys.watermark(companyId) },
        { generation: random.hex(GENERATION_RANDOM_BYTES), channel: keys.registersChannel(companyId) },
        { deadlineMs: applyDeadlineMs, observer, effect: 'idempotent' },
      )
      if (renewed) observer.generationChange?.({ reason: 'invalidateAll' })
    } catch (error) {
      this.#demandSince(clock.monotonicMs())
      throw error
    } finally {
      tier?.void(companyId)
    }
  }

  #demandSince(ms: number | undefined): void {
    if (ms !== undefined) this.#parts.tier?.demandSince(ms)
  }

  async #answerRest(
    rows: Rows,
    rest: readonly number[],
    wanted: Wanted | undefined,
    usable: boolean,
  ): Promise<void> {
    const absent = rest.filter((index) => rows.readings[index] === undefined)
    const [failure] = rows.failed.values()
    if (failure !== undefined) throw new LoadBackoffError(failure)
    const missing = absent.filter((index) => !rows.untrusted.has(index))
    const stale = rest.length - absent.length
    const { miss, wait } =
      usable && missing.length > 0 ? await this.#missing.answer(rows, missing) : { miss: 0, wait: 0 }
    const isDone = miss + wait === rest.length && wanted === undefined && this.#parts.own.isEmpty
    const left = isDone ? [] : unanswered(this.#parts, rows, wanted)
    await this.#answerFromDatabase(rows, left, wanted)
    this.#parts.observer.companyWork?.({ companyId: rows.companyId, work: 'read', count: rows.refs.length })
    this.#count(rows, 'hit', rows.refs.length - rest.length)
    this.#count(rows, 'miss', miss)
    this.#count(rows, 'wait', wait)
    this.#count(rows, 'stale', stale)
    this.#count(rows, 'bypass', Math.max(0, left.length - stale))
  }

  async #answerFromDatabase(rows: Rows, left: readonly number[], wanted: Wanted | undefined): Promise<void> {
    if (left.length === 0) return
    const wantedRows = left.map((index) => ({
      key: rows.keys[index] ?? '',
      ref: answered(rows.refs[index]),
    }))
    const loaded = await this.#parts.loader.load(rows.companyId, wantedRows)
    for (const [at, index] of left.entries()) {
      const reading = readingOf(answered(loaded[at]))
      wanted?.demand(rows.keys[index] ?? '', reading)
      rows.readings[index] = reading
    }
  }

  #count(rows: Rows, result: CacheRequest['result'], count: number): void {
    if (count > 0) this.#parts.observer.cacheRequest?.({ type: typeOf(rows), result, count })
  }
}

/** Rows without an answer, or with one that lacks a write of this process or is older than the caller's token. */
function unanswered(parts: RegistersParts, rows: Rows, wanted: Wanted | undefined): readonly number[] {
  const indexes: number[] = []
  for (let index = 0; index < rows.readings.length; index += 1) {
    if (!parts.own.isEmpty) rows.readings[index] = withOwn(parts, rows, index)
    const reading = rows.readings[index]
    const met =
      reading !== undefined &&
      (wanted === undefined || wanted.isMet(rows.keys[index] ?? '', reading.epoch, reading.image.version))
    if (!met) indexes.push(index)
  }
  return indexes
}

/** The answer to a row as this process left it, if what a cache holds is older; undefined where no cache can know. */
function withOwn({ own }: RegistersParts, rows: Rows, index: number): RegisterReading | undefined {
  const [reading, ref] = [rows.readings[index], rows.refs[index]]
  if (reading === undefined || ref === undefined) return reading
  const write = own.missingIn(rows.keys[index] ?? '', reading.epoch, reading.image.version)
  if (write === undefined) return reading
  const image = write.image === undefined ? undefined : parseImageText(ref, write.image)
  if (image !== undefined) return { image, epoch: reading.epoch, asOfMs: reading.asOfMs, source: 'l1' }
  rows.untrusted.add(index)
  return undefined
}

function typeOf(rows: Rows): string {
  return rows.refs[0]?.family ?? 'balance'
}

function complete(readings: Rows['readings']): readonly RegisterReading[] {
  return readings.every(isAnswered) ? readings : readings.map(answered)
}

function isAnswered(reading: RegisterReading | undefined): reading is RegisterReading {
  return reading !== undefined
}

function answered<T>(value: T | undefined): T {
  if (value !== undefined) return value
  throw new InvalidInputError('refs', 'a list without holes', value)
}
