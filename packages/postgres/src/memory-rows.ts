/** Where the doubles of the ledger and of the stock keep rows. */

import type { RegisterImage, RegisterRef } from '@kerp/core'

/** Rows with versions in memory: `MemoryDatabase` of `@kerp/registers/testing` is one. */
export interface MemoryRows {
  /** Names the history of the rows. */
  readonly epoch: string
  /** Version 0 with zeros for a row that was never written. */
  row(ref: RegisterRef): RegisterImage
  /** Commits a row as it is given. */
  write(image: RegisterImage): void
}
