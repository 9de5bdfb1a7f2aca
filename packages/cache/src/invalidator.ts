/**
 * Follows the events of the ERP: each event type names what is void by it.
 *
 * It has no connection of its own. A durable consumer calls `handle`, and acknowledges an event when that has
 * returned; so an event whose invalidation failed, or whose process died, comes again.
 */

import { InvalidOptionError, objectOptions, partOption } from '@kerp/core'
import { RedisNotDoneError, RedisRefusedError, RedisUnknownError } from '@kerp/redis'
import type { Key } from '@kerp/keys'
import type { EventEnvelope, EventMap, EventPayload, EventSchemas, EventType } from '@kerp/pubsub'
import type { ReadThrough } from './read-through.js'

/** What is void by an event; all of it belongs to the event's company. */
export interface Invalidation {
  readonly tags?: readonly string[] | undefined
  /** Single values: of `CachedValues.keyOf`. */
  readonly keys?: readonly Key[] | undefined
  /** Everything of the company. */
  readonly all?: boolean | undefined
}

/** What is void by an event, by its type. Types without a rule change nothing that is cached. */
export type InvalidationRules<S extends EventSchemas> = {
  readonly [T in EventType<S>]?: (event: EventEnvelope<T, EventPayload<S, T>>) => Invalidation
}

/** What an `Invalidator` is made of. */
export interface InvalidatorOptions<S extends EventSchemas> {
  /** The cache whose values are voided. */
  readonly cache: ReadThrough
  /** The events that rules may be about. */
  readonly events: EventMap<S>
  /** For each type of event, what it voids: tags, keys, or all of the company. */
  readonly rules: InvalidationRules<S>
}

/** An event of a map, as far as the rules need to know. */
export type RuledEvent = Pick<EventEnvelope, 'companyId' | 'type'>

/** What is void by a change that no rule is about. */
export interface CompanyInvalidation extends Invalidation {
  readonly companyId: string
}

interface CompanyTargets {
  readonly tags: Set<string>
  readonly keys: Set<Key>
  all: boolean
}

/** Turns events into invalidations. */
export class Invalidator<S extends EventSchemas> {
  readonly #cache: ReadThrough
  /** The event types that have a rule, for the consumer to ask for. */
  readonly types: readonly EventType<S>[]
  readonly #rules: ReadonlyMap<string, (event: never) => Invalidation>

  /**
   * No I/O happens here.
   *
   * @throws {InvalidOptionError} `INVALID_OPTION` for a rule about an event that does not exist.
   */
  constructor(options: InvalidatorOptions<S>) {
    const { events, rules } = objectOptions('Invalidator', options)
    partOption('Invalidator', 'events', events, { methods: ['has'], words: 'a map of `defineEvents()`' })
    objectOptions('Invalidator', rules, 'rules')
    const cache = partOption('Invalidator', 'cache', options.cache, {
      methods: ['invalidateTags'],
      words: 'a ReadThrough',
    })
    const isKnown = (type: string): boolean => events.has(type)
    const unknown = Object.keys(rules).filter((type) => !isKnown(type))
    if (unknown.length > 0) {
      throw new InvalidOptionError('Invalidator', 'rules', 'about events of the map', unknown[0])
    }
    this.#cache = cache
    this.types = events.types.filter((type) => rules[type] !== undefined)
    this.#rules = new Map(
      Object.entries<((event: never) => Invalidation) | undefined>(rules).flatMap(entryOf),
    )
  }

  /**
   * Voids what the event names, and returns when Redis has acknowledged it. Repeating it does no harm.
   *
   * @throws {RedisNotDoneError} `REDIS_NOT_DONE`, {RedisUnknownError} `REDIS_UNKNOWN`, both retryable, or
   * {RedisRefusedError} `REDIS_REFUSED`: the event must come again.
   * @throws {InvalidInputError} `INVALID_INPUT` for more than 10,000 tags or keys of one company.
   * @throws whatever its rule throws.
   */
  handle(event: RuledEvent): Promise<void> {
    return this.handleAll([event])
  }

  /** The same for several events: at most one command for each company and kind of target, whatever their number. */
  async handleAll(events: readonly RuledEvent[]): Promise<void> {
    await this.#voidAll(this.#targets(events))
  }

  /**
   * For whoever committed: no read of this process that begins after it has returned answers what was loaded before,
   * whatever becomes of Redis. Takes the events of the commit, or by name what it changed.
   *
   * Returns whether Redis has acknowledged it. Otherwise the loaders answer in this process until a repetition that goes
   * on by itself is acknowledged; other processes are told by the events.
   *
   * @throws {InvalidInputError} `INVALID_INPUT`, {InvalidKeyError} `INVALID_KEY`, and whatever a rule throws: like `handle`.
   */
  async apply(changes: readonly (RuledEvent | CompanyInvalidation)[]): Promise<boolean> {
    try {
      await this.#voidAll(this.#targets(changes))
      return true
    } catch (error) {
      if (isOfRedis(error)) return false
      throw error
    }
  }

  #targets(changes: readonly (RuledEvent | CompanyInvalidation)[]): ReadonlyMap<string, CompanyTargets> {
    const companies = new Map<string, CompanyTargets>()
    for (const change of changes) {
      // The map and the event carry the same type, so the rule gets the payload that it is written for.
      const named = 'type' in change ? this.#rules.get(change.type)?.(change as never) : change
      if (named === undefined) continue
      const targets = companies.get(change.companyId) ?? { tags: new Set(), keys: new Set(), all: false }
      companies.set(change.companyId, targets)
      collect(targets, named)
    }
    return companies
  }

  async #voidAll(companies: ReadonlyMap<string, CompanyTargets>): Promise<void> {
    const commands = [...companies].flatMap(([companyId, targets]) => this.#commands(companyId, targets))
    const failures = (await Promise.allSettled(commands.map(async (command) => command()))).flatMap((one) =>
      one.status === 'rejected' ? [one.reason as unknown] : [],
    )
    // What the caller has to mend first; Redis is asked again anyway.
    if (failures.length > 0) throw failures.find((error) => !isOfRedis(error)) ?? failures[0]
  }

  #commands(companyId: string, { tags, keys, all }: CompanyTargets): readonly (() => Promise<void>)[] {
    const cache = this.#cache
    if (all) return [() => cache.invalidateAll(companyId)]
    return [() => cache.invalidateTags(companyId, [...tags]), () => cache.invalidateKeys([...keys])]
  }
}

function isOfRedis(error: unknown): boolean {
  return (
    error instanceof RedisNotDoneError ||
    error instanceof RedisUnknownError ||
    error instanceof RedisRefusedError
  )
}

function entryOf<V>([type, rule]: [string, V | undefined]): [string, V][] {
  return rule === undefined ? [] : [[type, rule]]
}

function collect(targets: CompanyTargets, { tags = [], keys = [], all = false }: Invalidation): void {
  for (const tag of tags) targets.tags.add(tag)
  for (const key of keys) targets.keys.add(key)
  targets.all ||= all
}
