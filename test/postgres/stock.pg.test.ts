/** Movements of stock: once per id, judged one by one, never below what is there, conserved by transfers. */

import { type StockStore } from '@kerp/core'
import { recordingObserver } from '@kerp/core/testing'
import type { StockLedger } from '@kerp/postgres'
import { Outbox, RegisterRows } from '@kerp/postgres'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import { adjustment, codeOf, imagesOf, type OwnStock, ownStock, stocked } from './own-stock.js'

let database: OwnStock
let stock: StockLedger

beforeAll(async () => {
  database = await ownStock(inject('databaseUrl'))
  stock = database.stock()
})

afterAll(() => database.close())

describe('an adjustment', () => {
  test('changes one row and answers how the row stands right after it', async () => {
    const companyId = freshCompany()
    const first = await stock.adjust(adjustment(companyId, 'm1', 12_500n))
    const second = await stock.adjust(adjustment(companyId, 'm2', -2_000n))
    expect(imagesOf(first)).toEqual([['A', 'W1', '12500', '0', 1]])
    expect(imagesOf(second)).toEqual([['A', 'W1', '10500', '0', 2]])
    expect(first).toMatchObject({ companyId, movementId: 'm1', replayed: false })
    expect(await database.row(companyId)).toEqual([10_500n, 0n, 2])
  })

  test('that takes more than is there is refused with what is there, and leaves no trace', async () => {
    const companyId = await stocked(stock, 5_000n)
    const refused = stock.adjust(adjustment(companyId, 'out', -5_001n))
    await expect(refused).rejects.toMatchObject({
      code: 'INSUFFICIENT_STOCK',
      retryable: false,
      shortages: [
        {
          item: 'A',
          warehouse: 'W1',
          requested: 5_001n,
          available: 5_000n,
          onHand: 5_000n,
          reserved: 0n,
        },
      ],
    })
    expect(await database.row(companyId)).toEqual([5_000n, 0n, 1])
    const kept = await database.one('SELECT count(*)::int FROM kerp.stock_movement WHERE company = $1', [
      companyId,
    ])
    expect(kept).toBe(1)
  })

  test('that was refused is judged anew when goods have come in', async () => {
    const companyId = await stocked(stock, 1_000n)
    const out = adjustment(companyId, 'out', -3_000n)
    expect(await codeOf(stock.adjust(out))).toBe('INSUFFICIENT_STOCK')
    await stock.adjust(adjustment(companyId, 'in', 2_000n))
    expect(imagesOf(await stock.adjust(out))).toEqual([['A', 'W1', '0', '0', 3]])
  })

  test('twice with the same id has one effect and the same answer, even after the stock ran out', async () => {
    const companyId = await stocked(stock, 1_000n)
    const out = adjustment(companyId, 'out', -1_000n)
    const first = await stock.adjust(out)
    const again = await stock.adjust(out)
    expect(again).toEqual({ ...first, replayed: true })
    const elsewhere = await database.stock().adjust(out)
    expect(elsewhere).toEqual({ ...first, replayed: true })
    expect(await database.row(companyId)).toEqual([0n, 0n, 2])
  })

  test('with the id of another movement is refused and changes nothing', async () => {
    const companyId = await stocked(stock, 1_000n)
    expect(await codeOf(stock.adjust(adjustment(companyId, 'opening', 2_000n)))).toBe('MOVEMENT_CONFLICT')
    expect(await codeOf(stock.adjust(adjustment(companyId, 'opening', 1_000n, { item: 'B' })))).toBe(
      'MOVEMENT_CONFLICT',
    )
    const transfer = {
      companyId,
      movementId: 'opening',
      item: 'A',
      from: 'W1',
      to: 'W2',
      quantity: 1n,
    }
    expect(await codeOf(stock.transfer(transfer))).toBe('MOVEMENT_CONFLICT')
    expect(await database.row(companyId)).toEqual([1_000n, 0n, 1])
  })

  test('under one id for two rows at once, from two processes, is done for one of them', async () => {
    const companyId = freshCompany()
    const [left, right] = [database.stock(), database.stock()]
    for (let round = 0; round < 30; round += 1) {
      const codes = await Promise.all([
        codeOf(left.adjust(adjustment(companyId, `m${round}`, 1n, { item: 'A' }))),
        codeOf(right.adjust(adjustment(companyId, `m${round}`, 1n, { item: 'B' }))),
      ])
      expect(codes.sort()).toEqual(['MOVEMENT_CONFLICT', 'resolved'])
    }
    const [a] = await database.row(companyId, 'A')
    const [b] = await database.row(companyId, 'B')
    expect(a + b).toBe(30n)
  })

  test('has figures of any size up to 18 digits, exactly', async () => {
    const companyId = await stocked(stock, 999_999_999_999_999_999n)
    await stock.adjust(adjustment(companyId, 'more', 999_999_999_999_999_999n))
    expect(await database.row(companyId)).toEqual([1_999_999_999_999_999_998n, 0n, 2])
    await stock.adjust(adjustment(companyId, 'less', -999_999_999_999_999_999n))
    expect(await database.row(companyId)).toEqual([999_999_999_999_999_999n, 0n, 3])
  })
})

