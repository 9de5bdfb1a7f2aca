/**
 * The tier inside the process: rows that were read, kept up to date by the pushes of every script, and answered
 * without a round trip for as long as they are provably young enough.
 *
 * It holds no truth of its own. Whatever it cannot prove, it leaves to Redis and the database.
 */

import {
  type Clock,
  type Closable,
  closeOnce,
  type RegisterFamily,
  type RegisterRef,
  type Timer,
} from '@kerp/core'
import { LocalChannel } from './local-channel.js'
import { LocalCompany } from './local-company.js'
import { answerOfEntry, type LocalEntry, LocalReading } from './local-reading.js'
import type { ResolvedLocalTierOptions } from './local-tier-options.js'
import { LocalRoom } from './local-room.js'
import type { OwnWrites } from './own-writes.js'
import { Prober, type ProberParts } from './prober.js'
import { parsePush } from './push.js'
import { splitImageText, type Watermark } from './register.js'
import type { AnswerMaker } from './register-reading.js'
import { registerKeyReader } from './register-key.js'
import { TrustGate } from './trust-gate.js'

/** What an asker hands back with the answer of Redis or of a load, so that a drop in between is noticed. */
export interface AdmissionTicket {
  readonly company: LocalCompany | undefined
  readonly incarnation: number
}

/** What this process may answer now, for readiness and diagnosis. */
export interface Freshness {
  /** Whether anything cached may be answered. */
  readonly trusted: boolean
  /** How old the oldest of it may be, in ms; infinite before the first heartbeat. */
  readonly ageMs: number
  /** How long nothing cached may have been answered, in ms; 0 while it may, and before the first read. */
  readonly untrustedMs: number
  readonly companies: number
  readonly entries: number
  /** Estimated. */
  readonly bytes: number
}

/** A row as it was committed: the key of its register, and its image text. */
export interface OwnEntry {
  readonly key: string
  readonly image: string
}

/** Silence of all channels, in multiples of `maxStalenessMs`, after which the connection is replaced. */
const SILENCE_FACTOR = 5

