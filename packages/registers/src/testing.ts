/** For tests without PostgreSQL, and for those of rows of your own. */

export { type HeldLoad, MemoryDatabase } from './memory-database.js'
export { type RowsConformance, rowsConform, type RowsUnderTest } from './rows-conformance.js'
