/**
 * Which events exist: one map from type to the schema of its payload, shared by all who publish and receive.
 *
 * A schema is anything that speaks Standard Schema version 1, as zod, valibot and arktype do; nothing of them is
 * needed here.
 */

import {
  InvalidOptionError,
  isError,
  objectOptions,
  partOption,
  type SchemaIssue,
  type StandardSchema,
  thrownText,
} from '@kerp/core'
import { EventInvalidError } from './errors.js'

/** Schemas by event type. */
export type EventSchemas = Readonly<Record<string, StandardSchema>>

/** The types of a map. */
export type EventType<S extends EventSchemas> = keyof S & string

/** What an event of a type carries. */
export type EventPayload<S extends EventSchemas, T extends EventType<S>> =
  S[T] extends StandardSchema<infer P> ? P : never

/** A checked map of event types. */
export interface EventMap<S extends EventSchemas = EventSchemas> {
  /** As they were given. */
  readonly schemas: S
  /** In the order of `schemas`. */
  readonly types: readonly EventType<S>[]
  /** Whether a text is one of the types. */
  has(type: string): type is EventType<S>
  /**
   * The payload as its schema gives it.
   *
   * @throws {EventInvalidError} `EVENT_INVALID` for an unknown type or a payload that its schema refuses.
   */
  check<T extends EventType<S>>(type: T, payload: unknown): EventPayload<S, T>
}

/** The parts that all of this package are given. @throws {InvalidOptionError} `INVALID_OPTION` */
export function checkEventParts(
  owner: string,
  { keys, events }: { readonly keys: unknown; readonly events?: unknown },
  needsEvents = true,
): void {
  partOption(owner, 'keys', keys, { methods: ['eventsStream'], words: '`createKeys()`' })
  const words = 'a map of events: `erpEvents`, or one of `defineEvents`'
  if (needsEvents) partOption(owner, 'events', events, { methods: ['has', 'check'], words })
}

/** A type: what stands in messages, metrics and rules. */
const TYPE = /^[a-z][a-z0-9]*(?:[:._-][A-Za-z0-9]+){0,7}$/

/** The most characters of a type. */
const TYPE_LENGTH_MAX = 64

/**
 * Defines the events of a service. Put the built-in ones in front: `defineEvents({ ...erpEvents.schemas, … })`.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION` for a name that is no type, or a value that is no schema.
 * @example
 * const shop = payloadSchema('the name of a shop', (value) => String(value))
 * const events = defineEvents({ 'shop:opened': shop })
 * events.check('shop:opened', 'Seoul') // => 'Seoul'
 */
export function defineEvents<const S extends EventSchemas>(schemas: S): EventMap<S> {
  const known = new Map<string, StandardSchema>()
  objectOptions('defineEvents', schemas)
  for (const [type, schema] of Object.entries(schemas)) {
    if (!TYPE.test(type) || type.length > TYPE_LENGTH_MAX) {
      throw new InvalidOptionError(
        'defineEvents',
        'type',
        `words joined by : . _ or -, at most ${TYPE_LENGTH_MAX} long`,
        type,
      )
    }
    if (!isSchema(schema)) {
      throw new InvalidOptionError('defineEvents', type, 'a Standard Schema of version 1', schema)
    }
    known.set(type, schema)
  }
  return Object.freeze({
    schemas,
    types: Object.freeze(Object.keys(schemas)),
    has: (type: string): type is EventType<S> => known.has(type),
    check: (type: string, payload: unknown) => checkPayload(known, type, payload) as never,
  })
}

/**
 * A schema from a function that returns the payload or throws: for maps that need no schema library.
 *
 * @example
 * const hours = payloadSchema('a number of hours', (value) => {
 *   if (typeof value !== 'number') throw new Error('not a number')
 *   return value
 * })
 */
export function payloadSchema<P>(expected: string, read: (value: unknown) => P): StandardSchema<P> {
  return {
    '~standard': {
      version: 1,
      vendor: 'kerp',
      validate(value) {
        try {
          return { value: read(value) }
        } catch (error) {
          return { issues: [{ message: isError(error) ? thrownText(error) : `must be ${expected}` }] }
        }
      },
    },
  }
}

function isSchema(value: unknown): value is StandardSchema {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  const standard: unknown = Reflect.get(value, '~standard')
  if (typeof standard !== 'object' || standard === null) return false
  return Reflect.get(standard, 'version') === 1 && typeof Reflect.get(standard, 'validate') === 'function'
}

function checkPayload(known: ReadonlyMap<string, StandardSchema>, type: string, payload: unknown): unknown {
  const schema = known.get(type)
  if (schema === undefined) throw new EventInvalidError('type', 'a type of the event map', type)
  const result = schema['~standard'].validate(payload)
  if (result instanceof Promise) {
    result.catch(() => undefined)
    throw new EventInvalidError('payload', `checked at once, but the schema of ${type} waits`, payload)
  }
  if (result.issues === undefined) return result.value
  const [issue] = result.issues
  throw new EventInvalidError(
    pathOf(issue),
    `as the schema of ${type} says (${issue?.message ?? '?'})`,
    payload,
  )
}

function pathOf(issue: SchemaIssue | undefined): string {
  const steps = (issue?.path ?? []).map((step) => String(typeof step === 'object' ? step.key : step))
  return ['payload', ...steps].join('.')
}
