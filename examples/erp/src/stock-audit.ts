/** The audit of a company's goods: every figure against its movements, transfers, and the cache against the rows. */

import type { Stock, StockCacheAudit } from '@kerp/inventory-lock'
import { formatQuantity } from '@kerp/core'
import type { StockAudit as StockRows, StockLedger } from '@kerp/postgres'
import type { AuditLine } from './audit-line.js'

/** What the audit of goods compares. */
export interface StockAuditOptions {
  readonly stockLedger: StockLedger
  readonly stock: Stock
}

/** Counts the goods of a company while movements may go on. */
export class StockAudit {
  readonly #options: StockAuditOptions

  constructor(options: StockAuditOptions) {
    this.#options = options
  }

  /** What the movements in the database say. */
  async rows(companyId: string): Promise<readonly AuditLine[]> {
    const rows = await this.#options.stockLedger.audit(companyId)
    return [figuresLine(rows), transfersLine(rows)]
  }

  /** One look at the cached figures; those of a moment ago may be behind until the relay has passed. */
  cached(companyId: string): Promise<StockCacheAudit> {
    return this.#options.stock.audit(companyId)
  }
}

/** The line for what `cached` counted. */
export function cachedStockLine({ rows, equal, behind, foreign, different }: StockCacheAudit): AuditLine {
  const differences = different + behind + foreign
  return {
    name: 'every cached stock figure = its row',
    ok: differences === 0,
    figure: `${equal} cached of ${rows} rows`,
    differences,
  }
}

function figuresLine(stock: StockRows): AuditLine {
  const differences = stock.differencesTotal - transferDifferences(stock)
  const { rows, movements, lines } = stock
  const onHand = formatQuantity(stock.onHand)
  return {
    name: 'every stock figure = Σ of its movements and ≥ 0',
    ok: differences === 0,
    figure: `${rows} figures, ${onHand} on hand, ${lines} changes by ${movements} movements`,
    differences,
  }
}

/** Of more differences than are listed, some may be of transfers: then nobody can say that these conserve. */
function transfersLine(stock: StockRows): AuditLine {
  const differences = transferDifferences(stock)
  return {
    name: 'transfers conserve',
    ok: differences === 0 && stock.differencesTotal === stock.differences.length,
    figure: `${stock.transfers} transfers, ${differences} made or lost goods`,
    differences,
  }
}

function transferDifferences({ differences }: StockRows): number {
  return differences.filter(({ check }) => check === 'transfers').length
}
