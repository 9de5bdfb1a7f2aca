/** How order lines become movements of goods, and the opening stock that covers them. */

import { createHash } from 'node:crypto'
import { WAREHOUSES } from '../companies.js'
import { isGoodsName } from '../http/fields.js'
import type { Invoice } from './orders.js'

/** What one order line does to one row of stock, the same for every company. Quantities are thousandths. */
export interface GoodsMove {
  readonly movementId: string
  readonly item: string
  readonly warehouse: string
  /** Below zero for a sale, above for a return. */
  readonly quantity: bigint
}

/** Goods that arrive before the month. */
export interface GoodsArrival {
  readonly movementId: string
  readonly item: string
  readonly quantity: bigint
}

/** Goods that are brought from the central warehouse to another before the month. */
export interface GoodsDelivery extends GoodsArrival {
  readonly to: string
}

/** Everything that a month moves. The same orders make the same plan, ids included. */
export interface GoodsPlan {
  readonly moves: readonly GoodsMove[]
  /** Order lines that move nothing: postage, fees, discounts, quantity zero. */
  readonly linesWithoutGoods: number
  readonly arrivals: readonly GoodsArrival[]
  readonly deliveries: readonly GoodsDelivery[]
  /** Every item, the one on most lines first. */
  readonly items: readonly string[]
}

/** Charges, discounts, samples, gift vouchers: lines that are sold and lie in no warehouse. */
const SERVICE = /^(?:BANK CHARGES|POST|DOT|M|D|S|B|C2|CRUK|AMAZONFEE|ADJUST\w*|TEST\w*|ITEM|GIFT(?:_.*)?)$/i

const PIECE = 1_000n

/**
 * A branch gets this much less than it will sell of an item that it sells at least so many pieces of: the rest
 * stays in the central warehouse, and must be brought when the branch runs short.
 */
const HELD_BACK = { part: 8n, piecesMin: 240n }

const [CENTRAL, ...BRANCHES] = WAREHOUSES.map(({ code }) => code)

/** The central warehouse, where goods arrive. */
export const CENTRAL_WAREHOUSE = CENTRAL ?? ''

/** Whether an item is something that lies in a warehouse. */
export function isGoods(item: string): boolean {
  return isGoodsName(item) && !SERVICE.test(item)
}

/** Makes the plan of a month. What arrives is exactly what is sold, so that returns are all that is left at least. */
export function planGoods(invoices: readonly Invoice[]): GoodsPlan {
  const moves = invoices.flatMap(movesOf)
  const lines = invoices.reduce((sum, invoice) => sum + invoice.lines.length, 0)
  const sold = new Map<string, Map<string, bigint>>()
  const linesOf = new Map<string, number>()
  for (const { item, warehouse, quantity } of moves) {
    linesOf.set(item, (linesOf.get(item) ?? 0) + 1)
    const places = sold.get(item) ?? new Map<string, bigint>()
    sold.set(item, places)
    if (quantity < 0n) places.set(warehouse, (places.get(warehouse) ?? 0n) - quantity)
  }
  const month = monthName(moves)
  const items = [...linesOf].sort(([, a], [, b]) => b - a).map(([item]) => item)
  return {
    moves,
    linesWithoutGoods: lines - moves.length,
    arrivals: items.flatMap((item, index) => {
      const quantity = [...(sold.get(item)?.values() ?? [])].reduce((sum, pieces) => sum + pieces, 0n)
      return quantity === 0n ? [] : [{ movementId: `arrival-${month}-${index}`, item, quantity }]
    }),
    deliveries: items.flatMap((item, index) =>
      BRANCHES.flatMap((to) => {
        const quantity = deliveredOf(sold.get(item)?.get(to) ?? 0n)
        return quantity === 0n ? [] : [{ movementId: `delivery-${month}-${index}-${to}`, item, to, quantity }]
      }),
    ),
    items,
  }
}

function movesOf({ id, customer, lines }: Invoice): GoodsMove[] {
  const warehouse = warehouseOf(customer === '' ? id : customer)
  return lines.flatMap(({ item, quantity }, index) =>
    quantity === 0n || !isGoods(item)
      ? []
      : [{ movementId: `order-${id}-${index + 1}`, item, warehouse, quantity: -quantity * PIECE }],
  )
}

/** Every customer is served from one warehouse. */
function warehouseOf(customer: string): string {
  const [first = 0] = createHash('sha256').update(customer).digest()
  return WAREHOUSES[first % WAREHOUSES.length]?.code ?? CENTRAL_WAREHOUSE
}

function deliveredOf(sold: bigint): bigint {
  if (sold < HELD_BACK.piecesMin * PIECE) return sold
  return ((sold - sold / HELD_BACK.part) / PIECE) * PIECE
}

const MONTH_NAME_LENGTH = 12

/** Names a month by what it moves, so that another month on the same database has arrivals of its own. */
function monthName(moves: readonly GoodsMove[]): string {
  const digest = createHash('sha256')
  for (const { movementId, item, quantity } of moves) digest.update(`${movementId}\n${item}\n${quantity}\n`)
  return digest.digest('hex').slice(0, MONTH_NAME_LENGTH)
}