describe('movements that arrive together', () => {
  test('share transactions and are judged one by one, each with its own answer', async () => {
    const observer = recordingObserver()
    const own = database.stock({ observer })
    const companyId = await stocked(own, 10_000n)
    const answers = await Promise.allSettled(
      Array.from({ length: 50 }, (_, n) => own.adjust(adjustment(companyId, `m${n}`, -1_000n))),
    )
    const done = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
    const refused = answers.flatMap((answer): unknown[] =>
      answer.status === 'rejected' ? [answer.reason] : [],
    )
    expect(done.map((movement) => imagesOf(movement)[0]?.[2])).toEqual(
      Array.from({ length: 10 }, (_, n) => String(9_000 - 1_000 * n)),
    )
    expect(refused).toHaveLength(40)
    expect(refused).toSatisfy((errors: { code: string }[]) =>
      errors.every(({ code }) => code === 'INSUFFICIENT_STOCK'),
    )
    const batches = observer.of('stockBatch').filter(({ result }) => result === 'committed')
    expect(batches.length).toBeLessThan(5)
    expect(await database.row(companyId)).toEqual([0n, 0n, 11])
  })

  test('let a later one use what an earlier one brought', async () => {
    const companyId = freshCompany()
    const [brought, taken] = await Promise.all([
      stock.adjust(adjustment(companyId, 'in', 3_000n)),
      stock.adjust(adjustment(companyId, 'out', -3_000n)),
    ])
    expect([imagesOf(brought)[0]?.[2], imagesOf(taken)[0]?.[2]]).toEqual(['3000', '0'])
  })

  test('leave one outbox row per touched row, with its last version', async () => {
    const outbox = new Outbox({ pool: database.pool })
    const after = (await outbox.tick({ limit: 1 })).target
    const companyId = freshCompany()
    await Promise.all(
      Array.from({ length: 5 }, (_, n) => stock.adjust(adjustment(companyId, `m${n}`, 1_000n))),
    )
    const { rows } = await outbox.tick({ after, limit: 100 })
    const ref = { companyId, family: 'inventory', parts: ['A', 'W1'] }
    expect(rows.flatMap(({ change }) => (change.kind === 'image' ? [change.image] : []))).toEqual([
      { ref, version: 5, fields: ['5000', '0'] },
    ])
  })

  test('fail alone when the database refuses one of them', async () => {
    const companyId = freshCompany()
    await database.pool.query(`
CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NEW.id = 'poison' THEN RAISE EXCEPTION 'poison' USING ERRCODE = 'check_violation'; END IF; RETURN NEW;
END $$;
CREATE TRIGGER poison BEFORE INSERT ON kerp.stock_movement FOR EACH ROW EXECUTE FUNCTION refuse_poison()`)
    const ids = Array.from({ length: 60 }, (_, n) => (n === 37 ? 'poison' : `m${n}`))
    const codes = await Promise.all(ids.map((id) => codeOf(stock.adjust(adjustment(companyId, id, 1n)))))
    expect(codes.filter((code) => code !== 'resolved')).toEqual(['MOVEMENT_REJECTED'])
    expect(codes[37]).toBe('MOVEMENT_REJECTED')
    expect(await database.row(companyId)).toEqual([59n, 0n, 59])
  })

  test('of the same id share one effect, and all callers hear the same figures', async () => {
    const companyId = await stocked(stock, 1_000n)
    const out = adjustment(companyId, 'out', -400n)
    const answers = await Promise.all(Array.from({ length: 8 }, () => stock.adjust(out)))
    expect(answers.map(({ replayed }) => replayed)).toEqual([false, ...Array.from({ length: 7 }, () => true)])
    expect(new Set(answers.map((answer) => JSON.stringify(imagesOf(answer)))).size).toBe(1)
    expect(await database.row(companyId)).toEqual([600n, 0n, 2])
  })
})

