export { type AccountCatalog, type AccountKind, anyAccount } from './account-catalog.js'
export { type Account, Accounts, type AccountsOptions, type ListedAccount } from './accounts.js'
export type { DefineOptions } from './catalog-change.js'
export { ChunkLedger } from './chunk-ledger.js'
export type { ChunkLedgerOptions } from './chunk-options.js'
export type { DatabaseClient, DatabasePool, Statement, StatementResult } from './database-pool.js'
export {
  BatchRunMissingError,
  BatchRunStateError,
  DatabaseUnavailableError,
  DatabaseUnsuitableError,
  FencedRowMissingError,
  MovementInvalidError,
  MovementRejectedError,
  MovementUnknownError,
  OutboxTrimmedError,
  PostingUnknownError,
  TransactionRequiredError,
  VoucherConflictError,
  VoucherInvalidError,
  VoucherNotFoundError,
  VoucherRejectedError,
  VoucherReversedError,
} from './errors.js'
export { databaseEpoch } from './epoch.js'
export type { NewEvent } from './event-append.js'
export type { EventAudit, EventDifference } from './event-audit.js'
export { effectOnce, type EventEffectRef } from './effect-once.js'
export { EventLog, type EventLogOptions } from './event-log.js'
export type { BalanceUpdated, InventoryChanged, VoucherApproved, VoucherCreated } from './event-payload.js'
export type { EventRetention, EventTrim } from './event-trim.js'
export { type FencedRow, raiseFence } from './fenced-row.js'
export { Ledger } from './ledger.js'
export type { LedgerOptions } from './ledger-options.js'
export type {
  AccountLedgerPage,
  AccountLedgerQuery,
  AuditDifference,
  LedgerAudit,
  LedgerLine,
  TrialBalance,
  TrialBalanceRow,
} from './ledger-reports.js'
export { databaseHealth, type DatabaseHealthOptions, migrate, type MigrateOptions } from './migrate.js'
export { type Invalidation, Outbox, type OutboxOptions } from './outbox.js'
export type { OutboxTrim } from './outbox-trim.js'
export type { Queryable } from './queryable.js'
export { RegisterRows, type RegisterRowsOptions } from './register-rows.js'
export { Retention, type RetentionOptions } from './retention.js'
export type { StockAudit, StockDifference } from './stock-audit.js'
export { StockLedger } from './stock-ledger.js'
export type { StockLedgerOptions } from './stock-options.js'
export type { WriterOptions } from './writer-options.js'
export type { LockedStock } from './stock-within.js'
export {
  type DrizzleSql,
  type DrizzleTransaction,
  type KnexTransaction,
  type PostgresJsTransaction,
  type PrismaTransaction,
  type TypeOrmTransaction,
  viaDrizzle,
  viaKnex,
  viaPostgresJs,
  viaPrisma,
  viaTypeOrm,
} from './via-drivers.js'
export type { TurnoverQuery, TurnoverRow } from './turnover.js'
export type {
  Approval,
  FiscalYearOf,
  PostedVoucher,
  Reversal,
  StoredLine,
  StoredVoucher,
  Voucher,
  VoucherLine,
} from './voucher.js'
export {
  anyWarehouse,
  type Warehouse,
  type WarehouseCatalog,
  Warehouses,
  type WarehousesOptions,
} from './warehouses.js'
