/**
 * What tests, benches and demos need of PostgreSQL: a server of their own, doubles that need none, and suites for
 * drivers and ledgers of your own.
 */

export { type DriverConformance, driverConforms, type DriverUnderTest } from './driver-conformance.js'
export { PrivatePostgresError } from './errors.js'
export { MemoryLedger } from './memory-ledger.js'
export type { MemoryRows } from './memory-rows.js'
export { MemoryStock } from './memory-stock.js'
export { openPrivatePostgres, type PrivatePostgres, type PrivatePostgresOptions } from './private-postgres.js'
export { type Posting, type PostingConformance, postingConforms } from './posting-conformance.js'
