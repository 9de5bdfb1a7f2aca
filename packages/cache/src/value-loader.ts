/** Calls the user's loader: in its turn, by a deadline, and with its values turned into what is stored. */

import { InvalidInputError, withDeadline, isError } from '@kerp/core'
import type { LoadContext, ResolvedDefinition } from './cache-definition.js'
import { CacheValueError } from './errors.js'
import type { ReadThroughParts } from './read-through-options.js'

/** What a load brought. */
export interface Loaded {
  /** What the codec wrote; undefined: there is nothing. */
  readonly payload: string | undefined
  /** How long the loader took, in ms. */
  readonly elapsedMs: number
}

/** Loads values of one type. */
export class ValueLoader<R, T> {
  readonly #parts: ReadThroughParts
  readonly #definition: ResolvedDefinition<R, T>

  constructor(parts: ReadThroughParts, definition: ResolvedDefinition<R, T>) {
    this.#parts = parts
    this.#definition = definition
  }

  /** The most refs of one call of `many`; 1 when the type has no loader for several. */
  get refsMax(): number {
    return this.#definition.loadMany === undefined ? 1 : this.#definition.loadManyMax
  }

  /** @throws whatever the loader throws, and what `CachedValues.get` throws for a load. */
  async one(ref: R): Promise<Loaded> {
    const { load } = this.#definition
    if (load !== undefined) return this.#timed(async (context) => this.#payloadOf(await load(ref, context)))
    const [loaded] = await this.many([ref])
    if (isError(loaded)) throw loaded
    // `many` has one for each ref.
    return loaded ?? { payload: undefined, elapsedMs: 0 }
  }

  /** One call of the loader for all; by ref what it brought, or why that value has none. Throws like `one`. */
  async many(refs: readonly R[]): Promise<readonly (Loaded | Error)[]> {
    const { payload: loaded, elapsedMs } = await this.#timed((context) => this.#payloadsOf(refs, context))
    return loaded.map((one) => (isError(one) ? one : { ...one, elapsedMs }))
  }

  async #timed<P>(
    work: (context: LoadContext) => Promise<P>,
  ): Promise<{ readonly payload: P; readonly elapsedMs: number }> {
    const { gate, clock, observer, loadDeadlineMs } = this.#parts
    const { type } = this.#definition
    return gate.run(async () => {
      const begunMs = clock.monotonicMs()
      const controller = new AbortController()
      const tell = (ok: boolean): void =>
        observer.cacheLoad?.({ type, ok, elapsedMs: clock.monotonicMs() - begunMs })
      try {
        const payload = await withDeadline(work({ signal: controller.signal }), {
          operation: 'ReadThrough.load',
          deadlineMs: loadDeadlineMs,
          outcome: 'notDone',
          clock,
        })
        tell(true)
        return { payload, elapsedMs: clock.monotonicMs() - begunMs }
      } catch (error) {
        controller.abort(error)
        tell(false)
        throw error
      }
    })
  }

  async #payloadsOf(
    refs: readonly R[],
    context: LoadContext,
  ): Promise<readonly ({ readonly payload: string | undefined } | Error)[]> {
    const { type, loadMany } = this.#definition
    const values: unknown = await loadMany?.(refs, context)
    if (!Array.isArray(values) || values.length !== refs.length) {
      const found = Array.isArray(values) ? `${values.length} values` : 'no list'
      throw new CacheValueError(type, `is ${found} for ${refs.length} refs`)
    }
    return Promise.all((values as readonly (T | Error | undefined)[]).map((value) => this.#each(value)))
  }

  async #each(value: T | Error | undefined): Promise<{ readonly payload: string | undefined } | Error> {
    if (isError(value)) return value
    try {
      return { payload: await this.#payloadOf(value) }
    } catch (error) {
      return isError(error) ? error : new InvalidInputError('value', 'one that can be cached', error)
    }
  }

  // What goes into the cache is read back at once: the first caller gets what all later ones will get, and a
  // value that could not be read back is an error of the first load, not of the second.
  async #payloadOf(value: T | undefined): Promise<string | undefined> {
    const { type, encode, decode } = this.#definition
    if (value === undefined) return undefined
    try {
      const payload = encode(value)
      await decode(payload)
      return payload
    } catch (error) {
      throw new CacheValueError(type, 'its codec or schema refuses', error)
    }
  }
}
