/**
 * Rows that Redis does not hold: leased and loaded by one reader, waited for by the others.
 *
 * A lease is taken before the load begins, so that a commit which the load does not see finds the lease and
 * leaves its image there; the fill then stores the newer of both. A fill whose lease is gone stores nothing.
 */

import { sleep } from '@kerp/core'
import { askRedis } from '@kerp/redis'
import { LoadBackoffError } from './errors.js'
import { failLeases } from './fail-leases.lua.js'
import { fillLoaded, readingOf } from './fill-loaded.js'
import { Leads } from './leads.js'
import { keepAlive } from './lease-keeper.js'
import { codeOfFailure, failureToken, isDatabaseFailure } from './load-failure.js'
import { type ReadReply, readRegisters } from './read-registers.lua.js'
import { parseWatermark, registerPrefix, versionInBytes, type Watermark } from './register.js'
import type { AdmissionTicket } from './local-tier.js'
import type { KeyedRef } from './register-loader.js'
import { type RegisterReading, StoredReading } from './register-reading.js'
import type { RegistersParts } from './registers-options.js'
import { admitBytes, isOwn, newRows, readStored, type Rows } from './stored-rows.js'

/** Keys of one script call. */
const KEYS_PER_SCRIPT = 1_000

/** The pauses between two looks for rows that another process loads, in ms: doubled each time, within these. */
const LOOK_MS = 2
const LOOK_MS_MAX = 50

type Readings = ReadonlyMap<string, RegisterReading>

/** How missing rows were answered; rows in neither count are left for the database. */
export interface MissingAnswers {
  readonly miss: number
  readonly wait: number
}

interface SliceAnswer {
  readonly readings: Readings
  /** How many of them this call loaded itself. */
  readonly loaded: number
}

const NO_ANSWER: SliceAnswer = { readings: new Map(), loaded: 0 }

/** What one look found: `leased` are still being loaded elsewhere, of `absent` nothing is left to wait for. */
interface Looked {
  readonly readings: Readings
  readonly leased: readonly KeyedRef[]
  readonly absent: readonly KeyedRef[]
}

/** Takes leases, loads, fills, and waits; shared by all reads of one `Registers`. */
export class MissingRows {
  readonly #parts: RegistersParts
  readonly #processId: string
  #leases = 0
  /** Fills of this process in flight, by key: what they stored. At most as many as rows are being loaded. */
  readonly #filling = new Map<string, Promise<Readings>>()
  /** A thousand readers of one missing row are one who asks for its lease. */
  readonly #leads = new Leads()

  constructor(parts: RegistersParts) {
    this.#parts = parts
    this.#processId = parts.random.hex(8)
  }

