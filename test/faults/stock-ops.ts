/**
 * The movements of the stock torture: each is a function of its seed and number alone, so that any process can send
 * it again, and the test can tell afterwards what the rows must be.
 */

import { seededRandom } from '@kerp/core/testing'

/** What a movement asks for. Quantities are thousandths. */
export type StockOp =
  | { readonly kind: 'adjust'; readonly item: string; readonly warehouse: string; readonly quantity: bigint }
  | {
      readonly kind: 'transfer'
      readonly item: string
      readonly from: string
      readonly to: string
      readonly quantity: bigint
    }
  | {
      readonly kind: 'reserve'
      readonly lines: readonly {
        readonly item: string
        readonly warehouse: string
        readonly quantity: bigint
      }[]
      readonly ttlMs: number
      readonly ending: 'confirm' | 'cancel' | 'none'
    }

export const ITEMS = ['A', 'B', 'C', 'D'] as const
export const WAREHOUSES = ['W1', 'W2', 'W3'] as const
/** On hand in every row at the beginning. */
export const OPENING = 2_000n

/** The movement number `n` of a seed. */
export function stockOp(seed: number, n: number): StockOp {
  const random = seededRandom(seed * 1_000_003 + n)
  const below = (max: number): number => Math.floor(random.fraction() * max)
  const one = <T>(list: readonly [T, ...T[]]): T => list[below(list.length)] ?? list[0]
  const quantity = (): bigint => BigInt(1 + below(60))
  const dice = random.fraction()
  const item = one(ITEMS)
  if (dice < 0.45) {
    const amount = quantity()
    return {
      kind: 'adjust',
      item,
      warehouse: one(WAREHOUSES),
      quantity: random.fraction() < 0.5 ? amount : -amount,
    }
  }
  if (dice < 0.7) {
    const start = below(WAREHOUSES.length)
    const from = WAREHOUSES[start] ?? 'W1'
    const to = WAREHOUSES[(start + 1 + below(WAREHOUSES.length - 1)) % WAREHOUSES.length] ?? 'W2'
    return { kind: 'transfer', item, from, to, quantity: quantity() }
  }
  const lines = Array.from({ length: 1 + below(4) }, () => ({
    item: one(ITEMS),
    warehouse: one(WAREHOUSES),
    quantity: quantity(),
  }))
  const ending = one<'confirm' | 'cancel' | 'none'>(['confirm', 'confirm', 'cancel', 'none'])
  return { kind: 'reserve', lines, ttlMs: ending === 'none' ? 1 + below(200) : one([5, 60_000]), ending }
}

/** The id of a movement or reservation. */
export function stockOpId(seed: number, n: number): string {
  return `${seed}-${n}`
}

/** Seed and number of an id. */
export function parseStockOpId(id: string): readonly [number, number] {
  const [seed, n] = id.split('-').map(Number)
  if (seed === undefined || n === undefined) throw new RangeError(`no id of the torture: ${id}`)
  return [seed, n]
}
