/** A server that is killed while vouchers arrive: what was acknowledged is there, and every answer is true. */

import { Outbox, type PostedVoucher, type Voucher } from '@kerp/postgres'
import { openPrivatePostgres } from '@kerp/postgres/testing'
import { expect, test } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import { ownDatabase, twoLines } from './own-database.js'

const ROUNDS = process.env['KERP_TEST_FULL'] === '1' ? 10 : 2

test('SIGKILL of the server in the middle of posting, again and again', { timeout: 600_000 }, async () => {
  await using server = await openPrivatePostgres({ settings: { max_connections: 60 } })
  const database = await ownDatabase(server.url)
  const company = freshCompany()
  const outcomes = new Map<string, { voucher: Voucher; answer: PostedVoucher | string }>()
  const ledger = database.ledger({ batchMax: 25, deadlineMs: 20_000, outageMs: 10_000 })
  for (let round = 0; round < ROUNDS; round += 1) {
    let isOver = false
    let posted = 0
    const caller = async (name: number): Promise<void> => {
      for (let n = 0; !isOver; n += 1) {
        const voucher = twoLines(company, `r${round}-c${name}-${n}`, BigInt(1 + n), { credit: `4${n % 9}` })
        const answer = await ledger
          .post(voucher)
          .catch((error: unknown) => String(Reflect.get(error as object, 'code')))
        outcomes.set(voucher.id, { voucher, answer })
        posted += 1
      }
    }
    const callers = Promise.all(Array.from({ length: 60 }, (_, name) => caller(name)))
    await expect.poll(() => posted, { timeout: 30_000 }).toBeGreaterThan(200)
    await server.kill()
    await server.restart()
    const after = posted
    await expect.poll(() => posted, { timeout: 60_000 }).toBeGreaterThan(after + 200)
    isOver = true
    await callers
  }
  let unknown = 0
  for (const { voucher, answer } of outcomes.values()) {
    const again = await ledger.post(voucher)
    if (typeof answer === 'string') {
      unknown += 1
      expect(['POSTING_UNKNOWN', 'DATABASE_UNAVAILABLE']).toContain(answer)
      if (answer === 'DATABASE_UNAVAILABLE') expect(again.replayed).toBe(false)
    } else {
      // Acknowledged: it survived, with the very state that was told, under the epoch of the new start.
      expect(again.replayed).toBe(true)
      expect(again.images).toEqual(answer.images)
    }
  }
  const audit = await ledger.audit(company)
  expect(audit.differences).toEqual([])
  expect(audit.vouchers).toBe(outcomes.size)
  const outbox = new Outbox({ pool: database.pool })
  expect(await outbox.companies()).toEqual([company])
  console.log(`server kills: ${ROUNDS}, vouchers: ${outcomes.size}, refused or unknown: ${unknown}`)
  await database.close()
})
