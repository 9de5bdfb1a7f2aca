/** Rows, outbox and ledger of PostgreSQL, by the suites that are exported for those of a host. */

import { type Ledger, Outbox, RegisterRows } from '@kerp/postgres'
import { postingConforms } from '@kerp/postgres/testing'
import { rowsConform, type RowsUnderTest } from '@kerp/registers/testing'
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, inject, test } from 'vitest'
import { type OwnDatabase, ownDatabase } from '../postgres/own-database.js'

let database: OwnDatabase
let ledger: Ledger

beforeAll(async () => {
  database = await ownDatabase(inject('databaseUrl'))
  ledger = database.ledger()
})
afterAll(() => database.close())

/** Each account against one that is its own, so that vouchers balance. */
const commit: RowsUnderTest['commit'] = async (companyId, changes, fiscalYear) => {
  const lines = Object.entries(changes).flatMap(([account, [debit, credit]]) => [
    ...(debit > 0n
      ? [
          { account, debit },
          { account: 'against', credit: debit },
        ]
      : []),
    ...(credit > 0n
      ? [
          { account, credit },
          { account: 'against', debit: credit },
        ]
      : []),
  ])
  const posted = await ledger.post({ companyId, id: randomUUID(), date: '2026-01-05', fiscalYear, lines })
  const images = posted.images.filter(({ ref }) => ref.parts[0] in changes)
  return { epoch: posted.epoch, images }
}

describe('rows of PostgreSQL', () => {
  rowsConform({
    test,
    open: () => {
      const outbox = new Outbox({ pool: database.pool })
      const source = new RegisterRows({ pool: database.pool })
      return { source, outbox, invalidations: outbox, commit, amountMax: 10n ** 38n - 1n }
    },
  })
})

describe('the ledger', () => {
  postingConforms({
    test,
    open: () => ledger,
    openWithYears: (fiscalYearOf) => database.ledger({ fiscalYearOf }),
  })
})
