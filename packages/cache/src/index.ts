export type { CacheDefinition, LoadContext } from './cache-definition.js'
export { CachedValues } from './cached-values.js'
export { erpInvalidationRules, erpTags } from './erp-rules.js'
export { CacheBackoffError, CacheValueError } from './errors.js'
export {
  type CompanyInvalidation,
  type Invalidation,
  type InvalidationRules,
  Invalidator,
  type InvalidatorOptions,
  type RuledEvent,
} from './invalidator.js'
export type { LocalTierOptions } from './local-tier.js'
export { ReadThrough } from './read-through.js'
export type { ReadThroughOptions } from './read-through-options.js'
export {
  pagedSource,
  type PagedSourceOptions,
  type WarmContext,
  type WarmPage,
  type WarmProgress,
  type WarmSource,
} from './warm-source.js'
export { type SourceReport, type WarmCall, Warmer, type WarmerOptions, type WarmReport } from './warmer.js'
