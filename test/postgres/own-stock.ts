/** A stock ledger on a database of its own, with the short words that all stock tests use. */

import type { StockMovement } from '@kerp/core'
import { anyWarehouse, RegisterRows, StockLedger, type StockLedgerOptions } from '@kerp/postgres'
import { freshCompany } from '../support/fresh-company.js'
import { type OwnDatabase, ownDatabase } from './own-database.js'

/** A database with stock ledgers that are closed with it. */
export interface OwnStock extends OwnDatabase {
  /** A stock ledger that takes every warehouse, unless told otherwise. */
  stock(options?: Partial<StockLedgerOptions>): StockLedger
  /** [on hand, reserved, version] of a row, as committed. */
  row(companyId: string, item?: string, warehouse?: string): Promise<readonly [bigint, bigint, number]>
}

/** Creates and migrates a database for one test file. */
export async function ownStock(serverUrl: string): Promise<OwnStock> {
  const database = await ownDatabase(serverUrl)
  const rows = new RegisterRows({ pool: database.pool })
  const open: StockLedger[] = []
  return {
    ...database,
    stock(options = {}) {
      const stock = new StockLedger({ pool: database.pool, warehouses: anyWarehouse, ...options })
      open.push(stock)
      return stock
    },
    async row(companyId, item = 'A', warehouse = 'W1') {
      const { images } = await rows.load(companyId, [
        { companyId, family: 'inventory', parts: [item, warehouse] },
      ])
      const [image] = images
      return [BigInt(image?.fields[0] ?? -1), BigInt(image?.fields[1] ?? -1), image?.version ?? -1]
    },
    async close() {
      await Promise.all(open.map((stock) => stock.close()))
      await database.close()
    },
  }
}

/** A fresh company with `onHand` thousandths of item A in warehouse W1. */
export async function stocked(stock: StockLedger, onHand: bigint): Promise<string> {
  const companyId = freshCompany()
  await stock.adjust(adjustment(companyId, 'opening', onHand))
  return companyId
}

/** An adjustment of item A in warehouse W1, unless told otherwise. */
export function adjustment(
  companyId: string,
  movementId: string,
  quantity: bigint,
  place: { readonly item?: string; readonly warehouse?: string; readonly fence?: string } = {},
): Parameters<StockLedger['adjust']>[0] {
  return { companyId, movementId, item: 'A', warehouse: 'W1', quantity, ...place }
}

/** The rows of an answer as [item, warehouse, on hand, reserved, version]. */
export function imagesOf({
  images,
}: Pick<StockMovement, 'images'>): readonly (readonly [string, string, string, string, number])[] {
  return images.map(({ ref, fields, version }) => [...ref.parts, ...fields, version])
}

/** The code of a rejection, or what it resolved with. */
export async function codeOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => 'resolved',
    (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
  )
}
