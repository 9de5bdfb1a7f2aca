/** How goods look on the wire: quantities as decimal strings in shortest form, with at most three decimals. */

import { InvalidInputError, parseQuantity } from '@kerp/core'
import { type StockLevel, stockLevelJson } from '@kerp/inventory-lock'
import type { Fields } from './fields.js'

/** A row of stock. */
export interface StockView {
  readonly item: string
  readonly warehouse: string
  /** What is there, reserved goods included. */
  readonly quantity: string
  /** Grows by 1 with every movement that touches the row. */
  readonly version: number
}

/** Writes a row of stock. */
export function stockView(level: StockLevel): StockView {
  const { item, warehouse, quantity, version } = stockLevelJson(level)
  return { item, warehouse, quantity, version }
}

/**
 * Reads a quantity into thousandths.
 *
 * @throws {InvalidAmountError} `INVALID_AMOUNT` for anything but a plain decimal string.
 * @throws {InvalidInputError} `INVALID_INPUT` for zero, and below zero unless the sign is free.
 */
export function quantityField(fields: Fields, sign: 'any' | 'positive', path = 'quantity'): bigint {
  const quantity = parseQuantity(fields['quantity'], path)
  if (quantity > 0n || (sign === 'any' && quantity < 0n)) return quantity
  throw new InvalidInputError(path, sign === 'any' ? 'not zero' : 'above zero', fields['quantity'])
}
