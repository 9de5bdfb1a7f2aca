/** The ledger of durable batches: lists of runs and chunks, in an order that does not depend on how numbers are written. */

import { ChunkLedger } from '@kerp/postgres'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import { type OwnDatabase, ownDatabase } from './own-database.js'

let database: OwnDatabase

beforeAll(async () => {
  database = await ownDatabase(inject('databaseUrl'))
})

afterAll(() => database.close())

test('chunks that may be claimed are listed in the order of their numbers: 9 before 10', async () => {
  const chunks = new ChunkLedger({ pool: database.pool })
  const ref = { companyId: freshCompany(), runId: 'r1' }
  await chunks.open({
    ...ref,
    batch: 'payroll',
    params: '{}',
    chunkItems: 1,
    failuresMax: 0,
    stopAfterFailures: 0,
  })
  const itemIds = Array.from({ length: 120 }, (_, n) => `e${n}`)
  await chunks.plan(ref, { after: undefined, itemIds, isLast: true })
  const numbers = (await chunks.claimable(ref, 100)).map(({ number }) => number)
  expect(numbers).toEqual(Array.from({ length: 100 }, (_, n) => n + 1))
})
