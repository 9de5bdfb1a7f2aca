/** The rows of stock that a batch works on: as they stand under their locks, and as each movement leaves them. */

import type { RegisterImage, RegisterRef } from '@kerp/core'
import { arrayOf, textElement } from './array-text.js'
import { DatabaseUnsuitableError } from './errors.js'
import { type StockChange, stockRowName } from './stock-work.js'

/** A row while a batch runs over it. Quantities are thousandths. */
export interface StockRow {
  readonly ref: RegisterRef
  readonly companyElement: string
  readonly itemElement: string
  readonly warehouseElement: string
  /** Below zero until the row was read. */
  version: number
  onHand: bigint
  reserved: bigint
  fence: bigint
  /** What the accepted movements of the batch add up to. */
  onHandAdded: bigint
  reservedAdded: bigint
  movementsAdded: number
  /** Of the last accepted movement on it. */
  traceparent: string | undefined
}

/** The rows of a batch by name. */
export class StockRows {
  readonly #rows = new Map<string, StockRow>()

  get all(): readonly StockRow[] {
    return [...this.#rows.values()]
  }

  /** Those that at least one movement has changed. */
  get changed(): readonly StockRow[] {
    return this.all.filter((row) => row.movementsAdded > 0)
  }

  get names(): IterableIterator<string> {
    return this.#rows.keys()
  }

  /** Makes room for the rows of a movement. */
  add(companyId: string, changes: readonly StockChange[]): void {
    for (const { item, warehouse } of changes) {
      const name = stockRowName(companyId, item, warehouse)
      if (!this.#rows.has(name)) this.#rows.set(name, newRow(companyId, item, warehouse))
    }
  }

  row(companyId: string, { item, warehouse }: Pick<StockChange, 'item' | 'warehouse'>): StockRow {
    const row = this.#rows.get(stockRowName(companyId, item, warehouse))
    if (row === undefined)
      throw new DatabaseUnsuitableError('A movement names a row that its batch does not have.')
    return row
  }

  /** `$1`, `$2`, `$3` of the statements on rows. */
  parameters(rows: readonly StockRow[] = this.all): string[] {
    return [
      arrayOf(rows.map((row) => row.companyElement)),
      arrayOf(rows.map((row) => row.itemElement)),
      arrayOf(rows.map((row) => row.warehouseElement)),
    ]
  }
}

/** The register of a row as it stands now. */
export function stockImage({ ref, version, onHand, reserved }: StockRow): RegisterImage {
  return { ref, version, fields: [onHand.toString(), reserved.toString()] }
}

function newRow(companyId: string, item: string, warehouse: string): StockRow {
  return {
    ref: { companyId, family: 'inventory', parts: [item, warehouse] },
    companyElement: textElement(companyId),
    itemElement: textElement(item),
    warehouseElement: textElement(warehouse),
    version: -1,
    onHand: 0n,
    reserved: 0n,
    fence: 0n,
    onHandAdded: 0n,
    reservedAdded: 0n,
    movementsAdded: 0,
    traceparent: undefined,
  }
}
