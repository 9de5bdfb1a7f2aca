export type { BalanceAudit, BalanceAuditOptions, BalanceDifference } from './audit.js'
export type { AccountRef, Balance, BalanceJson } from './balance.js'
export { BalanceCache, type BalanceCacheOptions, type BalanceReadOptions } from './balance-cache.js'
export type { WarmOptions, WarmProgress } from './warm.js'