describe('a transfer', () => {
  const transfer = (
    companyId: string,
    movementId: string,
    quantity: bigint,
  ): Parameters<StockStore['transfer']>[0] => ({
    companyId,
    movementId,
    item: 'A',
    from: 'W1',
    to: 'W2',
    quantity,
  })

  test('changes both rows, and their sum not at all', async () => {
    const companyId = await stocked(stock, 5_000n)
    const moved = await stock.transfer(transfer(companyId, 't1', 2_000n))
    expect(imagesOf(moved)).toEqual([
      ['A', 'W1', '3000', '0', 2],
      ['A', 'W2', '2000', '0', 1],
    ])
    expect(await stock.transfer(transfer(companyId, 't1', 2_000n))).toEqual({ ...moved, replayed: true })
  })

  test('of more than is there changes neither row', async () => {
    const companyId = await stocked(stock, 5_000n)
    expect(await codeOf(stock.transfer(transfer(companyId, 't1', 5_001n)))).toBe('INSUFFICIENT_STOCK')
    expect(await database.row(companyId, 'A', 'W1')).toEqual([5_000n, 0n, 1])
    expect(await database.row(companyId, 'A', 'W2')).toEqual([0n, 0n, 0])
  })

  test('in opposite directions from two processes never ends in a deadlock', async () => {
    const companyId = await stocked(stock, 100_000n)
    await stock.adjust(adjustment(companyId, 'opening2', 100_000n, { warehouse: 'W2' }))
    const [left, right] = [database.stock(), database.stock()]
    const back = { ...transfer(companyId, '', 7n), from: 'W2', to: 'W1' }
    await Promise.all(
      Array.from({ length: 200 }, (_, n) =>
        n % 2 === 0
          ? left.transfer(transfer(companyId, `l${n}`, 7n))
          : right.transfer({ ...back, movementId: `r${n}` }),
      ),
    )
    const [w1] = await database.row(companyId, 'A', 'W1')
    const [w2] = await database.row(companyId, 'A', 'W2')
    expect([w1, w2]).toEqual([100_000n, 100_000n])
    expect(await stock.audit(companyId)).toMatchObject({ ok: true, transfers: 200, onHand: 200_000n })
  })
})

