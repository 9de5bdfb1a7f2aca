/** How much of an item is in a warehouse: exact, versioned, and with its age. Quantities are thousandths. */

import {
  exactValue,
  formatQuantity,
  objectInput,
  parseMinorUnits,
  type RegisterImage,
  type RegisterRef,
  type StockRef,
} from '@kerp/core'
import { canonicalPart } from '@kerp/keys'
import type { RegisterReading } from '@kerp/registers'

/** A row of stock in one state. One that was never written is zero with version 0. */
export interface StockLevel extends StockRef {
  /** What is there. */
  readonly onHand: bigint
  /** What of it is kept for reservations. */
  readonly reserved: bigint
  /** On hand less reserved: what a movement may take. */
  readonly available: bigint
  /** Grows by one with each movement that touches the row; names exactly one state. */
  readonly version: number
}

/** A level as it was read. */
export interface StockReading extends StockLevel {
  /** The level is at least as new as this moment of the database's clock. */
  readonly asOf: Date
  /** Who answered. */
  readonly source: 'l1' | 'redis' | 'database'
}

/** The ref itself. @throws {InvalidInputError} `INVALID_INPUT` for what is no object. */
export function checkedRef(ref: StockRef): StockRef {
  return objectInput('ref', ref, 'an object with companyId, item and warehouse')
}

/**
 * The register of a row of stock: family `inventory`, parts item and warehouse, fields on hand and reserved.
 *
 * @throws {InvalidInputError} `INVALID_INPUT` for a ref that is none, `INVALID_KEY` for an item or a warehouse that is none.
 */
export function stockRegister(ref: StockRef): RegisterRef {
  const { companyId, item, warehouse } = checkedRef(ref)
  const parts = [canonicalPart(item, 'item'), canonicalPart(warehouse, 'warehouse')] as const
  return { companyId, family: 'inventory', parts }
}

/** The level in an image of a row, for example of those that a movement answers. */
export function stockLevel({ ref, version, fields }: RegisterImage): StockLevel {
  const [item, warehouse] = ref.parts
  const onHand = parseMinorUnits(fields[0], 'onHand')
  const reserved = parseMinorUnits(fields[1], 'reserved')
  const { companyId } = ref
  return exactValue({ companyId, item, warehouse, onHand, reserved, available: onHand - reserved, version })
}

/** Writes the level of a register; `before` is what it wrote of the same state. */
export function stockReading(reading: RegisterReading, before: StockReading | undefined): StockReading {
  const { image, asOfMs, source } = reading
  return Object.freeze(exactValue({ ...(before ?? stockLevel(image)), asOf: new Date(asOfMs), source }))
}

/** What a level looks like in JSON: quantities in units, as decimal strings in shortest form. */
export interface StockLevelJson {
  readonly item: string
  readonly warehouse: string
  /** What is there. */
  readonly quantity: string
  readonly reserved: string
  readonly available: string
  readonly version: number
}

/**
 * Writes a level for JSON.
 *
 * @example
 * stockLevelJson({ companyId: 'c1', item: 'A', warehouse: 'W1', onHand: 2500n, reserved: 0n, available: 2500n, version: 3 })
 * // { item: 'A', warehouse: 'W1', quantity: '2.5', reserved: '0', available: '2.5', version: 3 }
 */
export function stockLevelJson({
  item,
  warehouse,
  onHand,
  reserved,
  available,
  version,
}: StockLevel): StockLevelJson {
  return {
    item,
    warehouse,
    quantity: formatQuantity(onHand),
    reserved: formatQuantity(reserved),
    available: formatQuantity(available),
    version,
  }
}
