export { InvalidKeyError } from './errors.js'
export {
  canonicalPart,
  isCompanyId,
  KEY_BYTES_MAX,
  PART_BYTES_MAX,
  validateCompanyId,
} from './key-grammar.js'
export {
  type BalanceKeyParts,
  type CachedKeyParts,
  type CacheTagKeyParts,
  type Channel,
  companyOfKey,
  type ConsumerKeyParts,
  createKeys,
  type DashboardKeyParts,
  type InventoryKeyParts,
  type Key,
  type Keys,
  type KeysOptions,
  type LockKeyParts,
  type RateLimitKeyParts,
  type ReportKeyParts,
} from './keys.js'
export { hashParameters } from './parameter-hash.js'
export { parseKey, type ParsedKey } from './parse-key.js'
export { DEFAULT_TTL_MS, type TtlFamily, type TtlOverrides, type TtlPolicy, ttlPolicy } from './ttl-policy.js'
