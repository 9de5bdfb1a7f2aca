/** One type of cached values: its keys, its tags, how it is loaded, checked and how long it is kept. */

import {
  type Codec,
  InvalidOptionError,
  jsonCodec,
  type SchemaResult,
  type StandardSchema,
  textOption,
  wholeNumberOption,
} from '@kerp/core'
import type { Key } from '@kerp/keys'
import type { LocalTierOptions } from './local-tier.js'

/** What a loader gets beside the ref. */
export interface LoadContext {
  /** Aborts when the load has taken too long; nobody waits for it any more. */
  readonly signal: AbortSignal
}

/** How values of one type are read through the cache. `R` names a value, `T` is its type. */
export interface CacheDefinition<R, T> {
  /** Names the type in metrics and in the TTL table, for example `report`. */
  readonly type: string
  /** The key of a value, made by `Keys`. Different refs must give different keys. */
  readonly key: (ref: R) => Key
  /** What the value is made from, so that it can be invalidated with everything else that is; at most 16. */
  readonly tags?: ((ref: R) => readonly string[]) | undefined
  /**
   * Reads the truth: as of a moment after the call began, so no replica and no transaction that is open already.
   * Undefined means that there is nothing. Left out: `loadMany` with one ref.
   */
  readonly load?: ((ref: R, context: LoadContext) => Promise<T | undefined>) | undefined
  /**
   * The same for several refs in one call, in their order: for each its value, undefined, or the `Error` that only this
   * one is refused with. Throwing refuses all of them. What `getMany`, `fill` and their refreshes lack is loaded by it.
   */
  readonly loadMany?:
    | ((refs: readonly R[], context: LoadContext) => Promise<readonly (T | Error | undefined)[]>)
    | undefined
  /** The most refs of one call of `loadMany`; more become several calls side by side. @defaultValue 1_000 */
  readonly loadManyMax?: number | undefined
  /** Checks and types what comes out of the cache; any validator of the Standard Schema. @defaultValue none */
  readonly schema?: StandardSchema<T> | undefined
  /** Writes and reads the text, instead of JSON with `schema`. With both, the schema checks what the codec read. */
  readonly codec?: Codec<T> | undefined
  /** Raise it when the shape changes: values of other versions are loaded anew. Not used with `codec`. @defaultValue 1 */
  readonly version?: number | undefined
  /** The most bytes of a value; a larger one is answered and not stored. @defaultValue 262_144 */
  readonly bytesMax?: number | undefined
  /** How long it is remembered that there is nothing, in ms; 0: not at all. @defaultValue 30_000 */
  readonly negativeTtlMs?: number | undefined
  /** Loads a value that is asked for often anew before its time is over, so that nobody waits. @defaultValue false */
  readonly earlyRefresh?: boolean | undefined
  /** How long a value whose time is over is still answered while it is loaded anew, in ms. Never one that was invalidated. @defaultValue 0 */
  readonly staleMs?: number | undefined
  /** Whether TTLs vary by ±10 %. @defaultValue true, but false for `session` and `refresh_token` */
  readonly jitter?: boolean | undefined
  /** Keeps values in this process too, for a moment. @defaultValue none */
  readonly local?: LocalTierOptions | undefined
}

/** A definition with every choice made. */
export interface ResolvedDefinition<R, T> {
  readonly type: string
  readonly key: (ref: R) => Key
  readonly tags: (ref: R) => readonly string[]
  readonly load: CacheDefinition<R, T>['load']
  readonly loadMany: CacheDefinition<R, T>['loadMany']
  readonly loadManyMax: number
  readonly encode: (value: T) => string
  /** Throws, or rejects, for a text that is no `T`. */
  readonly decode: (payload: string) => T | Promise<T>
  readonly bytesMax: number
  readonly negativeTtlMs: number
  readonly earlyRefresh: boolean
  readonly staleMs: number
  readonly jitter: boolean
  readonly local: LocalTierOptions | undefined
}

const OWNER = 'ReadThrough.define'
/** Tags of one value: each is a generation that every read of it compares. */
const TAGS_MAX = 16
const EXACT_TYPES: readonly string[] = ['session', 'refresh_token']
const TYPE_RULE = { pattern: /^[a-z][a-z0-9_]{0,47}$/, words: 'a word of a-z 0-9 _', fallback: '' }

/**
 * Checks a definition.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION`
 */
export function resolveDefinition<R, T>(given: CacheDefinition<R, T>): ResolvedDefinition<R, T> {
  const whole = (name: keyof CacheDefinition<R, T>, min: number, max: number, fallback: number): number =>
    wholeNumberOption(OWNER, name, given[name], { min, max, fallback })
  const type = textOption(OWNER, 'type', given.type, TYPE_RULE)
  if (type === '') throw new InvalidOptionError(OWNER, 'type', TYPE_RULE.words, given.type)
  if (given.load === undefined && given.loadMany === undefined) {
    throw new InvalidOptionError(OWNER, 'load', 'given, or else `loadMany`', given.load)
  }
  return {
    type,
    key: given.key,
    tags: (ref) => checkedTags(given.tags?.(ref) ?? []),
    load: given.load,
    loadMany: given.loadMany,
    loadManyMax: whole('loadManyMax', 1, 10_000, 1_000),
    ...codecOf(given),
    bytesMax: whole('bytesMax', 1, 2 ** 28, 262_144),
    negativeTtlMs: whole('negativeTtlMs', 0, 86_400_000, 30_000),
    earlyRefresh: given.earlyRefresh ?? false,
    staleMs: whole('staleMs', 0, 86_400_000, 0),
    jitter: given.jitter ?? !EXACT_TYPES.includes(type),
    local: given.local,
  }
}

function checkedTags(tags: readonly string[]): readonly string[] {
  if (tags.length <= TAGS_MAX) return tags
  throw new InvalidOptionError(OWNER, 'tags', `a function that gives at most ${TAGS_MAX} tags`, tags)
}

function codecOf<R, T>(given: CacheDefinition<R, T>): Pick<ResolvedDefinition<R, T>, 'encode' | 'decode'> {
  const { codec, schema } = given
  if (schema === undefined) {
    if (codec === undefined) throw new InvalidOptionError(OWNER, 'schema', 'given, or else `codec`', schema)
    return { encode: (value) => codec.encode(value), decode: (payload) => codec.decode(payload) }
  }
  const version = wholeNumberOption(OWNER, 'version', given.version, { min: 1, fallback: 1 })
  // The size has its own limit here, which is no error.
  const json = jsonCodec<unknown>({ version, check: (parsed) => parsed, bytesMax: Number.MAX_SAFE_INTEGER })
  return {
    encode: (value) => (codec ?? json).encode(value),
    decode(payload) {
      const result = schema['~standard'].validate((codec ?? json).decode(payload))
      return result instanceof Promise ? result.then(valueOf) : valueOf(result)
    },
  }
}

function valueOf<T>(result: SchemaResult<T>): T {
  if (result.issues === undefined) return result.value
  const [issue] = result.issues
  throw new InvalidOptionError(OWNER, 'schema', 'one that knows this value', issue?.message)
}