  /** Answers what it can of `rows` at `indexes`. Throws what the database throws, or threw a moment ago. */
  async answer(rows: Rows, indexes: readonly number[]): Promise<MissingAnswers> {
    const unique = new Map<string, KeyedRef>()
    for (const index of indexes) {
      const [key, ref] = [rows.keys[index], rows.refs[index]]
      if (key !== undefined && ref !== undefined) unique.set(key, { key, ref })
    }
    const all = [...unique.values()]
    const slices: Promise<SliceAnswer>[] = []
    const endMs = this.#parts.clock.monotonicMs() + this.#parts.waitMs
    for (let from = 0; from < all.length; from += KEYS_PER_SCRIPT) {
      slices.push(this.#answerSlice(rows, all.slice(from, from + KEYS_PER_SCRIPT), endMs))
    }
    const answers = await Promise.all(slices)
    const found = new Map(answers.flatMap(({ readings }) => [...readings]))
    for (const index of indexes) rows.readings[index] = found.get(rows.keys[index] ?? '')
    const loaded = answers.reduce((sum, answer) => sum + answer.loaded, 0)
    return { miss: loaded, wait: found.size - loaded }
  }

  /** Waits for others until `endMs`. */
  async #answerSlice(rows: Rows, wanted: readonly KeyedRef[], endMs: number): Promise<SliceAnswer> {
    const isLed = ({ key }: KeyedRef): boolean => this.#leads.has(key)
    const led = wanted.filter(isLed)
    const own = wanted.length === led.length ? [] : wanted.filter((row) => !isLed(row))
    return joined(await Promise.all([this.#lead(rows, own, endMs), this.#follow(rows, led, endMs)]))
  }

  /** Takes leases, and loads or waits, also on behalf of who asks for the same rows meanwhile. */
  async #lead(rows: Rows, wanted: readonly KeyedRef[], endMs: number): Promise<SliceAnswer> {
    if (wanted.length === 0) return NO_ANSWER
    const { companyId, ticket } = rows
    const asking = this.#leads.begin(wanted.map(({ key }) => key))
    try {
      // Names these leases alone, for ever: a counter that Redis kept would repeat after a failover.
      this.#leases += 1
      const token = `${this.#processId}:${this.#leases}`
      const reply = await askRedis(this.#parts, () => this.#lease(companyId, wanted, token))
      const watermark = parseWatermark(reply?.watermark)
      if (reply === undefined || watermark === undefined) return NO_ANSWER
      if (!(await isOwn(this.#parts, rows, watermark))) return NO_ANSWER
      const { present, granted, leased } = this.#sort(wanted, reply, watermark, ticket)
      const waiting = this.#leads.begin(leased.map(({ key }) => key))
      const work = Promise.all([
        this.#loadAndFill(companyId, granted, token, ticket),
        this.#waitFor(rows, leased, endMs).finally(() => waiting.end()),
      ])
      asking.end()
      const [loaded, waited] = await work
      return joined([{ readings: present, loaded: 0 }, { readings: loaded, loaded: loaded.size }, waited])
    } finally {
      asking.end()
    }
  }

  /** Waits for who leads for these rows, and takes what Redis has then; what it has not is asked for after all. */
  async #follow(rows: Rows, led: readonly KeyedRef[], endMs: number): Promise<SliceAnswer> {
    if (led.length === 0) return NO_ANSWER
    await Promise.all(led.map(({ key }) => this.#leads.ended(key)))
    const filled = await this.#filledHere(led)
    const looked = await this.#look(rows, filled.rest)
    const found = joined([
      { readings: filled.readings, loaded: 0 },
      { readings: looked.readings, loaded: 0 },
    ])
    const left = [...looked.leased, ...looked.absent]
    return left.length === 0 ? found : joined([found, await this.#lead(rows, left, endMs)])
  }

  /** What fills of this process have stored; `rest` are rows that Redis has to be asked for. */
  async #filledHere(wanted: readonly KeyedRef[]): Promise<{
    readonly readings: Readings
    readonly rest: readonly KeyedRef[]
  }> {
    const readings = new Map<string, RegisterReading>()
    const rest: KeyedRef[] = []
    await Promise.all(
      wanted.map(async (row) => {
        const reading = (await this.#filling.get(row.key))?.get(row.key)
        // That load may have begun long before this read: where age is bounded, Redis is asked how new it is now.
        if (reading !== undefined && this.#parts.tier === undefined) readings.set(row.key, reading)
        else rest.push(row)
      }),
    )
    return { readings, rest }
  }

  #lease(companyId: string, wanted: readonly KeyedRef[], token: string): Promise<ReadReply> {
    const { redis, keys, leaseMs, redisDeadlineMs, observer } = this.#parts
    return readRegisters.run(
      redis,
      { watermark: keys.watermark(companyId) },
      { token, leaseMs },
      { moreKeys: wanted.map(({ key }) => key), deadlineMs: redisDeadlineMs, observer, effect: 'idempotent' },
    )
  }

  /** All rows as their caller may see them; those who wait for them see only what was stored. */
  async #loadAndFill(
    companyId: string,
    granted: readonly KeyedRef[],
    token: string,
    ticket: AdmissionTicket | undefined,
  ): Promise<Readings> {
    if (granted.length === 0) return new Map()
    let share: (stored: Readings) => void = () => undefined
    const flight = new Promise<Readings>((resolve) => {
      share = resolve
    })
    for (const { key } of granted) this.#filling.set(key, flight)
    let stored: Readings = new Map()
    const moreKeys = granted.map(({ key }) => key)
    const stop = keepAlive(this.#parts, companyId, moreKeys, token)
    try {
      const loaded = await this.#parts.loader.load(companyId, granted).finally(stop)
      const rows = loaded.map((row, index) => ({
        key: '',
        ref: row.image.ref,
        ...granted[index],
        loaded: row,
      }))
      stored = await fillLoaded(this.#parts, companyId, rows, { token, ticket })
      return new Map(rows.map((row) => [row.key, stored.get(row.key) ?? readingOf(row.loaded)]))
    } catch (error) {
      await this.#fail(companyId, granted, token, error)
      throw error
    } finally {
      for (const { key } of granted) if (this.#filling.get(key) === flight) this.#filling.delete(key)
      share(stored)
    }
  }

  /** Tells all processes that loading these rows failed, in place of their leases, or gives these back. Never throws. */
  async #fail(companyId: string, granted: readonly KeyedRef[], token: string, error: unknown): Promise<void> {
    const { redis, keys, redisDeadlineMs: deadlineMs, observer, loader } = this.#parts
    // A load that was not even tried, or was refused for its rows' sake, tells others nothing: its lease is given back.
    const isFailure = !(error instanceof LoadBackoffError) && isDatabaseFailure(error)
    const backoffMs = isFailure ? Math.floor(loader.backoffMs()) : 0
    const failure = backoffMs < 1 ? '' : failureToken(codeOfFailure(error))
    const moreKeys = granted.map(({ key }) => key)
    await askRedis(this.#parts, () =>
      failLeases.run(
        redis,
        { watermark: keys.watermark(companyId) },
        { token, failure, backoffMs: String(backoffMs) },
        { moreKeys, deadlineMs, observer, effect: 'idempotent' },
      ),
    )
  }

  /** This process's own fills are awaited however long they take, those of others until they end or the time is over. */
  async #waitFor(rows: Rows, leased: readonly KeyedRef[], endMs: number): Promise<SliceAnswer> {
    const here = leased.filter(({ key }) => this.#filling.has(key))
    const elsewhere = leased.filter(({ key }) => !this.#filling.has(key))
    const [filled, waited] = await Promise.all([
      this.#filledHere(here),
      this.#waitElsewhere(rows, elsewhere, endMs, 0),
    ])
    const { readings } = await this.#look(rows, filled.rest)
    return joined([{ readings: filled.readings, loaded: 0 }, { readings, loaded: 0 }, waited])
  }

  /**
   * What others store, looked for after pauses that grow. Whose lease ended with nothing stored, since its process died
   * or the row was voided, is leased anew: so that it is loaded by one of those who waited, and the others wait for that.
   */
  async #waitElsewhere(
    rows: Rows,
    leased: readonly KeyedRef[],
    endMs: number,
    look: number,
  ): Promise<SliceAnswer> {
    const { clock, random } = this.#parts
    const leftMs = endMs - clock.monotonicMs()
    if (leased.length === 0 || leftMs <= 0) return NO_ANSWER
    const pauseMs = Math.min(LOOK_MS_MAX, LOOK_MS * 2 ** Math.min(look, 10)) * (0.5 + random.fraction() / 2)
    await sleep(clock, Math.min(leftMs, pauseMs))
    const looked = await this.#look(rows, leased)
    const [waited, anew] = await Promise.all([
      this.#waitElsewhere(rows, looked.leased, endMs, look + 1),
      this.#lead(rows, looked.absent, endMs),
    ])
    return joined([{ readings: looked.readings, loaded: 0 }, waited, anew])
  }

  /** What Redis has of these rows now; none of them is waited for when it cannot say, or may not be believed. */
  async #look(rows: Rows, wanted: readonly KeyedRef[]): Promise<Looked> {
    const [readings, leased, absent] = [
      new Map<string, RegisterReading>(),
      [] as KeyedRef[],
      [] as KeyedRef[],
    ]
    if (wanted.length === 0) return { readings, leased, absent }
    const refs = wanted.map(({ ref }) => ref)
    const looked: Rows = { ...newRows(rows.companyId, refs, rows.ticket), absent: new Set() }
    const usable = await readStored(this.#parts, looked)
    const [failure] = looked.failed.values()
    if (failure !== undefined) throw new LoadBackoffError(failure)
    for (const [index, row] of wanted.entries()) {
      const reading = looked.readings[index]
      if (reading !== undefined) readings.set(row.key, reading)
      else if (!usable || looked.untrusted.size > 0) continue
      else if (looked.absent?.has(index) === true) absent.push(row)
      else leased.push(row)
    }
    return { readings, leased, absent }
  }

  #sort(
    wanted: readonly KeyedRef[],
    reply: ReadReply,
    watermark: Watermark,
    ticket: AdmissionTicket | undefined,
  ): Sorted {
    const prefix = registerPrefix(watermark.generation)
    const isTrusted = this.#parts.tier?.gate.vouchesFor(watermark) ?? true
    const present = new Map<string, RegisterReading>()
    const granted: KeyedRef[] = []
    const leased: KeyedRef[] = []
    for (const [index, row] of wanted.entries()) {
      const outcome = reply.outcomes[index]
      if (outcome === 'granted') granted.push(row)
      else if (outcome === 'leased') leased.push(row)
      else if (outcome !== undefined) {
        const bytes = Buffer.from(outcome.register, 'latin1')
        const version = versionInBytes(bytes, prefix)
        if (version < 0) continue
        if (isTrusted) present.set(row.key, new StoredReading(row.ref, version, bytes, watermark))
        admitBytes(this.#parts, ticket, row.key, version, bytes, watermark)
      }
    }
    return { present, granted, leased }
  }
}

interface Sorted {
  readonly present: Map<string, RegisterReading>
  readonly granted: readonly KeyedRef[]
  readonly leased: readonly KeyedRef[]
}

function joined(answers: readonly SliceAnswer[]): SliceAnswer {
  return {
    readings: new Map(answers.flatMap(({ readings }) => [...readings])),
    loaded: answers.reduce((sum, { loaded }) => sum + loaded, 0),
  }
}