describe('rows of stock', () => {
  test('are read and listed as registers', async () => {
    const companyId = await stocked(stock, 1_500n)
    await stock.adjust(adjustment(companyId, 'm2', 2_500n, { warehouse: 'W2' }))
    const source = new RegisterRows({ pool: database.pool })
    const listed = await source.list({ companyId, family: 'inventory', limit: 10 })
    expect(listed.images.map(({ ref, fields }) => [...ref.parts, ...fields])).toEqual([
      ['A', 'W1', '1500', '0'],
      ['A', 'W2', '2500', '0'],
    ])
    const second = await source.list({ companyId, family: 'inventory', secondPart: 'W2', limit: 10 })
    expect(second.images).toHaveLength(1)
    const loaded = await source.load(companyId, [
      { companyId, family: 'inventory', parts: ['never', 'W1'] },
      { companyId, family: 'balance', parts: ['1101', '2026'] },
      { companyId, family: 'inventory', parts: ['A', 'W2'] },
    ])
    expect(loaded.images.map(({ version, fields }) => [version, ...fields])).toEqual([
      [0, '0', '0'],
      [0, '0', '0'],
      [1, '2500', '0'],
    ])
  })

  test('cannot be made negative, over-reserved, deleted, or changed without a version by any SQL', async () => {
    const companyId = await stocked(stock, 1_000n)
    const change = (assignment: string): Promise<unknown> =>
      codeOf(database.pool.query(`UPDATE kerp.stock SET ${assignment} WHERE company = '${companyId}'`))
    expect(await change('on_hand = -1, version = version + 1')).toBe('23514')
    expect(await change('reserved = 1001, version = version + 1')).toBe('23514')
    expect(await change('on_hand = 2000')).toBe('23001')
    expect(await change('fence = fence - 1, version = version + 1')).toBe('23001')
    const remove = database.pool.query(`DELETE FROM kerp.stock WHERE company = '${companyId}'`)
    expect(await codeOf(remove)).toBe('23001')
    expect(await database.row(companyId)).toEqual([1_000n, 0n, 1])
  })
})

describe('an audit', () => {
  test('proves that each row is the sum of its movements, and finds a row that is not', async () => {
    const companyId = await stocked(stock, 9_000n)
    await stock.transfer({ companyId, movementId: 't', item: 'A', from: 'W1', to: 'W2', quantity: 4_000n })
    await stock.reserve({
      companyId,
      reservationId: 'r',
      lines: [{ item: 'A', warehouse: 'W1', quantity: 1_000n }],
      ttlMs: 60_000,
    })
    expect(await stock.audit(companyId)).toEqual({
      companyId,
      ok: true,
      rows: 2,
      movements: 3,
      transfers: 1,
      lines: 4,
      heldReservations: 1,
      onHand: 9_000n,
      reserved: 1_000n,
      differencesTotal: 0,
      differences: [],
    })
    await database.pool.query(
      `UPDATE kerp.stock SET on_hand = on_hand + 1, version = version + 1 WHERE company = $1 AND warehouse = 'W2'`,
      [companyId],
    )
    const found = await stock.audit(companyId)
    expect(found.differences.map(({ check, subject }) => [check, subject])).toEqual([
      ['rows', 'A W2'],
      ['versions', 'A W2'],
    ])
  })

  test('finds a transfer that made goods, and a reservation that is not covered', async () => {
    const companyId = await stocked(stock, 9_000n)
    await stock.transfer({ companyId, movementId: 't', item: 'A', from: 'W1', to: 'W2', quantity: 4_000n })
    await database.pool.query(
      `ALTER TABLE kerp.stock_line DISABLE TRIGGER USER;
UPDATE kerp.stock_line SET on_hand_change = 4001 WHERE company = '${companyId}' AND warehouse = 'W2';
ALTER TABLE kerp.stock_line ENABLE TRIGGER USER;
INSERT INTO kerp.reservation (company, id, lines, expires_at) VALUES ('${companyId}', 'r', '[["A","W1","5"]]', now())`,
    )
    const found = await stock.audit(companyId)
    expect(found.ok).toBe(false)
    expect(found.differences.map(({ check }) => check)).toEqual([
      'reservations',
      'rows',
      'running',
      'transfers',
    ])
  })

  test('lists its findings by place and then by number, the tenth version after the ninth', async () => {
    const companyId = freshCompany()
    for (let n = 1; n <= 11; n += 1) await stock.adjust(adjustment(companyId, `m${n}`, 1_000n))
    await database.pool.query(
      `ALTER TABLE kerp.stock_line DISABLE TRIGGER USER;
UPDATE kerp.stock_line SET on_hand_after = on_hand_after + 1 WHERE company = '${companyId}';
ALTER TABLE kerp.stock_line ENABLE TRIGGER USER`,
    )
    const { differences } = await stock.audit(companyId)
    expect(differences.map(({ subject }) => subject)).toEqual(
      Array.from({ length: 11 }, (_, n) => `A W1 version ${n + 1}`),
    )
  })
})
