/** What `Consumer` is made of, with its bounds and their defaults. */

import {
  type Clock,
  observerOfPart,
  type EventTracing,
  functionOption,
  InvalidOptionError,
  objectOptions,
  type Observer,
  oneOfOption,
  partOption,
  type RandomSource,
  systemClock,
  systemRandom,
  wholeNumberOption,
} from '@kerp/core'
import type { Keys } from '@kerp/keys'
import { type RedisClient, redisClientOption } from '@kerp/redis'
import type { AnyEvent } from './envelope.js'
import { checkEventParts, type EventMap, type EventSchemas, type EventType } from './event-map.js'
import { type ConsumerSource, GroupPlaces } from './group-places.js'
import { resolveSharded, type ShardedOption } from './sharded.js'

/** What a handler learns beside the event. */
export interface ConsumerContext {
  readonly group: string
  /**
   * Names the event among all of its company, for `effectOnce`: its id, save where somebody chose an id that is the
   * position of another event.
   */
  readonly effectId: string
  /** From 1; more than 1 when it failed before, or a process died with it. */
  readonly attempt: number
  /** Aborts when the consumer gives up waiting while it closes. */
  readonly signal: AbortSignal
}

/** Does what an event asks for. Throwing has it called again, at most `attemptsMax` times. */
export type ConsumerHandler<S extends EventSchemas> = (
  event: AnyEvent<S>,
  context: ConsumerContext,
) => Promise<unknown>

/** Options of `Consumer`. */
export interface ConsumerOptions<S extends EventSchemas> extends ShardedOption {
  /** Never closed by this class. */
  readonly redis: RedisClient
  readonly keys: Keys
  /** The types of events and their schemas: `erpEvents`, or your own by `defineEvents`. */
  readonly events: EventMap<S>
  /** One per handler, the same in all processes: up to 64 of `A-Z a-z 0-9 . _ -`. */
  readonly group: string
  /** Called with one event after the other of a company; when it resolves, the event is done. */
  readonly handler: ConsumerHandler<S>
  /** Whose events; a function is asked again every `companiesMs`. */
  readonly companies: readonly string[] | (() => Promise<readonly string[]>)
  /** Types that the handler is called for; the others are done at once. @defaultValue all types of the map */
  readonly types?: readonly EventType<S>[] | undefined
  /**
   * The database's log: events that Redis lost, or trimmed, are read there. One that keeps places (`EventLog` does)
   * remembers how far the group is, under the name `group.` and the group's, so that it goes on there when Redis lost it.
   */
  readonly source?: ConsumerSource | undefined
  /** Where a group that is new begins: with all that is kept (in the log, too), or with what comes. @defaultValue 'beginning' */
  readonly from?: 'beginning' | 'now' | undefined
  readonly observer?: Observer | undefined
  readonly clock?: Clock | undefined
  /** Handlers run below the trace of who published. @defaultValue none */
  readonly tracing?: EventTracing | undefined
  readonly random?: RandomSource | undefined
  /** Handlers that run at once, each for another company. @defaultValue 16 */
  readonly concurrency?: number | undefined
  /** Events of a company that are taken at once. @defaultValue 64 */
  readonly batchMax?: number | undefined
  /** Calls of the handler for one event, before it becomes a dead letter. @defaultValue 5 */
  readonly attemptsMax?: number | undefined
  /** The wait before the second call is random below this, and doubles, in ms. @defaultValue 100 */
  readonly backoffMs?: number | undefined
  /** The longest wait between two calls, in ms. @defaultValue 10_000 */
  readonly backoffMsMax?: number | undefined
  /** How long a process that died keeps a company's events from others, in ms. @defaultValue 10_000 */
  readonly leaseMs?: number | undefined
  /** How often each company is looked at without being told, in ms. @defaultValue 1_000 */
  readonly pollMs?: number | undefined
  /** How often `companies` is asked again, in ms. @defaultValue 5_000 */
  readonly companiesMs?: number | undefined
  /** Dead letters that are kept for each company. @defaultValue 10_000 */
  readonly deadMax?: number | undefined
  /** How long `close` waits for handlers that run, in ms. @defaultValue 5_000 */
  readonly closeMs?: number | undefined
}

/** The options with every choice made. */
export type ConsumerParts<S extends EventSchemas> = ReturnType<typeof resolveConsumerOptions<S>>

const GROUP = /^[\w.-]{1,64}$/

/** @throws {InvalidOptionError} `INVALID_OPTION` */
export function resolveConsumerOptions<S extends EventSchemas>(options: ConsumerOptions<S>) {
  objectOptions('Consumer', options)
  checkEventParts('Consumer', options)
  functionOption('Consumer', 'handler', options.handler)
  const whole = (name: keyof ConsumerOptions<S>, fallback: number, min = 1): number =>
    wholeNumberOption('Consumer', name, options[name], { min, max: 1_000_000_000, fallback })
  const { group, companies } = options
  if (typeof group !== 'string' || !GROUP.test(group)) {
    throw new InvalidOptionError('Consumer', 'group', 'up to 64 of A-Z a-z 0-9 . _ -', group)
  }
  if (typeof companies !== 'function' && !Array.isArray(companies)) {
    throw new InvalidOptionError('Consumer', 'companies', 'a list of companies, or a function', companies)
  }
  if (options.source !== undefined) {
    partOption('Consumer', 'source', options.source, { methods: ['read'], words: 'the log of events' })
  }
  return Object.freeze({
    redis: redisClientOption('Consumer', options.redis),
    keys: options.keys,
    events: options.events,
    group,
    handler: options.handler,
    companies: typeof companies === 'function' ? companies : () => Promise.resolve(companies),
    types: options.types === undefined ? undefined : new Set<string>(options.types),
    source: options.source,
    places: new GroupPlaces(options.source, group, observerOfPart(options.observer)),
    sharded: resolveSharded('Consumer', options.redis, options.sharded),
    from: oneOfOption('Consumer', 'from', options.from, ['beginning', 'now'], 'beginning'),
    observer: observerOfPart(options.observer),
    clock: options.clock ?? systemClock,
    tracing: options.tracing,
    random: options.random ?? systemRandom,
    concurrency: whole('concurrency', 16),
    batchMax: whole('batchMax', 64),
    attemptsMax: whole('attemptsMax', 5),
    backoffMs: whole('backoffMs', 100),
    backoffMsMax: whole('backoffMsMax', 10_000),
    leaseMs: whole('leaseMs', 10_000, 100),
    pollMs: whole('pollMs', 1_000, 10),
    companiesMs: whole('companiesMs', 5_000, 10),
    deadMax: whole('deadMax', 10_000),
    closeMs: whole('closeMs', 5_000, 0),
  })
}
