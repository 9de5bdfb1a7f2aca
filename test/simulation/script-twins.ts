/**
 * Plain twins of the register scripts: the same replies, the same state, the same messages.
 *
 * `twins-on-redis.redis.test.ts` holds them equal to the Lua. A rule that is left out changes a twin, never the Lua.
 */

import { Rules } from './rules.js'

interface Entry {
  readonly text: string
  /** Infinity without an expiry. */
  readonly expiresAtMs: number
}

/** A watermark, taken apart. */
export interface TwinWatermark {
  readonly generation: string
  readonly epoch: string
  readonly position: string
  readonly asOf: string
}

/** One row or image on its way into a register. */
export interface TwinEntry {
  readonly key: string
  /** The image text; empty to void the register. */
  readonly image: string
}

const WATERMARK = /^w1\|([0-9A-Fa-f]+)\|([^|]+)\|([^|]+)\|(\d+)$/
const IMAGE = /^\d+\|-?\d+\|-?\d+$/
const LEASE = /^([^|]+)\|([^]*)$/
const GENERATION_LENGTH = 16
const VERSION_LENGTH = 16

export function parseTwinWatermark(text: string | undefined): TwinWatermark | undefined {
  const [, generation, epoch, position, asOf] = WATERMARK.exec(text ?? '') ?? []
  if (generation?.length !== GENERATION_LENGTH) return undefined
  if (epoch === undefined || position === undefined || asOf === undefined) return undefined
  return { generation, epoch, position, asOf }
}

function watermarkText({ generation, epoch, position, asOf }: TwinWatermark): string {
  return `w1|${generation}|${epoch}|${position}|${asOf}`
}

function isImage(text: string): boolean {
  return IMAGE.test(text) && text[VERSION_LENGTH] === '|'
}

/** 1: left is newer, 0: the same bytes, -1: left is older, undefined: the same version with other bytes. */
export function compareTwinImages(left: string, right: string): number | undefined {
  const [leftVersion, rightVersion] = [left.slice(0, VERSION_LENGTH), right.slice(0, VERSION_LENGTH)]
  if (leftVersion !== rightVersion) return leftVersion > rightVersion ? 1 : -1
  return left === right ? 0 : undefined
}

/** One Redis server with the keys of one company. */
export class TwinRedis {
  readonly entries: Map<string, Entry>
  readonly #watermark: string
  readonly #now: () => number
  readonly #publish: (message: string) => void
  readonly #rules: Rules
  #parsed: { readonly text: string | undefined; readonly watermark: TwinWatermark | undefined } | undefined

  constructor(options: {
    readonly watermark: string
    readonly now: () => number
    readonly publish: (message: string) => void
    readonly entries?: ReadonlyMap<string, Entry>
    readonly rules?: Rules
  }) {
    this.#watermark = options.watermark
    this.#now = options.now
    this.#publish = options.publish
    this.entries = new Map(options.entries)
    this.#rules = options.rules ?? new Rules()
  }

