/**
 * How far a durable group is in the database's log of each company, kept beside the log: a group that Redis lost goes on
 * from there, and retention keeps what the group still has to read.
 */

import { createHash } from 'node:crypto'
import { type EventHead, type EventSinks, type EventSource, type Observer, tellFailure } from '@kerp/core'

/** The log of a durable group; one that keeps places remembers the group's. */
export type ConsumerSource = Pick<EventSource, 'read'> & Partial<EventSinks>

/** A place in the log of one company. */
export interface LogPlace {
  /** The history of the database; empty while it is not known. */
  readonly epoch: string
  readonly position: bigint
}

/** Companies of one statement. */
const HEADS_MAX = 1_000

/** Under which name a log remembers a group. Groups that could not stand there are named by their hash. */
export function sinkOfGroup(group: string): string {
  if (/^[a-z0-9._-]{1,56}$/.test(group)) return `group.${group}`
  return `group-hash.${createHash('sha256').update(group).digest('hex').slice(0, 48)}`
}

/** The places of one group. */
export class GroupPlaces {
  readonly #source: ConsumerSource | undefined
  readonly #sink: string
  readonly #observer: Observer
  /** One small entry for each company whose place moved since the last record. */
  readonly #moved = new Map<string, LogPlace>()
  #asked: Promise<ReadonlyMap<string, bigint>> | undefined
  #recording: Promise<void> | undefined

  constructor(source: ConsumerSource | undefined, group: string, observer: Observer) {
    this.#source = source
    this.#sink = sinkOfGroup(group)
    this.#observer = observer
  }

  /**
   * How far the group was when that was last recorded, in the history that the database is in now; undefined when it never
   * was. Questions of one moment share a statement. Throws what the log throws.
   */
  async find(companyId: string): Promise<bigint | undefined> {
    this.#asked ??= Promise.resolve().then(() => {
      this.#asked = undefined
      return this.#read()
    })
    return (await this.#asked).get(companyId)
  }

  /** The group came so far; recorded with the next `record`. */
  moved(companyId: string, place: LogPlace): void {
    if (this.#source?.reached !== undefined && place.epoch !== '') this.#moved.set(companyId, place)
  }

  /** Writes what moved, a statement for many companies. Never rejects: the next call tries again. */
  record(): Promise<void> {
    this.#recording ??= this.#write()
      .catch((error: unknown) => tellFailure(this.#observer, 'consumer', error))
      .finally(() => (this.#recording = undefined))
    return this.#recording
  }

  async #read(): Promise<ReadonlyMap<string, bigint>> {
    const heads = (await this.#source?.positions?.(this.#sink)) ?? []
    return new Map(heads.map(({ companyId, position }) => [companyId, BigInt(position)]))
  }

  async #write(): Promise<void> {
    const moved = [...this.#moved]
    const [first] = moved
    if (this.#source?.reached === undefined || first === undefined) return
    // A place in a history that has ended names other events now.
    const [companyId, { position }] = first
    const { epoch } = await this.#source.read({ companyId, after: String(position), limit: 1 })
    const heads = moved
      .filter(([, place]) => place.epoch === epoch)
      .map(([company, place]): EventHead => ({ companyId: company, position: String(place.position) }))
    for (let at = 0; at < heads.length; at += HEADS_MAX) {
      await this.#source.reached(this.#sink, heads.slice(at, at + HEADS_MAX))
    }
    for (const [company, place] of moved) {
      if (this.#moved.get(company) === place) this.#moved.delete(company)
    }
  }
}
