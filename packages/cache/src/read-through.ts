/**
 * The read-through cache: reports, dashboards, sessions, master data and whatever else may be a little older than
 * the database, but never older than its last invalidation.
 *
 * There is no `set`. A value comes in by its loader alone, under a lease, so that nobody can put back what an
 * invalidation removed. Balances and stock are registers, which are exact; they do not belong here.
 */

import { InvalidInputError, OverloadedError, tellFailure } from '@kerp/core'
import { companyOfKey, type Key, type Keys } from '@kerp/keys'
import { redisCommand } from '@kerp/redis'
import { type CacheDefinition, resolveDefinition } from './cache-definition.js'
import { CachedValues } from './cached-values.js'
import { type Removal, UNACKNOWLEDGED_MAX } from './invalidation-memory.js'
import {
  type ReadThroughOptions,
  type ReadThroughParts,
  resolveReadThroughOptions,
} from './read-through-options.js'
import { TagInvalidations } from './tag-invalidations.js'

/** Keys or tags of one call. */
const NAMES_MAX = 10_000

/** Names of one command, a key with its lease; tags of calls that came together may be more, and become several. */
const NAMES_PER_COMMAND_MAX = 2 * NAMES_MAX

/** Caches of any number of types on one Redis, invalidated together. */
export class ReadThrough {
  readonly #parts: ReadThroughParts
  readonly #tags = new TagInvalidations((companyId, keys) =>
    this.#remove('tag', { scope: this.keys.cacheGeneration(companyId), keys }),
  )

  /**
   * No I/O happens here, and nothing has to be closed.
   *
   * @throws {InvalidOptionError} `INVALID_OPTION`
   */
  constructor(options: ReadThroughOptions) {
    this.#parts = resolveReadThroughOptions(options)
  }

  /** The builder of keys, as it was given. */
  get keys(): Keys {
    return this.#parts.keys
  }

  /**
   * Defines a type of values.
   *
   * @throws {InvalidOptionError} `INVALID_OPTION`
   * @example
   * import { ReadThrough } from '@kerp/cache'
   *
   * const cache = new ReadThrough({ redis, keys })
   * const units = cache.define({
   *   type: 'master_data',
   *   key: (ref: { companyId: string; id: string }) => keys.cached({ ...ref, type: 'unit' }),
   *   tags: () => ['units'],
   *   load: async ({ companyId, id }) => {
   *     const { rows } = await pool.query('SELECT name FROM unit WHERE company = $1 AND id = $2', [companyId, id])
   *     return rows.length === 0 ? undefined : { name: String(rows[0].name) }
   *   },
   *   codec: { encode: ({ name }) => name, decode: (name) => ({ name }) },
   * })
   * const unit = await units.get({ companyId, id: 'kg' })
   */
  define<R, T>(definition: CacheDefinition<R, T>): CachedValues<R, T> {
    return new CachedValues(this.#parts, resolveDefinition(definition), (keys) => this.invalidateKeys(keys))
  }

  /**
   * Voids everything that carries one of the tags, whatever their number, in one command. Nothing that is being
   * loaded now is stored. Call it after the change was committed; repeating it does no harm. Calls for one company that
   * come at the same time share a command.
   *
   * @throws {RedisNotDoneError} `REDIS_NOT_DONE`, {RedisUnknownError} `REDIS_UNKNOWN`, both retryable, or
   * {RedisRefusedError} `REDIS_REFUSED`.
   * @throws {InvalidKeyError} `INVALID_KEY` for a tag that is no part of a key, {InvalidInputError} `INVALID_INPUT` for
   * more than 10,000 tags, both before anything is done.
   */
  invalidateTags(companyId: string, tags: readonly string[]): Promise<void> {
    if (tags.length > NAMES_MAX) return Promise.reject(tooMany('tags', tags))
    const keys = tags.map((tag) => this.#parts.keys.cacheTag({ companyId, tag }))
    return keys.length === 0 ? Promise.resolve() : this.#tags.add(companyId, keys)
  }

  /**
   * Voids every cached value of the company, whatever their number, in one command.
   *
   * @throws like `invalidateTags`.
   */
  invalidateAll(companyId: string): Promise<void> {
    const scope = this.keys.cacheGeneration(companyId)
    return this.#remove('company', { scope, keys: [scope] })
  }

  /**
   * Removes single values and the right to store them: one command for each company, and one for each session. At most
   * 10,000 keys.
   *
   * @throws like `invalidateTags`.
   */
  async invalidateKeys(keys: readonly Key[]): Promise<void> {
    if (keys.length > NAMES_MAX) throw tooMany('keys', keys)
    const scopes = new Map<Key, Key[]>()
    for (const key of keys) {
      const companyId = companyOfKey(key)
      const scope = companyId === undefined ? key : this.keys.cacheGeneration(companyId)
      const together = scopes.get(scope) ?? []
      scopes.set(scope, together)
      together.push(key, this.keys.lease(key))
    }
    await Promise.all([...scopes].map(([scope, together]) => this.#remove('key', { scope, keys: together })))
  }

  // A generation that is gone equals none that was ever stored, and the next one has never been used: removing
  // is enough, and is idempotent.
  async #remove(kind: 'key' | 'tag' | 'company', removal: Removal): Promise<void> {
    const { redis, memory, observer, invalidateDeadlineMs } = this.#parts
    const { scope, keys } = removal
    const { doubts } = memory
    try {
      const call = { deadlineMs: invalidateDeadlineMs, observer, effect: 'idempotent' } as const
      for (let at = 0; at < keys.length; at += NAMES_PER_COMMAND_MAX) {
        await redisCommand(redis, 'del', keys.slice(at, at + NAMES_PER_COMMAND_MAX), call)
      }
      memory.acknowledge(removal, doubts)
      // A single value is named by its key and its lease.
      observer.cacheInvalidation?.({ scope: kind, count: kind === 'key' ? keys.length / 2 : keys.length })
    } catch (error) {
      if (memory.doubt(removal)) tellFailure(observer, 'ReadThrough', tooManyUnacknowledged())
      throw error
    } finally {
      memory.marks.invalidate(scope)
    }
  }
}

function tooManyUnacknowledged(): OverloadedError {
  return new OverloadedError('ReadThrough', 'unacknowledgedMax', UNACKNOWLEDGED_MAX)
}

function tooMany(field: 'tags' | 'keys', names: readonly string[]): InvalidInputError {
  return new InvalidInputError(field, `at most ${NAMES_MAX} at once`, names)
}
