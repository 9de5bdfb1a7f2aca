/** The values of one type, read through the cache. */

import { type CacheRequest, InvalidInputError, tellFailure, withDeadline } from '@kerp/core'
import { companyOfKey, type Key } from '@kerp/keys'
import type { ResolvedDefinition } from './cache-definition.js'
import { EntryLoads } from './entry-loads.js'
import { freshnessOf } from './freshness.js'
import { LocalTier } from './local-tier.js'
import type { LoadOutcome, Wanted } from './load-outcome.js'
import { LoadRound, loneSeat, type LoadSeat } from './load-round.js'
import type { ReadThroughParts } from './read-through-options.js'
import { findEntries, type Found, unbelieved } from './stored-entries.js'
import type { StoredEntry } from './stored-entry.js'
import { ValueLoader } from './value-loader.js'

/** Values of one call. */
const REFS_MAX = 10_000

type Result = CacheRequest['result']

/** One read with the moment it began. */
interface Read {
  readonly begunMs: number
  readonly mark: number
  /** Nobody asked for the values yet, so they take no place in the in-process tier. */
  readonly isFill: boolean
}

interface Seated<R> {
  readonly wanted: Wanted<R>
  readonly seat: LoadSeat<R>
}

interface Answer<T> {
  readonly value: T | undefined
  readonly result: Result
}

/**
 * Reads values of one type; made by `ReadThrough.define`.
 *
 * A read that begins after an invalidation has returned, in whatever process, never answers what was loaded before
 * it. The in-process tier is the exception: it knows of its own process only, and is at most its `ttlMs` behind. In the
 * process that invalidated this holds whether or not Redis acknowledged it: until it has, the loader answers.
 */
export class CachedValues<R, T> {
  readonly #parts: ReadThroughParts
  readonly #definition: ResolvedDefinition<R, T>
  readonly #loader: ValueLoader<R, T>
  readonly #loads: EntryLoads<R, T>
  readonly #local: LocalTier | undefined
  readonly #invalidate: (keys: readonly Key[]) => Promise<void>

  /** Made by `ReadThrough.define`, which passes how keys are invalidated. */
  constructor(
    parts: ReadThroughParts,
    definition: ResolvedDefinition<R, T>,
    invalidate: (keys: readonly Key[]) => Promise<void>,
  ) {
    this.#parts = parts
    this.#definition = definition
    this.#loader = new ValueLoader(parts, definition)
    this.#loads = new EntryLoads(parts, definition)
    this.#local = definition.local && new LocalTier(parts.clock, parts.memory.marks, definition.local)
    this.#invalidate = invalidate
  }

  /** The type in metrics and in the TTL table. */
  get type(): string {
    return this.#definition.type
  }

  /** The key of a value. */
  keyOf(ref: R): Key {
    return this.#definition.key(ref)
  }

  /**
   * The value, or undefined when there is none. Costs one round trip when Redis holds it.
   *
   * Each caller gets an object of its own. While Redis is down or silent the loader answers, once for all who ask
   * at the same time, and nothing is stored.
   *
   * @throws {CacheBackoffError} `CACHE_BACKOFF`, retryable: loading failed a moment ago.
   * @throws {CacheValueError} `CACHE_VALUE_INVALID`: the loader returned what its codec or schema refuses.
   * @throws {OverloadedError} `OVERLOADED`, retryable: too many loads wait.
   * @throws {DeadlineExceededError} `DEADLINE_EXCEEDED`, retryable.
   * @throws whatever the loader throws.
   */
  async get(ref: R): Promise<T | undefined> {
    const [value] = await this.getMany([ref])
    return value
  }