  get(key: string): string | undefined {
    const entry = this.entries.get(key)
    if (entry === undefined) return undefined
    if (entry.expiresAtMs > this.#now()) return entry.text
    this.entries.delete(key)
    return undefined
  }

  set(key: string, text: string, ttlMs = Number.POSITIVE_INFINITY): void {
    this.entries.set(key, { text, expiresAtMs: this.#now() + ttlMs })
  }

  watermark(): TwinWatermark | undefined {
    const text = this.get(this.#watermark)
    if (text !== this.#parsed?.text) this.#parsed = { text, watermark: parseTwinWatermark(text) }
    return this.#parsed?.watermark
  }

  register(key: string, generation: string): string | undefined {
    const text = this.get(key)
    if (text === undefined || !text.startsWith('r1|')) return undefined
    if (this.#rules.holds('registerHasGeneration') && !text.startsWith(`r1|${generation}|`)) return undefined
    const image = text.slice(4 + GENERATION_LENGTH)
    return isImage(image) ? image : undefined
  }

  #lease(key: string, generation: string): { readonly token: string; readonly pending: string } | undefined {
    const text = this.get(key)
    if (text === undefined || !text.startsWith('L|')) return undefined
    if (this.#rules.holds('leaseHasGeneration') && !text.startsWith(`L|${generation}|`)) return undefined
    const [, token, pending] = LEASE.exec(text.slice(3 + GENERATION_LENGTH)) ?? []
    if (token === undefined || pending === undefined) return undefined
    return pending === '' || isImage(pending) ? { token, pending } : undefined
  }

  // ── The scripts ────────────────────────────────────────────────────────────────────────────────────────────

  read(keys: readonly string[], token: string, leaseMs: number): readonly string[] {
    const watermark = this.watermark()
    if (watermark === undefined) return ['']
    const reply = [watermarkText(watermark)]
    for (const key of keys) {
      if (this.register(key, watermark.generation) !== undefined) reply.push(this.get(key) ?? '')
      else if (this.#lease(key, watermark.generation) !== undefined) reply.push('W')
      else {
        this.#setLease(key, `L|${watermark.generation}|${token}|`, leaseMs, 'leaseEnds')
        reply.push('L')
      }
    }
    return reply
  }

  apply(epoch: string, spare: string, entries: readonly TwinEntry[], ttlMs: number): readonly unknown[] {
    const watermark = this.watermark()
    if (watermark === undefined) return ['absent']
    if (watermark.epoch !== epoch && this.#rules.holds('epochInApply')) return ['refused']
    const counts = { applied: 0, skipped: 0, pending: 0, absent: 0 }
    const push = [pushHead(watermark, '', '')]
    for (const { key, image } of entries) {
      const outcome = this.#applyImage(key, watermark.generation, image, ttlMs)
      if (outcome === 'fork') {
        this.#renew(watermark, spare, '', '')
        return ['forked']
      }
      counts[outcome] += 1
      push.push(`${key}|${image}`)
    }
    this.#publish(push.join('\n'))
    return ['applied', counts.applied, counts.skipped, counts.pending, counts.absent]
  }

  fill(
    epoch: string,
    token: string,
    spare: string,
    entries: readonly TwinEntry[],
    ttlMs: number,
  ): readonly string[] {
    const watermark = this.watermark()
    if (watermark === undefined) return ['absent']
    if (watermark.epoch !== epoch && this.#rules.holds('epochInFill')) return ['refused']
    const reply = ['filled', watermarkText(watermark)]
    const push = [pushHead(watermark, '', '')]
    for (const { key, image: row } of entries) {
      const lease = this.#lease(key, watermark.generation)
      const isOurs = lease?.token === token || !this.#rules.holds('fillNeedsLease')
      const rival = isOurs ? lease?.pending : this.register(key, watermark.generation)
      const order = rival === undefined || rival === '' ? 1 : compareTwinImages(row, rival)
      if (order === undefined) {
        this.#renew(watermark, spare, '', '')
        return ['forked']
      }
      if (!isOurs) {
        reply.push('R')
        continue
      }
      const isBeaten = order < 0 && this.#rules.holds('fillTakesNewest')
      const image = isBeaten ? (rival ?? row) : row
      reply.push(isBeaten ? image : 'F')
      this.set(key, `r1|${watermark.generation}|${image}`, ttlMs)
      push.push(`${key}|${image}`)
    }
    if (push.length > 1) this.#publish(push.join('\n'))
    return reply
  }

  keep(keys: readonly string[], token: string, leaseMs: number): number {
    const generation = this.watermark()?.generation
    if (generation === undefined) return 0
    let kept = 0
    for (const key of keys) {
      const text = this.get(key)
      const isOurs = this.#lease(key, generation)?.token === token || !this.#rules.holds('keepOwnLease')
      if (text === undefined || !isOurs) continue
      this.set(key, text, leaseMs)
      kept += 1
    }
    return kept
  }

  fail(keys: readonly string[], token: string, failure: string, backoffMs: number): number {
    const generation = this.watermark()?.generation
    if (generation === undefined) return 0
    let marked = 0
    for (const key of keys) {
      const isOurs = this.#lease(key, generation)?.token === token || !this.#rules.holds('failOwnLease')
      if (failure === '') marked += isOurs && this.entries.delete(key) ? 1 : 0
      else if (isOurs || this.get(key) === undefined) {
        this.#setLease(key, `L|${generation}|${failure}|`, backoffMs, 'backoffEnds')
        marked += 1
      }
    }
    return marked
  }

  relay(
    move: {
      readonly epoch: string
      readonly from: string
      readonly to: string
      readonly asOf: string
      readonly spare: string
      readonly renew: boolean
    },
    entries: readonly TwinEntry[],
    ttlMs: number,
  ): readonly unknown[] {
    const watermark = this.watermark()
    if (watermark === undefined) return ['absent']
    const isThere = watermark.position === move.from || !this.#rules.holds('relayCompares')
    const isEpoch = watermark.epoch === move.epoch || !this.#rules.holds('epochInWatermark')
    if (!isThere || !isEpoch) return ['moved', watermarkText(watermark)]
    const next = { ...watermark, epoch: move.epoch, position: move.to, asOf: move.asOf || watermark.asOf }
    if (move.renew) {
      this.#renew(next, move.spare, move.from, move.to)
      return ['renewed']
    }
    const counts = { applied: 0, skipped: 0, pending: 0, absent: 0 }
    const push = [pushHead(next, move.from, move.to)]
    for (const { key, image } of entries) {
      if (image === '') this.entries.delete(key)
      else {
        const outcome = this.#applyImage(key, watermark.generation, image, ttlMs)
        if (outcome === 'fork') {
          this.#renew(next, move.spare, move.from, move.to)
          return ['forked']
        }
        counts[outcome] += 1
      }
      push.push(`${key}|${image}`)
    }
    this.set(this.#watermark, watermarkText(next))
    this.#publish(push.join('\n'))
    return ['relayed', counts.applied, counts.skipped, counts.pending, counts.absent]
  }

  install(expected: string, watermark: TwinWatermark): boolean {
    const held = this.get(this.#watermark) ?? ''
    if (held !== expected) return false
    this.set(this.#watermark, watermarkText(watermark))
    this.#publish(pushHead(watermark, parseTwinWatermark(held)?.position ?? '', watermark.position))
    return true
  }

  renew(generation: string): boolean {
    const watermark = this.watermark()
    if (watermark === undefined) return false
    this.#renew(watermark, generation, '', '')
    return true
  }

  void(keys: readonly string[]): number {
    const watermark = this.watermark()
    const removed = keys.filter((key) => this.get(key) !== undefined && this.entries.delete(key)).length
    if (watermark !== undefined) {
      this.#publish([pushHead(watermark, '', ''), ...keys.map((key) => `${key}|`)].join('\n'))
    }
    return removed
  }

  // ── What they share ────────────────────────────────────────────────────────────────────────────────────────

  #applyImage(
    key: string,
    generation: string,
    image: string,
    ttlMs: number,
  ): 'applied' | 'skipped' | 'pending' | 'absent' | 'fork' {
    const present = this.register(key, generation)
    if (present !== undefined) {
      const order = this.#orderOf(image, present)
      if (order === undefined) return 'fork'
      if (order <= 0) return 'skipped'
      this.set(key, `r1|${generation}|${image}`, ttlMs)
      return 'applied'
    }
    const lease = this.#lease(key, generation)
    if (lease === undefined) {
      if (!this.#rules.holds('updateOnly')) this.set(key, `r1|${generation}|${image}`, ttlMs)
      return 'absent'
    }
    if (!this.#rules.holds('pendingBesideLease')) return 'absent'
    if (lease.pending !== '') {
      const order = this.#orderOf(image, lease.pending)
      if (order === undefined) return 'fork'
      if (order <= 0) return 'skipped'
    }
    const leftMs = (this.entries.get(key)?.expiresAtMs ?? 0) - this.#now()
    if (leftMs === Number.POSITIVE_INFINITY) {
      this.entries.delete(key)
      return 'absent'
    }
    this.set(key, `L|${generation}|${lease.token}|${image}`, leftMs)
    return 'pending'
  }

  #setLease(key: string, text: string, ttlMs: number, ends: 'leaseEnds' | 'backoffEnds'): void {
    this.set(key, text, this.#rules.holds(ends) ? ttlMs : undefined)
  }

  #orderOf(image: string, present: string): number | undefined {
    return this.#rules.holds('versionWins') ? compareTwinImages(image, present) : 1
  }

  #renew(watermark: TwinWatermark, generation: string, from: string, to: string): void {
    const renewed = { ...watermark, generation }
    this.set(this.#watermark, watermarkText(renewed))
    this.#publish(pushHead(renewed, from, to))
  }
}

function pushHead({ generation, epoch, asOf }: TwinWatermark, from: string, to: string): string {
  return `p1|${generation}|${epoch}|${from}|${to}|${asOf}`
}
