export {
  LockBusyError,
  LockLostError,
  type LockLossReason,
  LockUnavailableError,
  RedlockMissingError,
} from './errors.js'
export type {
  AcquireOptions,
  FencedAcquireOptions,
  HeldLock,
  Lock,
  LockExtension,
  LockRelease,
  LockSection,
  LockView,
} from './lock.js'
export { LockGroup } from './lock-group.js'
export type { LockResource } from './lock-names.js'
export { LockProvider } from './lock-provider.js'
export type { LockDefaults, LocksOptions } from './lock-options.js'
export { Locks } from './locks.js'
export {
  createQuorumLocks,
  type FencedQuorumLocksOptions,
  QuorumLocks,
  type QuorumLocksOptions,
} from './quorum.js'
export type { FenceMint } from './quorum-contest.js'
export { ReservationSweeper, type ReservationSweeperOptions } from './reservation.js'
export { Stock, type StockCacheAudit, type StockOptions, type StockReadOptions } from './stock.js'
export {
  type StockLevel,
  stockLevel,
  type StockLevelJson,
  stockLevelJson,
  type StockReading,
} from './stock-level.js'