  /**
   * The values in the order of `refs`, at most 10,000. Those that Redis holds cost one round trip for each company;
   * the others are loaded together if the type has `loadMany`, else one by one, several at once. What somebody else
   * loads already is waited for. Several values are not one moment.
   *
   * @throws like `get`; one that fails fails the call, and keeps none of the others from being stored.
   */
  async getMany(refs: readonly R[]): Promise<readonly (T | undefined)[]> {
    const { clock, observer } = this.#parts
    const read = this.#begin()
    const wanted = this.#checked(refs)
    const answers = await this.#answerAll(wanted, read)
    const { type } = this.#definition
    for (const [result, count] of countsOf(answers.map(({ result }) => result))) {
      observer.cacheRequest?.({ type, result, count })
    }
    for (const [companyId, count] of countsOf(wanted.map((one) => one.companyId))) {
      if (companyId !== undefined) observer.companyWork?.({ companyId, work: 'read', count })
    }
    observer.cacheRead?.({ type, elapsedMs: clock.monotonicMs() - read.begunMs })
    return answers.map(({ value }) => value)
  }

  /**
   * Loads those of the values that are not cached, and says how many these were; for warming, so it does not count
   * as reading. What is cached stays as it is.
   *
   * @throws like `getMany`.
   */
  async fill(refs: readonly R[]): Promise<number> {
    const answers = await this.#answerAll(this.#checked(refs), this.#begin(true))
    return answers.filter(({ result }) => result === 'miss').length
  }

  /**
   * The next read of the value, in every process, loads it anew, and no load that runs now is stored. One round
   * trip. Call it after the change was committed.
   *
   * @throws {RedisNotDoneError} `REDIS_NOT_DONE`, {RedisUnknownError} `REDIS_UNKNOWN`, both retryable, or
   * {RedisRefusedError} `REDIS_REFUSED`.
   */
  invalidate(ref: R): Promise<void> {
    return this.#invalidate([this.keyOf(ref)])
  }

