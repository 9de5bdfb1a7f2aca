/**
 * The judge against a plain model: one movement after the other on numbers. Seeds are printed by fast-check when a
 * property fails.
 */

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { judge, type LockedReservation, type StockFacts } from '../../packages/postgres/src/stock-judge.js'
import { StockRows } from '../../packages/postgres/src/stock-rows.js'
import {
  adjustWork,
  reserveWork,
  settleWork,
  type StockWork,
  transferWork,
} from '../../packages/postgres/src/stock-work.js'

const PLACES = ['W1', 'W2', 'W3'] as const
const place = fc.constantFrom(...PLACES)
const small = fc.bigInt({ min: 1n, max: 6n })
const fence = fc.option(fc.integer({ min: 0, max: 3 }).map(String), { nil: undefined })

interface Asked {
  readonly work: StockWork
}

function asked(n: number): fc.Arbitrary<Asked> {
  const base = { companyId: 'c1', item: 'A', movementId: `m${n}`, reservationId: `r${n}` }
  return fc.oneof(
    fc.record({ warehouse: place, quantity: small, sign: fc.constantFrom(1n, -1n), fence }).map((drawn) => ({
      work: adjustWork({ ...base, ...drawn, quantity: drawn.quantity * drawn.sign }),
    })),
    fc
      .record({ from: place, to: place, quantity: small, fence })
      .filter(({ from, to }) => from !== to)
      .map((drawn) => ({ work: transferWork({ ...base, ...drawn }) })),
    fc
      .record({
        lines: fc.array(fc.record({ item: fc.constant('A'), warehouse: place, quantity: small }), {
          minLength: 1,
          maxLength: 4,
        }),
        fence,
      })
      .map((drawn) => ({ work: reserveWork({ ...base, ...drawn, ttlMs: 1_000 }) })),
  )
}

const batch = fc
  .integer({ min: 1, max: 12 })
  .chain((size) => fc.tuple(...Array.from({ length: size }, (_, n) => asked(n))))
const opening = fc.record({
  onHand: fc.tuple(...PLACES.map(() => fc.bigInt({ min: 0n, max: 10n }))),
  free: fc.tuple(...PLACES.map(() => fc.bigInt({ min: 0n, max: 10n }))),
})

const NO_FACTS: StockFacts = { nowMs: 0, stored: new Map(), reservations: new Map() }

function rowsWith(onHand: readonly bigint[], free: readonly bigint[]): StockRows {
  const rows = new StockRows()
  const changes = PLACES.map((warehouse) => ({ item: 'A', warehouse, onHand: 0n, reserved: 0n }))
  rows.add('c1', changes)
  changes.forEach((change, index) => {
    const row = rows.row('c1', change)
    const total = onHand[index] ?? 0n
    const available = free[index] ?? 0n
    row.version = 5
    row.onHand = total
    row.reserved = available >= total ? 0n : total - available
  })
  return rows
}

function copyOf(
  rows: StockRows,
): Map<string, { onHand: bigint; reserved: bigint; fence: bigint; version: number }> {
  return new Map(rows.all.map((row) => [row.ref.parts[1], { ...row }]))
}

test('a batch is judged as if its movements came one after the other, each seeing what the ones before left', () => {
  fc.assert(
    fc.property(batch, opening, (drawn, { onHand, free }) => {
      const works = drawn.map(({ work }) => work)
      const rows = rowsWith(onHand, free)
      const model = copyOf(rows)
      const { outcomes } = judge(works, rows, NO_FACTS)
      const inOrder = [...works].sort((a, b) => Number((a.fence ?? 0n) - (b.fence ?? 0n)))
      for (const work of inOrder) {
        const states = work.changes.map((change) => ({ change, state: model.get(change.warehouse) }))
        const fenced = states.some(
          ({ state }) => work.fence !== undefined && (state?.fence ?? 0n) > work.fence,
        )
        const short = states.some(({ change, state }) => {
          const left = (state?.onHand ?? 0n) + change.onHand - (state?.reserved ?? 0n) - change.reserved
          return left < 0n
        })
        const outcome = outcomes.get(work)
        expect(outcome?.kind).toBe(fenced ? 'fenced' : short ? 'insufficient' : 'done')
        if (outcome?.kind !== 'done') continue
        states.forEach(({ change, state }, index) => {
          if (state === undefined) throw new TypeError('a place that is not in the model')
          state.onHand += change.onHand
          state.reserved += change.reserved
          state.version += 1
          state.fence = work.fence ?? state.fence
          expect(outcome.images[index]).toMatchObject({
            version: state.version,
            fields: [state.onHand.toString(), state.reserved.toString()],
          })
        })
      }
      for (const row of rows.all) {
        expect(row).toMatchObject(pick(model.get(row.ref.parts[1])))
        expect(row.reserved >= 0n && row.reserved <= row.onHand).toBe(true)
      }
    }),
    { numRuns: 5_000 },
  )
})

