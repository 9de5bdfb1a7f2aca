/** The ledger of durable batches: lists of runs and chunks, in an order that does not depend on how numbers are written. */

import { byBytes } from '@kerp/core/testing'
import { ChunkLedger } from '@kerp/postgres'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import { type OwnDatabase, ownDatabase } from './own-database.js'

let database: OwnDatabase

beforeAll(async () => {
  database = await ownDatabase(inject('databaseUrl'))
})

afterAll(() => database.close())

const LIMITS = { chunkItems: 1, failuresMax: 1_000, stopAfterFailures: 1_000 }

test('chunks that may be claimed are listed in the order of their numbers: 9 before 10', async () => {
  const chunks = new ChunkLedger({ pool: database.pool })
  const ref = { companyId: freshCompany(), runId: 'r1' }
  await chunks.open({ ...ref, batch: 'payroll', params: '{}', ...LIMITS })
  const itemIds = Array.from({ length: 120 }, (_, n) => `e${n}`)
  await chunks.plan(ref, { after: undefined, itemIds, isLast: true })
  const numbers = (await chunks.claimable(ref, 100)).map(({ number }) => number)
  expect(numbers).toEqual(Array.from({ length: 100 }, (_, n) => n + 1))
})

test('runs that were opened in the same moment are listed by company and name, however many at once', async () => {
  const chunks = new ChunkLedger({ pool: database.pool })
  const batch = freshCompany()
  const companies = [freshCompany(), freshCompany()].sort(byBytes)
  const names = ['r10', 'r9', 'Ａ', '𠮷', 'r1']
  for (const companyId of [...companies].reverse()) {
    for (const runId of names) await chunks.open({ companyId, runId, batch, params: '{}', ...LIMITS })
  }
  await database.pool.query('UPDATE kerp.batch_run SET opened_at = $1 WHERE batch = $2', [new Date(0), batch])
  const expected = companies.flatMap((companyId) =>
    [...names].sort(byBytes).map((runId) => [companyId, runId]),
  )
  for (const limit of [1, 3, 10]) {
    const found = await chunks.running([batch], limit)
    expect(found.map(({ companyId, runId }) => [companyId, runId])).toEqual(expected.slice(0, limit))
  }
})

test('items that are tried again stand in new chunks in the order of bytes, as failures are listed', async () => {
  const chunks = new ChunkLedger({ pool: database.pool })
  const ref = { companyId: freshCompany(), runId: 'r1' }
  await chunks.open({ ...ref, batch: 'payroll', params: '{}', ...LIMITS, chunkItems: 9 })
  const itemIds = ['Ａ', '𠮷', '10', '9', '2']
  await chunks.plan(ref, { after: undefined, itemIds, isLast: true })
  const chunk = await chunks.claim(ref, { leaseMs: 60_000 })
  if (chunk === undefined) expect.unreachable('a chunk is free')
  const failed = itemIds.map((itemId) => ({ itemId, code: 'NO', message: 'no' }))
  await chunks.commit(chunk, { done: [], failed }, () => Promise.resolve())
  const listed = await chunks.failures(ref, { limit: 10 })
  await chunks.cancel(ref)
  await chunks.resume(ref, { retryFailed: true })
  const again = await chunks.claim(ref, { leaseMs: 60_000 })
  expect(again?.itemIds).toEqual([...itemIds].sort(byBytes))
  expect(listed.map(({ itemId }) => itemId)).toEqual(again?.itemIds)
})

test("what a host's work throws by itself is thrown as it is, after one try, and the run stays open", async () => {
  const chunks = new ChunkLedger({ pool: database.pool })
  const ref = { companyId: freshCompany(), runId: 'r1' }
  await chunks.open({ ...ref, batch: 'payroll', params: '{}', ...LIMITS })
  await chunks.plan(ref, { after: undefined, itemIds: [], isLast: true })
  const bug = new TypeError('x is not a function')
  let tries = 0
  const finished = chunks.finish(ref, () => {
    tries += 1
    return Promise.reject(bug)
  })
  await expect(finished).rejects.toBe(bug)
  expect(tries).toBe(1)
  expect((await chunks.finish(ref, () => Promise.resolve())).state).toBe('done')
})