  #begin(isFill = false): Read {
    const { clock, memory } = this.#parts
    return { begunMs: clock.monotonicMs(), mark: memory.marks.now(), isFill }
  }

  #checked(refs: readonly R[]): readonly Wanted<R>[] {
    if (refs.length > REFS_MAX) throw new InvalidInputError('refs', `at most ${REFS_MAX} refs`, refs)
    return refs.map((ref) => this.#wanted(ref))
  }

  #wanted(ref: R): Wanted<R> {
    const { keys } = this.#parts
    const key = this.#definition.key(ref)
    const companyId = companyOfKey(key)
    if (companyId === undefined) return { ref, key, companyId, scope: key, generationKeys: [] }
    const tags = this.#definition.tags(ref).map((tag) => keys.cacheTag({ companyId, tag }))
    const scope = keys.cacheGeneration(companyId)
    return { ref, key, companyId, scope, generationKeys: [scope, ...tags] }
  }

  async #answerAll(wanted: readonly Wanted<R>[], read: Read): Promise<readonly Answer<T>[]> {
    const answers = new Map<Wanted<R>, Answer<T>>()
    const missing: Wanted<R>[] = []
    for (const one of wanted) {
      const local = await this.#fromLocal(one)
      if (local === undefined) missing.push(one)
      else answers.set(one, local)
    }
    const seats = new LoadRound(this.#loader).seats(missing.length)
    const scopes = new Map<Key, Seated<R>[]>()
    for (const [index, one] of missing.entries()) {
      const seated = { wanted: one, seat: seats[index] ?? loneSeat(this.#loader) }
      const together = scopes.get(one.scope)
      if (together === undefined) scopes.set(one.scope, [seated])
      else together.push(seated)
    }
    await Promise.all([...scopes.values()].map((together) => this.#answerScope(together, read, answers)))
    return wanted.map((one) => answers.get(one) ?? { value: undefined, result: 'bypass' })
  }

  async #answerScope(
    seated: readonly Seated<R>[],
    read: Read,
    answers: Map<Wanted<R>, Answer<T>>,
  ): Promise<void> {
    const { type, earlyRefresh, staleMs } = this.#definition
    const wanted = seated.map((one) => one.wanted)
    const trusts = wanted.map((one) => this.#loads.trustIn(one))
    const found = await findEntries(this.#parts, type, wanted, earlyRefresh || staleMs > 0)
    await Promise.all(
      seated.map(async (one, index) => {
        const seen = found[index]
        if (seen === undefined) return
        const isTrusted = trusts[index]?.() === true
        answers.set(one.wanted, await this.#answer(one, isTrusted ? seen : unbelieved(seen), read))
      }),
    )
  }

  async #answer(seated: Seated<R>, found: Found, read: Read): Promise<Answer<T>> {
    const { wanted, seat } = seated
    const { entry } = found
    if (entry !== undefined) {
      const decoded = await this.#decode(entry.payload)
      if (decoded !== undefined) {
        if (!read.isFill) this.#local?.set(wanted.key, entry.payload, { scope: wanted.scope, ...read })
        return { value: decoded.value, result: this.#refreshIfDue(seated, entry, found.leftMs) }
      }
      this.#parts.observer.cacheRefusal?.({ type: this.type, reason: 'shape' })
    }
    const { clock, readDeadlineMs } = this.#parts
    const { payload, result } = await withDeadline(this.#obtain(seated, found, read), {
      operation: 'ReadThrough.get',
      deadlineMs: readDeadlineMs,
      outcome: 'notDone',
      clock,
    }).finally(() => seat.leave())
    const decoded = await this.#decode(payload)
    return { value: decoded?.value, result }
  }

  async #obtain({ wanted, seat }: Seated<R>, found: Found, read: Read): Promise<LoadOutcome> {
    const { flights, memory } = this.#parts
    const refused = found.entry?.token ?? found.refused
    // Loads of other generations are older than an invalidation that this read has seen.
    const flight = `${wanted.key}|${found.generations ?? ''}|${refused}`
    const begin = (at: LoadSeat<R>): Promise<LoadOutcome> =>
      found.isAnswered ? this.#loads.obtain(wanted, refused, at) : this.#loads.loadAlone(wanted, at)
    const mine = { isBegun: false }
    const joined = flights.run(
      flight,
      () => {
        mine.isBegun = true
        return begin(seat)
      },
      memory.marks.floorOf(wanted.scope),
    )
    if (!mine.isBegun) seat.leave()
    const first = await joined
    if (mine.isBegun || first.validAt > read.mark) return first
    // It was begun before this read, and something may have been invalidated in between: one that begins later is needed.
    return flights.run(flight, () => begin(loneSeat(this.#loader)), read.mark)
  }

  /** Begins to load an entry anew whose time is nearly over; how the entry counts until then. */
  #refreshIfDue({ wanted, seat }: Seated<R>, entry: StoredEntry, leftMs: number | undefined): Result {
    const { earlyRefresh, staleMs } = this.#definition
    const { random, flights } = this.#parts
    const freshness =
      leftMs === undefined || entry.payload === undefined
        ? 'fresh'
        : freshnessOf({ leftMs, loadMs: entry.loadMs, staleMs, earlyRefresh }, () => random.fraction())
    if (freshness === 'fresh') {
      seat.leave()
      return 'hit'
    }
    const mine = { isBegun: false }
    flights
      .run(`refresh|${wanted.key}`, () => {
        mine.isBegun = true
        return this.#loads.refresh(wanted, entry.token, seat)
      })
      .catch((error: unknown) => tellFailure(this.#parts.observer, 'ReadThrough', error))
      .finally(() => seat.leave())
    if (!mine.isBegun) seat.leave()
    return freshness === 'stale' ? 'stale' : 'hit'
  }

  async #fromLocal({ key }: Wanted<R>): Promise<Answer<T> | undefined> {
    const kept = this.#local?.get(key)
    const decoded = kept && (await this.#decode(kept.payload))
    return decoded && { value: decoded.value, result: 'hit' }
  }

  /** Undefined for a payload that is no value of this type. */
  async #decode(payload: string | undefined): Promise<{ value: T | undefined } | undefined> {
    if (payload === undefined) return { value: undefined }
    try {
      return { value: await this.#definition.decode(payload) }
    } catch {
      return undefined
    }
  }
}

function countsOf<W>(words: readonly W[]): Map<W, number> {
  const counts = new Map<W, number>()
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1)
  return counts
}