function pick(
  state: { onHand: bigint; reserved: bigint; fence: bigint; version: number } | undefined,
): object {
  if (state === undefined) throw new TypeError('a row that is not in the model')
  const { onHand, reserved, fence: seen, version } = state
  return { onHand, reserved, fence: seen, version }
}

test('what the accepted movements add up to is the change of each row, so that one UPDATE can write it', () => {
  fc.assert(
    fc.property(batch, opening, (drawn, { onHand, free }) => {
      const rows = rowsWith(onHand, free)
      const before = copyOf(rows)
      const { accepted } = judge(
        drawn.map(({ work }) => work),
        rows,
        NO_FACTS,
      )
      for (const row of rows.all) {
        const was = before.get(row.ref.parts[1])
        expect(row.onHand - (was?.onHand ?? 0n)).toBe(row.onHandAdded)
        expect(row.reserved - (was?.reserved ?? 0n)).toBe(row.reservedAdded)
        const touching = accepted.filter(({ changes }) =>
          changes.some(({ warehouse }) => warehouse === row.ref.parts[1]),
        )
        expect(row.movementsAdded).toBe(touching.length)
        expect(row.version).toBe(5 + touching.length)
      }
    }),
    { numRuns: 2_000 },
  )
})

test('a reservation ends in the way its row allows, whoever asks, in any state and at any time', () => {
  const states = ['held', 'confirmed', 'cancelled', 'expired'] as const
  const kinds = ['confirm', 'cancel', 'expire'] as const
  for (const state of states) {
    for (const isDue of [false, true]) {
      for (const kind of kinds) {
        const work = settleWork(kind, { companyId: 'c1', reservationId: 'r1' })
        const changes = [{ item: 'A', warehouse: 'W1', onHand: 0n, reserved: 2n }]
        const reservation: LockedReservation = { state, isDue, expiresAtMs: 9, changes }
        const rows = rowsWith([5n, 0n, 0n], [3n, 0n, 0n])
        const reservations = new Map([[work.name, reservation]])
        const { outcomes, accepted } = judge([work], rows, { ...NO_FACTS, reservations })
        const row = rows.row('c1', { item: 'A', warehouse: 'W1' })
        const found = [outcomes.get(work)?.kind, accepted[0]?.kind, row.onHand, row.reserved]
        expect([state, isDue, kind, ...found]).toEqual([
          state,
          isDue,
          kind,
          ...expectedEnd(state, isDue, kind),
        ])
      }
    }
  }
})

function expectedEnd(
  state: 'held' | 'confirmed' | 'cancelled' | 'expired',
  isDue: boolean,
  kind: 'confirm' | 'cancel' | 'expire',
): readonly unknown[] {
  if (state !== 'held') {
    if (kind === 'expire') return ['notDue', undefined, 5n, 2n]
    const same = { confirm: 'confirmed', cancel: 'cancelled' }[kind] === state
    const isAnswer = same || (kind === 'cancel' && state === 'expired')
    return [isAnswer ? 'replayed' : 'settled', undefined, 5n, 2n]
  }
  if (isDue) return [kind === 'confirm' ? 'settled' : 'done', 'expire', 5n, 0n]
  if (kind === 'expire') return ['notDue', undefined, 5n, 2n]
  return ['done', kind, kind === 'confirm' ? 3n : 5n, 0n]
}

test('the same content has the same hash whatever the fence, and another content another one', () => {
  const base = { companyId: 'c1', movementId: 'm1', item: 'A', warehouse: 'W1', quantity: 5n }
  const { hash } = adjustWork(base)
  expect(adjustWork({ ...base, fence: '7' }).hash).toBe(hash)
  for (const other of [{ quantity: 6n }, { quantity: -5n }, { item: 'B' }, { warehouse: 'W2' }]) {
    expect(adjustWork({ ...base, ...other }).hash).not.toBe(hash)
  }
  const moved = transferWork({ ...base, from: 'W1', to: 'W2' }).hash
  expect(transferWork({ ...base, from: 'W2', to: 'W1' }).hash).not.toBe(moved)
  const lines = [base]
  const held = reserveWork({ companyId: 'c1', reservationId: 'r', lines, ttlMs: 5 })
  expect(reserveWork({ companyId: 'c1', reservationId: 'r', lines, ttlMs: 6 }).hash).not.toBe(held.hash)
  const parted = [
    { ...base, quantity: 2n },
    { ...base, quantity: 3n },
  ]
  expect(reserveWork({ companyId: 'c1', reservationId: 'r', lines: parted, ttlMs: 5 }).hash).toBe(held.hash)
})
