/** The log of events when the database goes back, is restored elsewhere, comes from an older schema, or is trimmed. */

import { recordingObserver } from '@kerp/core/testing'
import { EventLog, migrate, Outbox } from '@kerp/postgres'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import { type OwnDatabase, ownDatabase, twoLines } from './own-database.js'

let database: OwnDatabase
let log: EventLog
let companyId: string

beforeEach(async () => {
  database = await ownDatabase(inject('databaseUrl'))
  log = new EventLog({ pool: database.pool })
  companyId = freshCompany()
})
afterEach(() => database.close())

const post = (id: string) => database.ledger().post(twoLines(companyId, id, 1n))

async function advanceAll(limit = 1_000): Promise<void> {
  for (let isMore = true; isMore; ) isMore = (await log.advance({ limit })).isMore
}

async function createdIds(after = '0'): Promise<string[]> {
  const { events } = await log.read({ companyId, after, limit: 1_000 })
  return events
    .filter(({ type }) => type === 'events:voucher:created')
    .map(({ payload }) => (payload as { id: string }).id)
}

describe('a history that is not the one before', () => {
  it('has another epoch, goes on without a gap, and loses nothing that was not numbered', async () => {
    await post('V-1')
    await post('V-2')
    await advanceAll()
    await post('V-3')
    const before = await log.read({ companyId, after: '0', limit: 100 })
    // What a restore elsewhere leaves: rows whose transaction ids mean nothing here, and a cursor of another lineage.
    await database.pool.query(`UPDATE kerp.outbox SET xid = '9000000000000'::xid8 WHERE id > 3`)
    await database.pool.query(
      `UPDATE kerp.event_cursor SET lineage = 'elsewhere', snapshot = '9000000000000:9000000000000:'`,
    )
    await database.pool.query('ALTER TABLE kerp.stock DISABLE TRIGGER ALL')
    await database.pool.query('VACUUM FULL kerp.balance')
    await post('V-4')
    await advanceAll(2)
    const after = await log.read({ companyId, after: '0', limit: 100 })
    expect(after.epoch).not.toBe(before.epoch)
    expect(after.events.slice(0, before.events.length).map(({ position, type }) => [position, type])).toEqual(
      before.events.map(({ position, type }) => [position, type]),
    )
    expect((await createdIds()).sort()).toEqual(['V-1', 'V-2', 'V-3', 'V-4'])
    await post('V-5')
    await advanceAll()
    expect((await createdIds()).sort()).toEqual(['V-1', 'V-2', 'V-3', 'V-4', 'V-5'])
    expect(await log.audit(companyId)).toMatchObject({ ok: true, position: '15' })
  })

  it('numbers nothing again that was trimmed, although the outbox still has it', async () => {
    await post('V-1')
    await post('V-2')
    await advanceAll()
    await log.trim({ olderThanMs: 0 })
    const { trimmedTo } = await log.read({ companyId, after: '0', limit: 100 })
    expect(trimmedTo).toBe('6')
    await database.pool.query(`UPDATE kerp.event_cursor SET lineage = 'elsewhere'`)
    await post('V-3')
    await advanceAll()
    const { events } = await log.read({ companyId, after: '0', limit: 100 })
    expect(events.map(({ position }) => position)).toEqual(['7', '8', '9'])
    expect(await createdIds()).toEqual(['V-3'])
    expect(await log.audit(companyId)).toMatchObject({ ok: true, position: '9', trimmedTo: '6' })
  })

  it('begins with the upgrade of an older schema, whose changes count as told', async () => {
    await database.pool.query('DROP SCHEMA kerp CASCADE')
    await migrate(database.pool)
    await post('V-1')
    await advanceAll()
    expect(await createdIds()).toEqual(['V-1'])
    // Back to how version 2 left its rows, then up again.
    await database.pool.query(`
DROP TABLE kerp.event, kerp.event_head, kerp.event_cursor, kerp.event_sink, kerp.event_count;
DELETE FROM kerp.outbox WHERE kind = 'event';
ALTER TABLE kerp.outbox DROP COLUMN type, DROP COLUMN abouts CASCADE, DROP COLUMN payload, DROP COLUMN traceparent,
  DROP COLUMN written_at,
  DROP CONSTRAINT outbox_kind_check, ADD CONSTRAINT outbox_kind_check CHECK (kind <> 'event'),
  DROP CONSTRAINT IF EXISTS outbox_check, ADD CONSTRAINT outbox_check CHECK (true);
DELETE FROM kerp.migration WHERE version = 3`)
    await migrate(database.pool)
    await advanceAll()
    expect(await createdIds()).toEqual([])
    expect(await log.audit(companyId)).toMatchObject({ ok: true, position: '0' })
    await post('V-2')
    await advanceAll()
    expect(await createdIds()).toEqual(['V-2'])
    expect(await log.audit(companyId)).toMatchObject({ ok: true, position: '3' })
  })
})

