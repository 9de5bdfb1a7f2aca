/** The rows that users test with do what rows of a database do. */

import { MemoryDatabase, rowsConform } from '@kerp/registers/testing'
import { describe, test } from 'vitest'

describe('rows in memory', () => {
  const database = new MemoryDatabase()
  rowsConform({
    test,
    open: () => ({
      source: database,
      outbox: database,
      invalidations: database,
      commit: (companyId, changes, year) => Promise.resolve(database.commit(companyId, changes, year)),
    }),
  })
})
