/** A month of orders made from a seed, in the shape of a real one, so that the demo runs anywhere. */

import type { RandomSource } from '@kerp/core'
import { seededRandom } from '@kerp/core/testing'
import {
  ANONYMOUS_SHARE,
  CUSTOMERS,
  INVOICES_OF_DAY,
  ITEM_PRICE_PENCE,
  ITEM_RANK,
  PRICE_PERCENT,
  QUANTITY_BELOW_PENCE,
  type Quantiles,
  RETURN_LINES,
  RETURN_SHARE,
  SALE_LINES,
  SALE_SHARE,
  SERVICE_LINES,
} from './order-shape.js'
import type { Invoice, OrderLine } from './orders.js'

/** Which month to make. */
export interface MonthOptions {
  /** The same seed makes the same month. */
  readonly seed: number
  /** The real month had 2,025. */
  readonly invoices: number
  /** `YYYY-MM` */
  readonly month: string
}

const FIRST_ITEM = 20_000
const FIRST_CUSTOMER = 12_300
const FIRST_INVOICE = 600_001

/** Makes the invoices of one month, by day. */
export function generateMonth(options: MonthOptions): readonly Invoice[] {
  const random = seededRandom(options.seed)
  const priceOf = new Map<number, number>()
  const dayOf = dayDrawer()
  const days = Array.from({ length: options.invoices }, () => dayOf(random.fraction())).sort((a, b) => a - b)
  return days.map((day, index) => {
    const number = FIRST_INVOICE + index
    const kind = random.fraction()
    const isReturn = kind >= SALE_SHARE && kind < SALE_SHARE + RETURN_SHARE
    const head = {
      date: `${options.month}-${String(day).padStart(2, '0')}`,
      customer: customerOf(random),
    }
    if (isReturn) return { id: `C${number}`, ...head, lines: returnLines(random, priceOf) }
    const lines = kind < SALE_SHARE ? saleLines(random, priceOf) : worthlessLines(random)
    return { id: String(number), ...head, lines }
  })
}

function saleLines(random: RandomSource, priceOf: Map<number, number>): readonly OrderLine[] {
  const lines = draw(SALE_LINES, random.fraction())
  return Array.from({ length: lines }, () => saleLine(random, priceOf))
}

function saleLine(random: RandomSource, priceOf: Map<number, number>): OrderLine {
  let kind = random.fraction()
  for (const service of SERVICE_LINES) {
    if (kind < service.share) return orderLine(service.item, 1, service.pence)
    kind -= service.share
  }
  const { item, pence } = pricedItem(random, priceOf)
  return orderLine(item, quantityOf(random, pence), pence)
}

function returnLines(random: RandomSource, priceOf: Map<number, number>): readonly OrderLine[] {
  const lines = draw(RETURN_LINES, random.fraction())
  return Array.from({ length: lines }, () => {
    const { item, pence } = pricedItem(random, priceOf)
    return orderLine(item, -quantityOf(random, pence), pence)
  })
}

function worthlessLines(random: RandomSource): readonly OrderLine[] {
  const rank = draw(ITEM_RANK, random.fraction())
  return [orderLine(String(FIRST_ITEM + rank), quantityOf(random, 0), 0)]
}

function pricedItem(random: RandomSource, priceOf: Map<number, number>): { item: string; pence: number } {
  const rank = draw(ITEM_RANK, random.fraction())
  const median = priceOf.get(rank) ?? draw(ITEM_PRICE_PENCE, random.fraction())
  priceOf.set(rank, median)
  const pence = Math.max(1, Math.round((median * draw(PRICE_PERCENT, random.fraction())) / 100))
  return { item: String(FIRST_ITEM + rank), pence }
}

function quantityOf(random: RandomSource, pence: number): number {
  const quantities = QUANTITY_BELOW_PENCE.find(([below]) => pence < below)?.[1] ?? []
  return draw(quantities, random.fraction())
}

/** Drawn figures are small whole numbers; from here on they are exact. */
function orderLine(item: string, quantity: number, pence: number): OrderLine {
  return { item, quantity: BigInt(quantity), unitPricePence: BigInt(pence) }
}

function customerOf(random: RandomSource): string {
  if (random.fraction() < ANONYMOUS_SHARE) return ''
  return String(FIRST_CUSTOMER + Math.floor(random.fraction() * CUSTOMERS))
}

/** The whole number at a share of a table, interpolated between its entries. */
function draw(quantiles: Quantiles, share: number): number {
  let [lowShare, lowValue] = quantiles[0] ?? [0, 0]
  for (const [highShare, highValue] of quantiles) {
    if (share <= highShare) {
      const part = highShare === lowShare ? 1 : (share - lowShare) / (highShare - lowShare)
      return Math.round(lowValue + part * (highValue - lowValue))
    }
    lowShare = highShare
    lowValue = highValue
  }
  return lowValue
}

function dayDrawer(): (share: number) => number {
  const total = INVOICES_OF_DAY.reduce((sum, [, invoices]) => sum + invoices, 0)
  return (share) => {
    let left = share * total
    for (const [day, invoices] of INVOICES_OF_DAY) {
      left -= invoices
      if (left < 0) return day
    }
    return 1
  }
}
