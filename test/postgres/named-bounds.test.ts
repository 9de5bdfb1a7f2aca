/** What the chunk ledger and `effectOnce` refuse before they ask the database. */

import { ChunkLedger, effectOnce, type Queryable } from '@kerp/postgres'
import { expect, test } from 'vitest'

const run = { companyId: 'c1', runId: 'payroll/2026-06' }
const ledger = new ChunkLedger({
  pool: { connect: () => Promise.reject(new Error('the database was asked')) },
})

/** The field that a call was refused for. */
async function refusedField(call: Promise<unknown>): Promise<unknown> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toMatchObject({ code: 'INVALID_INPUT' })
  return (error as { field: unknown }).field
}

test.each([0, -1, 1.5, Number.NaN, 10_001])(
  'a list of at most %d chunks, runs or failures is refused',
  async (limit) => {
    expect(await refusedField(ledger.running(['payroll'], limit))).toBe('limit')
    expect(await refusedField(ledger.claimable(run, limit))).toBe('limit')
    expect(await refusedField(ledger.failures(run, { limit }))).toBe('limit')
  },
)

test.each([0, -1, 1.5, Number.NaN, 86_400_001])('a lease of %d ms is refused', async (leaseMs) => {
  expect(await refusedField(ledger.claim(run, { leaseMs }))).toBe('leaseMs')
  expect(await refusedField(ledger.extend([{ ...run, number: 1, fence: '1' }], leaseMs))).toBe('leaseMs')
})

test.each([0, -1, 1.5, Number.NaN])('a chunk of number %d is refused', async (number) => {
  expect(await refusedField(ledger.claim(run, { leaseMs: 100, number }))).toBe('number')
})

test.each([
  ['no text', ''],
  ['257 characters', 'a'.repeat(257)],
  ['a NUL', 'a\0'],
  ['half a character', '\ud800'],
])('an effect whose group or event is named by %s is refused', async (_words, text) => {
  const silent: Queryable = { query: () => Promise.reject(new Error('the database was asked')) }
  const ref = { group: 'mailer', companyId: 'c1', eventId: '42' }
  const effect = (): Promise<void> => Promise.resolve()
  expect(await refusedField(effectOnce(silent, { ...ref, group: text }, effect))).toBe('group')
  expect(await refusedField(effectOnce(silent, { ...ref, eventId: text }, effect))).toBe('eventId')
})
