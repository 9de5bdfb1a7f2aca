/** What reading through the cache can refuse beside what loaders throw. */

import { KerpError } from '@kerp/core'

/**
 * Loading this value failed a moment ago, here or in another process, and is not tried again before the back-off
 * is over. Code `CACHE_BACKOFF`, retryable. `cause` is the loader's error if it was thrown in this process.
 */
export class CacheBackoffError extends KerpError {
  static override readonly errorName = 'CacheBackoffError'

  constructor(
    readonly type: string,
    /** The code of what the loader threw, `UNEXPECTED` for what is no `KerpError`. */
    readonly loaderCode: string,
    cause?: unknown,
  ) {
    super(`Loading a value of type ${type} failed a moment ago (${loaderCode}); it is not tried again yet.`, {
      code: 'CACHE_BACKOFF',
      retryable: true,
      cause,
    })
  }
}

/**
 * What a loader returned cannot be cached as what it was declared to be: the codec or the schema refuses it.
 * Code `CACHE_VALUE_INVALID`, not retryable: the loader, the codec or the schema is wrong.
 */
export class CacheValueError extends KerpError {
  static override readonly errorName = 'CacheValueError'

  constructor(
    readonly type: string,
    problem: string,
    cause?: unknown,
  ) {
    super(`The loader of type ${type} returned a value that ${problem}.`, {
      code: 'CACHE_VALUE_INVALID',
      retryable: false,
      cause,
    })
  }
}