/** The tier of one `Registers`. Nothing happens before the first ticket. */
export class LocalTier implements Closable {
  readonly gate: TrustGate
  readonly #parts: ProberParts
  readonly #options: ResolvedLocalTierOptions
  readonly #companies = new Map<string, LocalCompany>()
  readonly #byChannel = new Map<string, LocalCompany>()
  readonly #size = { entries: 0, bytes: 0 }
  readonly #room: LocalRoom
  readonly #channel: LocalChannel
  readonly #prober: Prober
  #beat: Timer | undefined
  #startedMs = 0
  #heardMs = 0
  readonly #clock: Clock
  readonly #maxStalenessMs: number
  readonly #own: OwnWrites
  /** Of the last peek: most that follow each other are of one company. */
  #last: LocalCompany | undefined
  #isClosed = false
  readonly #close = closeOnce(async () => {
    this.#isClosed = true
    this.#beat?.cancel()
    this.#tellHits(this.#companies.values())
    for (const company of this.#companies.values()) company.drop()
    await this.#channel.close()
  })

  /** `own` are the writes of this process: no row is taken in, or kept, that lacks one. */
  constructor(parts: ProberParts, options: ResolvedLocalTierOptions, own: OwnWrites) {
    this.#parts = parts
    this.#own = own
    this.#options = options
    const { clock, random, redis, observer } = parts
    const { maxStalenessMs, positions } = options
    this.#clock = clock
    this.#maxStalenessMs = maxStalenessMs
    this.gate = new TrustGate({ clock, random, order: positions, maxStalenessMs })
    this.#prober = new Prober(parts, this.gate)
    this.#room = new LocalRoom(options, this.#size, this.#companies)
    this.#channel = new LocalChannel(
      redis,
      {
        message: (channel, message) => this.#hear(channel, message),
        heard: (channels) => this.#heard(channels),
        lost: () => this.#lost(),
      },
      observer,
    )
  }

  /**
   * The row, if it is here and provably young enough at this moment.
   *
   * The wall clock is read at every call, the monotonic one at each of its milliseconds: most calls cost one clock.
   */
  peek(companyId: string, family: RegisterFamily, first: string, second: string): LocalReading | undefined {
    const entry = this.#peekEntry(companyId, family, first, second)
    const mark = this.#last?.mark
    return entry === undefined || mark === undefined ? undefined : new LocalReading(entry, mark)
  }

  /** The same as `make` writes it: made once, and handed to all who ask until the row or the company moves on. */
  peekAs<V>(
    make: AnswerMaker<V>,
    companyId: string,
    family: RegisterFamily,
    first: string,
    second: string,
  ): V | undefined {
    const entry = this.#peekEntry(companyId, family, first, second)
    const mark = this.#last?.mark
    return entry === undefined || mark === undefined ? undefined : answerOfEntry(entry, mark, make)
  }

  #peekEntry(
    companyId: string,
    family: RegisterFamily,
    first: string,
    second: string,
  ): LocalEntry | undefined {
    let company = this.#last
    if (company === undefined || company.companyId !== companyId) {
      company = this.#companies.get(companyId)
      if (company === undefined) return undefined
      this.#last = company
    }
    const { mark } = company
    const entry = mark === undefined ? undefined : company.find(family, first, second)
    if (mark === undefined || entry === undefined) return undefined
    const wallMs = this.#clock.nowMs()
    if (wallMs !== company.vouchedWallMs && !this.#vouches(company, wallMs)) return undefined
    if (!entry.isUsed) entry.isUsed = true
    countHit(company, family)
    return entry
  }

  /** All rows as they stood at one moment of the database; undefined unless every one of them can be shown so. */
  peekCut(companyId: string, refs: readonly RegisterRef[]): readonly LocalReading[] | undefined {
    const company = this.#companies.get(companyId)
    if (company?.mark === undefined || !this.gate.isFresh(company.trusted)) return undefined
    const readings: LocalReading[] = []
    for (const ref of refs) {
      const { family, parts } = ref
      const entry = ref.companyId === companyId ? company.find(family, parts[0], parts[1]) : undefined
      if (entry === undefined || !company.isAtMark(entry)) return undefined
      entry.isUsed = true
      readings.push(new LocalReading(entry, company.mark))
    }
    company.usedMs = this.#parts.clock.monotonicMs()
    for (const { family } of refs) countHit(company, family)
    return readings
  }

  /** Begins to listen to a company, and answers what an admission will be judged by. Taken before Redis is asked. */
  ticket(companyId: string): AdmissionTicket {
    const company = this.#companies.get(companyId) ?? this.#listenTo(companyId)
    if (company !== undefined) company.usedMs = this.#parts.clock.monotonicMs()
    return { company, incarnation: company?.incarnation ?? -1 }
  }

  /** Takes in what Redis held under a watermark, if no change to it can have been missed. */
  admit(
    ticket: AdmissionTicket,
    key: string,
    row: Pick<LocalEntry, 'version' | 'text'>,
    watermark: Watermark,
  ): void {
    const { company, incarnation } = ticket
    if (company === undefined || this.#companies.get(company.companyId) !== company) return
    const own = this.#own.missingIn(key, watermark.epoch, row.version)
    if (own !== undefined && own.image === undefined) return
    const newest = own?.image === undefined ? row : rowOf(own.image)
    const outcome = company.admit(key, newest, { incarnation, watermark, probe: this.gate.probe })
    if (outcome === 'fork') this.#drop(company, 'fork')
    if (outcome === 'admitted' && this.#room.make())
      this.#parts.observer.localTierDrop?.({ reason: 'bounds' })
  }

  /** Brings in what this process committed, before any push tells of it. */
  commit(companyId: string, epoch: string, entries: readonly OwnEntry[]): void {
    const company = this.#companies.get(companyId)
    const forked = company?.commit(epoch, entries, this.gate.probe)
    if (company !== undefined && forked === 'fork') this.#drop(company, 'fork')
  }

  /** Forgets a row that this process voided, or all of the company; what was asked for before is not taken in. */
  void(companyId: string, key?: string): void {
    const company = this.#companies.get(companyId)
    if (key === undefined) company?.drop()
    else company?.void(key)
  }

  /** Nothing is answered any more on evidence from before this moment of the monotonic clock. */
  demandSince(ms: number): void {
    this.gate.demandSince(ms)
    for (const company of this.#companies.values()) company.vouchedWallMs = Number.NaN
  }

  /** Rows that are held now, at most `count`, from a place that moves on with each call. */
  sample(count: number): readonly RegisterRef[] {
    return this.#room.sample(count)
  }

  /** What may be answered now. */
  freshness(): Freshness {
    const ageMs = this.gate.ageMs()
    const { entries, bytes } = this.#size
    const { maxStalenessMs } = this.#options
    const trusted = ageMs <= maxStalenessMs
    const sinceStartMs = this.#beat === undefined ? 0 : this.#parts.clock.monotonicMs() - this.#startedMs
    const untrustedMs = trusted ? 0 : Math.min(ageMs - maxStalenessMs, sinceStartMs)
    return { trusted, ageMs, untrustedMs, companies: this.#companies.size, entries, bytes }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Stops listening; nothing is answered from here any more. */
  close(): Promise<void> {
    return this.#close()
  }

  /** Whether what a company holds is young enough by both clocks, for the whole of this millisecond. */
  #vouches(company: LocalCompany, wallMs: number): boolean {
    if (!this.gate.isFresh(company.trusted)) return false
    const nowMs = this.#clock.monotonicMs()
    const ageMs = nowMs - company.trusted.sentMs
    company.usedMs = nowMs
    company.vouchedWallMs = ageMs + 1 > this.#maxStalenessMs ? Number.NaN : wallMs
    return true
  }

  #listenTo(companyId: string): LocalCompany | undefined {
    if (this.#isClosed || !this.#hasPlace()) return undefined
    const { keys, clock } = this.#parts
    const channel = keys.registersChannel(companyId)
    const company = new LocalCompany(companyId, {
      order: this.#options.positions,
      readKey: registerKeyReader(keys, companyId),
      size: this.#size,
      nowMs: clock.monotonicMs(),
    })
    this.#companies.set(companyId, company)
    this.#byChannel.set(channel, company)
    this.#start()
    this.#channel.want(channel)
    return company
  }

  /** A company that was read less lately than this one makes way, unless it is in use too. */
  #hasPlace(): boolean {
    if (this.#companies.size < this.#options.companiesMax) return true
    let oldest: LocalCompany | undefined
    for (const company of this.#companies.values()) {
      if (oldest === undefined || company.usedMs < oldest.usedMs) oldest = company
    }
    const idleMs = this.#parts.clock.monotonicMs() - (oldest?.usedMs ?? 0)
    if (oldest === undefined || idleMs < this.#options.maxStalenessMs) return false
    this.#release(oldest, 'bounds')
    return true
  }

  #release(company: LocalCompany, reason: 'idle' | 'bounds'): void {
    const channel = this.#parts.keys.registersChannel(company.companyId)
    this.#tellHits([company])
    this.#companies.delete(company.companyId)
    this.#last = undefined
    this.#byChannel.delete(channel)
    this.#channel.unwant(channel)
    this.#drop(company, reason)
  }

  #start(): void {
    if (this.#beat !== undefined) return
    this.#startedMs = this.#parts.clock.monotonicMs()
    this.#heardMs = this.#startedMs
    this.#channel.want(this.#parts.keys.trustChannel())
    this.#onBeat()
  }

  #onBeat(): void {
    if (this.#isClosed) return
    const { clock, observer } = this.#parts
    this.#beat = clock.setTimer(this.#prober.everyMs, () => this.#onBeat())
    void this.#prober.send()
    const nowMs = clock.monotonicMs()
    for (const company of this.#companies.values()) {
      company.vouchedWallMs = Number.NaN
      if (nowMs - company.usedMs > this.#options.idleMs) this.#release(company, 'idle')
    }
    if (nowMs - this.#heardMs > SILENCE_FACTOR * this.#options.maxStalenessMs) {
      this.#heardMs = nowMs
      this.#channel.renew()
    }
    this.#tellHits(this.#companies.values())
    const { trusted, ageMs, companies, entries, bytes } = this.freshness()
    observer.cacheTrust?.({ trusted, ageMs })
    observer.localTierSize?.({ companies, entries, bytes })
  }

  /** Counted by company and told now and then, because a peek costs less than an observation. */
  #tellHits(companies: Iterable<LocalCompany>): void {
    const { observer } = this.#parts
    const counts = { balance: 0, inventory: 0 }
    for (const { companyId, hits } of companies) {
      const count = hits.balance + hits.inventory
      if (count === 0) continue
      observer.companyWork?.({ companyId, work: 'read', count })
      counts.balance += hits.balance
      counts.inventory += hits.inventory
      hits.balance = 0
      hits.inventory = 0
    }
    for (const type of ['balance', 'inventory'] as const) {
      if (counts[type] > 0) observer.cacheRequest?.({ type, result: 'local', count: counts[type] })
    }
  }

  #heard(channels: readonly string[]): void {
    // An answer that was asked for before its company was heard may lack what was published in between.
    for (const channel of channels) {
      const company = this.#byChannel.get(channel)
      if (company !== undefined) company.incarnation += 1
    }
  }

  #hear(channel: string, message: string): void {
    this.#heardMs = this.#parts.clock.monotonicMs()
    const company = this.#byChannel.get(channel)
    if (company === undefined) {
      if (channel === this.#parts.keys.trustChannel()) this.#hearHeartbeat(message)
      return
    }
    const push = parsePush(message)
    const reason = push === undefined ? undefined : company.hear(push, this.gate.probe)
    if (reason !== undefined) this.#parts.observer.localTierDrop?.({ reason })
  }

  #hearHeartbeat(message: string): void {
    const heard = this.gate.hear(message)
    if (heard?.missed === true) this.#dropAll('gap')
    if (heard?.echo === undefined) return
    for (const company of this.#companies.values()) company.trust(heard.echo)
  }

  #lost(): void {
    this.gate.interrupted()
    this.#dropAll('reconnect')
  }

  #dropAll(reason: 'gap' | 'reconnect'): void {
    for (const company of this.#companies.values()) company.drop()
    if (this.#companies.size > 0) this.#parts.observer.localTierDrop?.({ reason })
  }

  #drop(company: LocalCompany, reason: 'fork' | 'idle' | 'bounds'): void {
    company.drop()
    this.#parts.observer.localTierDrop?.({ reason })
  }
}

function countHit({ hits }: LocalCompany, family: RegisterFamily): void {
  if (family === 'balance') hits.balance += 1
  else hits.inventory += 1
}

function rowOf(image: string): Pick<LocalEntry, 'version' | 'text'> {
  const { version, fields } = splitImageText(image)
  return { version, text: fields }
}
