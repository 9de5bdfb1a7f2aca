/** Events that a durable group could not handle: listed, and handled again when what was wrong has been repaired. */

import { redisCommand } from '@kerp/redis'
import type { ConsumerParts } from './consumer-options.js'
import type { EntryHandler } from './entry-handler.js'
import { decodeEvent } from './envelope.js'
import type { EventSchemas } from './event-map.js'

/** An event that was put aside. */
export interface DeadLetter {
  readonly id: string
  readonly companyId: string
  readonly eventId: string
  /** The encoded event. */
  readonly text: string
  /** `attempts`: it failed each time · `refused`: its error said that trying again is useless · `invalid`: no event of the map. */
  readonly reason: string
  /** Name and message of the last error. */
  readonly error: string
  readonly attempts: number
}

/** What became of dead letters that were handled again. */
export interface RedriveReport {
  readonly handled: number
  readonly failed: number
  /** Pass as `after` to go on; undefined when all were tried. */
  readonly next: string | undefined
}

const TRIED_MAX = 10_000

/** The dead letters of one group. */
export class DeadLetters<S extends EventSchemas> {
  readonly #parts: ConsumerParts<S>
  readonly #handler: EntryHandler<S>
  /** By company, the letter up to which `redrive` got. */
  readonly #tried = new Map<string, string>()

  constructor(parts: ConsumerParts<S>, handler: EntryHandler<S>) {
    this.#parts = parts
    this.#handler = handler
  }

  async list(companyId: string, limit: number, after?: string): Promise<readonly DeadLetter[]> {
    const args = [this.#key(companyId), after === undefined ? '-' : `(${after}`, '+', 'COUNT', limit]
    const reply = await redisCommand(this.#parts.redis, 'xrange', args, { effect: 'none' })
    const rows: readonly unknown[] = Array.isArray(reply) ? reply : []
    return rows.map((row) => letterOf(companyId, row)).filter((letter) => letter !== undefined)
  }

  /** Without `after` it goes on where the last call ended, so that those that fail again do not hold up the others. */
  async redrive(companyId: string, limit: number, after?: string): Promise<RedriveReport> {
    let handled = 0
    let failed = 0
    const letters = await this.list(companyId, limit, after ?? this.#tried.get(companyId))
    for (const letter of letters) {
      if (await this.#again(letter)) handled += 1
      else failed += 1
    }
    const next = letters.length < limit ? undefined : letters.at(-1)?.id
    this.#remember(companyId, next)
    return { handled, failed, next }
  }

  /** The company that was tried longest ago is forgotten first: it begins with its oldest again. */
  #remember(companyId: string, next: string | undefined): void {
    this.#tried.delete(companyId)
    if (next === undefined) return
    this.#tried.set(companyId, next)
    const [first] = this.#tried.keys()
    if (this.#tried.size > TRIED_MAX && first !== undefined) this.#tried.delete(first)
  }

  async #again({ companyId, id, text }: DeadLetter): Promise<boolean> {
    try {
      const event = decodeEvent(this.#parts.events, companyId, text)
      if ((await this.#handler.tryOnce(event)) !== undefined) return false
    } catch {
      return false
    }
    await redisCommand(this.#parts.redis, 'xdel', [this.#key(companyId), id], { effect: 'idempotent' })
    return true
  }

  #key(companyId: string): string {
    return this.#parts.keys.deadEvents({ companyId, group: this.#parts.group })
  }
}

function letterOf(companyId: string, row: unknown): DeadLetter | undefined {
  if (!Array.isArray(row)) return undefined
  const id: unknown = row[0]
  const list: unknown = row[1]
  if (typeof id !== 'string' || !Array.isArray(list)) return undefined
  const field = (name: string): string => {
    const at = list.findIndex((value: unknown, index) => index % 2 === 0 && value === name)
    const value: unknown = at < 0 ? '' : list[at + 1]
    return typeof value === 'string' ? value : ''
  }
  return {
    id,
    companyId,
    eventId: field('i'),
    text: field('e'),
    reason: field('reason'),
    error: field('error'),
    attempts: Number(field('attempts')),
  }
}
