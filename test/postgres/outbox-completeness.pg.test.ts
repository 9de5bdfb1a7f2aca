/**
 * The promise of the snapshot cursor under everything that transactions can do: fourteen writers with early and late
 * transaction ids, rollbacks, savepoints and prepared transactions on six hot rows, and a forgotten transaction in
 * another database of the cluster. Every committed row is read once, in the order of its row's versions, without a
 * gap, and nobody waits for the forgotten one.
 */

import { randomBytes } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { OutboxPosition, OutboxRow } from '@kerp/core'
import { seededRandom } from '@kerp/core/testing'
import { Outbox } from '@kerp/postgres'
import { expect, inject, test } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import { databaseUrl, onServer, openPool, ownDatabase, twoLines } from './own-database.js'
import { type Deeds, HOT, noDeeds, write } from './wild-writers.js'

const FULL = process.env['KERP_TEST_FULL'] === '1'
const SEED = Number(process.env['KERP_SEED'] ?? 20_260_105)
const WRITERS = 14
const TRANSACTIONS = FULL ? 250 : 30
/** Reads until told to stop, in small pages, then once more to the end. */
async function readAll(outbox: Outbox, start: OutboxPosition, isOver: () => boolean): Promise<OutboxRow[]> {
  const rows: OutboxRow[] = []
  const random = seededRandom(SEED)
  let after = start
  for (let last = false; ; ) {
    if (isOver()) last = true
    const tick = await outbox.tick({ after, limit: 5 })
    rows.push(...tick.rows)
    let page: readonly OutboxRow[] = tick.rows
    while (page.length === 5) {
      const afterId = page.at(-1)?.id ?? '0'
      page = (await outbox.page({ after, target: tick.target, afterId, limit: 5 })).rows
      rows.push(...page)
    }
    expect(outbox.covers(tick.target, after)).toBe(true)
    after = tick.target
    if (last) return rows
    // Now and then the backlog grows to many pages, whose rows are of transactions that overlapped.
    if (random.fraction() < 0.3) await wait(random.fraction() * 150)
  }
}

test(`every committed row once, in order, gapless, without a stall (seed ${SEED})`, {
  timeout: 600_000,
}, async () => {
  const database = await ownDatabase(inject('databaseUrl'))
  const other = `other_${randomBytes(4).toString('hex')}`
  await onServer(inject('databaseUrl'), `CREATE DATABASE ${other}`)
  const otherPool = openPool(databaseUrl(inject('databaseUrl'), other), 1)
  const forgotten = await otherPool.connect()
  try {
    await forgotten.query('BEGIN')
    await forgotten.query('CREATE TABLE forgotten (n int)')
    const outbox = new Outbox({ pool: database.pool })
    const ledger = database.ledger({ batchMax: 8 })
    const companyId = freshCompany()
    const start = (await outbox.tick({ limit: 1 })).target
    const deeds: Deeds = noDeeds()
    let isWriting = true
    const reading = readAll(outbox, start, () => !isWriting)
    const writing = Promise.all([
      ...Array.from({ length: WRITERS }, (_, writer) =>
        write(database, ledger, { companyId, writer, transactions: TRANSACTIONS, seed: SEED, deeds }),
      ),
      // The queue writes other rows meanwhile, several vouchers to a version step.
      ...Array.from({ length: 5 * TRANSACTIONS }, (_, n) =>
        ledger.post(twoLines(companyId, `q${n}`, 1n, { debit: 'q1', credit: 'q2' })),
      ),
    ]).finally(() => (isWriting = false))
    const [rows] = await Promise.all([reading, writing])

    const inTable = await database.pool.query<{ id: string }>(
      "SELECT o.id FROM kerp.outbox o WHERE o.kind = 'image' ORDER BY o.id",
    )
    expect([...rows.map(({ id }) => id)].sort((a, b) => Number(a) - Number(b))).toEqual(
      inTable.rows.map(({ id }) => id),
    )
    const versions = new Map<string, number[]>()
    for (const { change } of rows) {
      if (change.kind !== 'image') throw new TypeError(change.kind)
      const account = change.image.ref.parts[0]
      versions.set(account, [...(versions.get(account) ?? []), change.image.version])
    }
    for (const account of HOT) {
      const seen = versions.get(account) ?? []
      expect(seen).toEqual(Array.from({ length: seen.length }, (_, n) => n + 1))
    }
    const queued = versions.get('q1') ?? []
    expect(queued).toEqual([...new Set(queued)].sort((a, b) => a - b))
    expect(queued.at(-1)).toBe(5 * TRANSACTIONS)
    // The test is worth something only if all of this happened.
    expect(Math.min(deeds.committed, deeds.rolledBack, deeds.savepoints, deeds.prepared)).toBeGreaterThan(5)
    expect(await ledger.audit(companyId)).toMatchObject({
      ok: true,
      vouchers: deeds.committed + 5 * TRANSACTIONS,
    })
    console.log(`outbox: ${rows.length} rows, ${JSON.stringify(deeds)}`)
  } finally {
    forgotten.release(true)
    await otherPool.end()
    await database.close()
    await onServer(inject('databaseUrl'), `DROP DATABASE ${other} WITH (FORCE)`)
  }
})
