/** What the read-through cache must do on every Redis: the same tests run on the mock and on a real server. */

import type { Backend } from './backend.js'
import { cacheInvalidationConforms } from './cache-invalidation.js'
import { cacheLoadManyConforms } from './cache-load-many.js'
import { cacheLoadsConform } from './cache-loads.js'
import { cacheOwnInvalidationsConform } from './cache-own-invalidations.js'
import { cacheReadsConform } from './cache-reads.js'
import { cacheRefreshConforms } from './cache-refresh.js'

/** Declares the whole suite. */
export function cacheConforms(backend: Backend): void {
  cacheReadsConform(backend)
  cacheLoadsConform(backend)
  cacheLoadManyConforms(backend)
  cacheInvalidationConforms(backend)
  cacheOwnInvalidationsConform(backend)
  cacheRefreshConforms(backend)
}
