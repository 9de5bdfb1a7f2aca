/** The log of events: what it says about each change, and what it refuses. */

import { parseReadToken } from '@kerp/core'
import { EventLog, Outbox, StockLedger, anyWarehouse, type VoucherCreated } from '@kerp/postgres'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import { type OwnDatabase, ownDatabase, twoLines } from './own-database.js'

describe('the log of events', () => {
  let database: OwnDatabase
  let log: EventLog

  beforeAll(async () => {
    database = await ownDatabase(inject('databaseUrl'))
    log = new EventLog({ pool: database.pool })
  })
  afterAll(() => database.close())

  const all = async (companyId: string) => {
    for (let isMore = true; isMore; ) isMore = (await log.advance({ limit: 1_000 })).isMore
    return log.read({ companyId, after: '0', limit: 2_000 })
  }

  it('tells a posting, its balances and its approval, in that order and once', async () => {
    const companyId = freshCompany()
    const ledger = database.ledger()
    const { token, epoch } = await ledger.post(twoLines(companyId, 'V-1', 1_000n))
    await ledger.post(twoLines(companyId, 'V-1', 1_000n))
    await Promise.all([ledger.approve(companyId, 'V-1'), ledger.approve(companyId, 'V-1')])
    const page = await all(companyId)
    expect(page.epoch).toBe(epoch)
    expect(page.events.map(({ position }) => position)).toEqual(['1', '2', '3', '4'])
    const created = page.events.find(({ type }) => type === 'events:voucher:created')
    expect(created?.payload).toMatchObject({
      id: 'V-1',
      date: '2026-01-05',
      fiscalYear: 2026,
      balances: [
        { account: '1101', version: 1 },
        { account: '4101', version: 1 },
      ],
    })
    const { readToken } = created?.payload as { readToken: string }
    expect(parseReadToken(readToken)).toEqual(parseReadToken(token))
    expect(
      page.events.filter(({ type }) => type === 'events:balance:updated').map(({ payload }) => payload),
    ).toEqual([
      { account: '1101', fiscalYear: 2026, debit: '1000', credit: '0', balance: '1000', version: 1 },
      { account: '4101', fiscalYear: 2026, debit: '0', credit: '1000', balance: '-1000', version: 1 },
    ])
    expect(page.events.at(-1)).toMatchObject({ type: 'events:voucher:approved', payload: { id: 'V-1' } })
    expect(page.events[0]?.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
    expect(await log.audit(companyId)).toMatchObject({ ok: true, position: '4', pending: 0 })
  })

  it('says for many companies in one answer how far each goes', async () => {
    const [one, two, none] = [freshCompany(), freshCompany(), freshCompany()]
    const notification = { type: 'events:notification', payload: { level: 'info', message: 'm' } }
    for (const companyId of [one, two, two]) await log.append({ companyId, ...notification })
    const { epoch } = await all(one)
    const answer = await log.heads([one, two, none])
    expect(answer.epoch).toBe(epoch)
    expect(new Map(answer.heads.map(({ companyId, position }) => [companyId, position]))).toEqual(
      new Map([
        [one, '1'],
        [two, '2'],
      ]),
    )
    expect(await log.heads([])).toEqual({ epoch, heads: [] })
    await expect(log.heads(['a:b'])).rejects.toThrow('companyId')
  })

  it('tells a reversal, a posting inside a host transaction, and stock, each with its change', async () => {
    const companyId = freshCompany()
    const ledger = database.ledger()
    const stock = new StockLedger({ pool: database.pool, warehouses: anyWarehouse })
    await ledger.post(twoLines(companyId, 'V-1'))
    await ledger.reverse(companyId, 'V-1', { id: 'R-1' })
    const client = await database.pool.connect()
    await client.query('BEGIN')
    await ledger.postWithin(client, twoLines(companyId, 'W-1'))
    await log.appendWithin(client, {
      companyId,
      type: 'events:payroll:processed',
      about: '2026-01',
      payload: { batchId: '2026-01', total: '12' },
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    })
    await client.query('ROLLBACK')
    await client.query('BEGIN')
    await ledger.postWithin(client, twoLines(companyId, 'W-2'))
    await log.appendWithin(client, {
      companyId,
      type: 'events:payroll:processed',
      payload: { batchId: '2026-01', total: '12' },
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    })
    await client.query('COMMIT')
    client.release()
    await stock.adjust({ companyId, movementId: 'M-1', item: 'i', warehouse: 'W1', quantity: 12_500n })
    await log.append({
      companyId,
      type: 'events:notification',
      payload: { level: 'info', message: 'x\u0000y' },
    })
    const { events } = await all(companyId)
    const told = events
      .filter(({ type }) => type !== 'events:balance:updated')
      .map(({ type, payload, traceparent }) => ({ type, payload, traceparent }))
    expect(told).toMatchObject([
      { type: 'events:voucher:created', payload: { id: 'V-1' } },
      { type: 'events:voucher:created', payload: { id: 'R-1', reverses: 'V-1' } },
      { type: 'events:voucher:created', payload: { id: 'W-2' } },
      {
        type: 'events:payroll:processed',
        payload: { batchId: '2026-01', total: '12' },
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      },
      {
        type: 'events:inventory:changed',
        payload: { item: 'i', warehouse: 'W1', quantity: '12500', reserved: '0', version: 1 },
      },
      { type: 'events:notification', payload: { level: 'info', message: 'x\u0000y' } },
    ])
    expect(await log.audit(companyId)).toMatchObject({ ok: true })
    await stock.close()
  })

  it('is no business of the registers: their relay reads images and control rows only', async () => {
    const companyId = freshCompany()
    const outbox = new Outbox({ pool: database.pool })
    const start = await outbox.tick({ limit: 1 })
    const ledger = database.ledger()
    await ledger.post(twoLines(companyId, 'V-1'))
    await ledger.approve(companyId, 'V-1')
    const { rows } = await outbox.tick({ after: start.target, limit: 100 })
    expect(rows.filter((row) => row.companyId === companyId).map(({ change }) => change.kind)).toEqual([
      'image',
      'image',
    ])
  })

  it('names the balances of a voucher in the order of its lines, whatever its accounts are called', async () => {
    const companyId = freshCompany()
    const lines = ['200', '9', '100', 'a', '0', '9'].map((account) => ({ account, debit: 1n }))
    const voucher = { companyId, id: 'V-1', date: '2026-01-05', fiscalYear: 2026 }
    await database.ledger().post({ ...voucher, lines: [...lines, { account: '30', credit: 6n }] })
    const { events } = await all(companyId)
    const created = events.find(({ type }) => type === 'events:voucher:created')
    const { balances } = created?.payload as VoucherCreated
    expect(balances).toEqual(['200', '9', '100', 'a', '0', '30'].map((account) => ({ account, version: 1 })))
  })

  it('fits a voucher on a thousand accounts with long names into one event', async () => {
    const companyId = freshCompany()
    const name = (n: number): string => `${'계'.repeat(41)}${n}`
    const lines = Array.from({ length: 500 }, (_, n) => [
      { account: name(n), debit: 1n },
      { account: name(n + 500), credit: 1n },
    ]).flat()
    await database.ledger().post({ companyId, id: 'big', date: '2026-01-05', fiscalYear: 2026, lines })
    const { events } = await all(companyId)
    const created = events.find(({ type }) => type === 'events:voucher:created')
    expect(Buffer.byteLength(JSON.stringify(created))).toBeLessThan(65_536)
    const { balances, balancesOmitted = 0, readToken } = created?.payload as VoucherCreated
    expect(balances.length + balancesOmitted).toBe(1_000)
    expect(balances.length).toBeGreaterThan(30)
    expect(balances.map(({ account }) => account)).toEqual(
      lines.slice(0, balances.length).map(({ account }) => account),
    )
    // The token covers those that were left out as well.
    const { versions, unnamed } = parseReadToken(readToken)
    expect([versions.size, unnamed]).toEqual([balances.length, { companyId, family: 'balance' }])
  })

  it('wakes its readers after a commit', async () => {
    const companyId = freshCompany()
    let woken = 0
    const listener = await log.onWake(() => (woken += 1))
    const before = woken
    await database.ledger().post(twoLines(companyId, 'V-1'))
    await expect.poll(() => woken, { timeout: 20_000 }).toBeGreaterThan(before)
    await listener.close()
  })

  it('refuses what is no event, no position and no limit before any SQL', async () => {
    const companyId = freshCompany()
    const event = { companyId, type: 'events:notification', payload: {} }
    const circle: Record<string, unknown> = {}
    circle['self'] = circle
    for (const wrong of [
      { ...event, companyId: 'a:b' },
      { ...event, type: '' },
      { ...event, type: 'a b' },
      { ...event, payload: undefined },
      { ...event, payload: 10n },
      { ...event, payload: Symbol('x') },
      { ...event, payload: circle },
      { ...event, payload: 'x'.repeat(50_000) },
      { ...event, about: 'a\u0000' },
      { ...event, traceparent: 'no' },
    ]) {
      await expect(log.append(wrong)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    }
    await expect(log.advance({ limit: 0 })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(log.read({ companyId, after: '-1', limit: 1 })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
    await expect(log.read({ companyId, after: '01', limit: 1 })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
    await expect(log.reached('Sink!', [])).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(log.trim({ olderThanMs: -1 })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    expect((await all(companyId)).events).toEqual([])
  })

  it('names a log that was tampered with', async () => {
    const companyId = freshCompany()
    await database.ledger().post(twoLines(companyId, 'V-1'))
    await database.ledger().post(twoLines(companyId, 'V-2'))
    await all(companyId)
    await database.pool.query('DELETE FROM kerp.event WHERE company = $1 AND position IN (1, 3)', [companyId])
    const audit = await log.audit(companyId)
    expect(audit.ok).toBe(false)
    expect(new Set(audit.differences.map(({ check }) => check))).toEqual(new Set(['positions', 'vouchers']))
  })

  it('lists what it finds by name and then by position, the tenth after the ninth', async () => {
    const companyId = freshCompany()
    for (let n = 1; n <= 12; n += 1) await database.ledger().post(twoLines(companyId, `V-${n}`))
    await all(companyId)
    await database.pool.query(
      `ALTER TABLE kerp.event DISABLE TRIGGER USER;
UPDATE kerp.event SET version = 105 - version WHERE company = '${companyId}' AND type = 'events:balance:updated';
ALTER TABLE kerp.event ENABLE TRIGGER USER`,
    )
    const { differences } = await log.audit(companyId)
    const ofOrder = differences.filter(({ check }) => check === 'order')
    const backwards = Array.from({ length: 11 }, (_, n) => `version ${103 - n}`)
    expect(ofOrder.map(({ found }) => found)).toEqual([...backwards, ...backwards])
    expect(ofOrder.map(({ subject }) => subject)).toEqual(ofOrder.map(({ subject }) => subject).toSorted())
  })
})
