/**
 * The promise of the log of events under everything that transactions can do: fourteen writers on six hot rows, two
 * numberers at once, and a client that pages through the history meanwhile. Each committed event gets one number,
 * the numbers of a company have no gap and never change, and what was created stands before its approval.
 */

import { setTimeout as wait } from 'node:timers/promises'
import type { CommittedEvent } from '@kerp/core'
import { seededRandom } from '@kerp/core/testing'
import { EventLog } from '@kerp/postgres'
import { expect, inject, test } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import { ownDatabase, twoLines } from './own-database.js'
import { HOT, noDeeds, write } from './wild-writers.js'

const FULL = process.env['KERP_TEST_FULL'] === '1'
const SEED = Number(process.env['KERP_SEED'] ?? 20_260_105)
const WRITERS = 14
const TRANSACTIONS = FULL ? 250 : 16

/** Numbers in small pages until told to stop, then to the end. */
async function advance(log: EventLog, limit: number, isOver: () => boolean): Promise<void> {
  const random = seededRandom(SEED + limit)
  for (let last = false; ; ) {
    if (isOver()) last = true
    const { isMore } = await log.advance({ limit })
    if (last && !isMore) return
    if (random.fraction() < 0.3) await wait(random.fraction() * 60)
  }
}

/** Pages through the history as a client does, whose only memory is the last position it saw. */
async function follow(log: EventLog, companyId: string, isOver: () => boolean): Promise<CommittedEvent[]> {
  const seen: CommittedEvent[] = []
  for (let last = false; ; ) {
    if (isOver()) last = true
    const { events } = await log.read({ companyId, after: seen.at(-1)?.position ?? '0', limit: 7 })
    seen.push(...events)
    if (last && events.length === 0) return seen
    if (events.length === 0) await wait(5)
  }
}

test('each committed event has one number, gapless and in order, with two numberers and a reader', {
  timeout: 600_000,
}, async () => {
  const database = await ownDatabase(inject('databaseUrl'))
  try {
    const ledger = database.ledger({ batchMax: 8 })
    const companies = [freshCompany(), freshCompany()]
    const deeds = noDeeds()
    let isWriting = true
    let isNumbering = true
    const logs = [new EventLog({ pool: database.pool }), new EventLog({ pool: database.pool })]
    const [log = new EventLog({ pool: database.pool })] = logs
    const following = companies.map((companyId) => follow(log, companyId, () => !isNumbering))
    const numbering = Promise.all(logs.map((each, n) => advance(each, 3 + 4 * n, () => !isWriting))).finally(
      () => (isNumbering = false),
    )
    let approvals = 0
    const writing = Promise.all([
      ...Array.from({ length: WRITERS }, (_, writer) => {
        const companyId = companies[writer % 2] ?? ''
        const afterwards = async (id: string): Promise<void> => {
          if ((await ledger.approve(companyId, id)).changed) approvals += 1
        }
        return write(database, ledger, {
          companyId,
          writer,
          transactions: TRANSACTIONS,
          seed: SEED,
          deeds,
          afterwards,
        })
      }),
      ...Array.from({ length: 2 * TRANSACTIONS }, (_, n) =>
        ledger.post(twoLines(companies[n % 2] ?? '', `q${n}`, 1n, { debit: 'q1', credit: 'q2' })),
      ),
    ]).finally(() => (isWriting = false))
    await Promise.all([writing, numbering])

    let total = 0
    for (const [index, companyId] of companies.entries()) {
      const seen = (await following[index]) ?? []
      total += seen.length
      const audit = await log.audit(companyId)
      expect(audit).toMatchObject({ ok: true, pending: 0, differences: [], position: String(seen.length) })
      // What the client saw on its way is what the log says afterwards.
      expect(seen.map(({ position }) => position)).toEqual(seen.map((_, n) => String(n + 1)))
      expect(await readAll(log, companyId)).toEqual(seen)
      for (const account of HOT) {
        const versions = seen.flatMap(({ payload }) => versionOf(payload, account))
        expect(versions).toEqual(versions.map((_, n) => n + 1))
      }
      expectCreatedFirst(seen)
    }
    const unread = await database.one(
      `SELECT count(*)::int FROM kerp.outbox o WHERE NOT EXISTS (SELECT FROM kerp.event e WHERE e.outbox_id = o.id)`,
    )
    expect(unread).toBe(0)
    expect(
      Math.min(deeds.committed, deeds.rolledBack, deeds.savepoints, deeds.prepared, approvals),
    ).toBeGreaterThan(5)
    console.log(`events (seed ${SEED}): ${total}, ${approvals} approvals, ${JSON.stringify(deeds)}`)
  } finally {
    await database.close()
  }
})

function versionOf(payload: unknown, account: string): number[] {
  const { account: found, version } = payload as { account?: string; version?: number }
  return found === account && version !== undefined ? [version] : []
}

function expectCreatedFirst(events: readonly CommittedEvent[]): void {
  const created = new Set<string>()
  for (const { type, payload } of events) {
    const { id = '' } = payload as { id?: string }
    if (type === 'events:voucher:created') created.add(id)
    if (type === 'events:voucher:approved') expect(created.has(id)).toBe(true)
  }
}

async function readAll(log: EventLog, companyId: string): Promise<CommittedEvent[]> {
  const events: CommittedEvent[] = []
  for (;;) {
    const page = await log.read({ companyId, after: events.at(-1)?.position ?? '0', limit: 10_000 })
    if (page.events.length === 0) return events
    events.push(...page.events)
  }
}