describe('retention', () => {
  const observer = recordingObserver()

  it('keeps what the slowest reader still has to read, and says when it no longer does', async () => {
    log = new EventLog({ pool: database.pool, observer })
    for (const id of ['V-1', 'V-2', 'V-3']) await post(id)
    await advanceAll()
    await log.reached('fast', [{ companyId, position: '9' }])
    await log.reached('slow', [{ companyId, position: '4' }])
    await log.reached('slow', [{ companyId, position: '2' }])
    expect(await log.positions('slow')).toEqual([{ companyId, position: '4' }])

    const hour = 3_600_000
    expect(await log.trim({ olderThanMs: hour })).toEqual({ deleted: 0, heldBack: 0, lost: 0 })
    expect(await log.trim({ olderThanMs: 0, olderThanMsMax: hour })).toEqual({
      deleted: 4,
      heldBack: 1,
      lost: 0,
    })
    const page = await log.read({ companyId, after: '0', limit: 100 })
    expect(page.trimmedTo).toBe('4')
    expect(page.events.map(({ position }) => position)).toEqual(['5', '6', '7', '8', '9'])
    expect(await log.audit(companyId)).toMatchObject({ ok: true, position: '9', trimmedTo: '4' })

    expect(await log.trim({ olderThanMs: 0, olderThanMsMax: 0 })).toEqual({
      deleted: 5,
      heldBack: 0,
      lost: 5,
    })
    expect(observer.of('eventTrim')).toContainEqual({ deleted: 5, heldBack: 0, lost: 5 })
    expect(await log.read({ companyId, after: '9', limit: 1 })).toMatchObject({ events: [], trimmedTo: '9' })
    await post('V-4')
    await advanceAll()
    expect(await createdIds()).toEqual(['V-4'])
    expect(await log.audit(companyId)).toMatchObject({ ok: true, position: '12', trimmedTo: '9' })
  })

  it('keeps what a reader has still to read of a company that it has not named yet, and counts it when it is lost', async () => {
    await post('V-1')
    await advanceAll()
    await log.reached('relay', [{ companyId: 'another', position: '5' }])
    const day = 86_400_000
    expect(await log.trim({ olderThanMs: 0, olderThanMsMax: day })).toEqual({
      deleted: 0,
      heldBack: 1,
      lost: 0,
    })
    await log.reached('relay', [{ companyId, position: '1' }])
    expect(await log.trim({ olderThanMs: 0, olderThanMsMax: day })).toEqual({
      deleted: 1,
      heldBack: 1,
      lost: 0,
    })
    await log.forgetSink('relay')
    await log.reached('later', [{ companyId: 'another', position: '5' }])
    expect(await log.trim({ olderThanMs: 0, olderThanMsMax: 0 })).toEqual({
      deleted: 2,
      heldBack: 0,
      lost: 2,
    })
  })

  it('is not held back by a reader that was forgotten', async () => {
    await post('V-1')
    await advanceAll()
    await log.reached('gone', [{ companyId, position: '0' }])
    expect(await log.trim({ olderThanMs: 0, olderThanMsMax: 3_600_000 })).toMatchObject({
      deleted: 0,
      heldBack: 1,
    })
    await log.forgetSink('gone')
    expect(await log.trim({ olderThanMs: 0, olderThanMsMax: 3_600_000 })).toMatchObject({
      deleted: 3,
      heldBack: 0,
    })
  })

  it('of the outbox waits until the log has read the rows', async () => {
    const outbox = new Outbox({ pool: database.pool })
    await post('V-1')
    await advanceAll()
    await post('V-2')
    await outbox.trim({ olderThanMs: 0 })
    await outbox.trim({ olderThanMs: 0 })
    await advanceAll()
    expect(await createdIds()).toEqual(['V-1', 'V-2'])
    await post('V-3')
    await advanceAll()
    expect((await outbox.trim({ olderThanMs: 0 })).deleted).toBeGreaterThan(0)
    expect(await createdIds()).toEqual(['V-1', 'V-2', 'V-3'])
    expect(await log.audit(companyId)).toMatchObject({ ok: true })
  })
})
