/** Schema, charts of accounts and warehouses: in place before the first request, as soon as there is a database. */

import { type DatabasePool, migrate, type Queryable } from '@kerp/postgres'
import type { Chart } from './chart.js'
import { COMPANIES, WAREHOUSES } from './companies.js'
import type { MasterData } from './master-data.js'
import { makePayrollTables } from './payroll-tables.js'

/** Brings the schema up to date and defines what every company has; safe to repeat, and in several processes at once. */
export async function prepareDatabase(
  pool: DatabasePool & Queryable,
  chart: Chart,
  masterData: MasterData,
): Promise<void> {
  await migrate(pool)
  await makePayrollTables(pool)
  const defined = chart.accounts.map(({ code, nameKo, parent }) => ({ code, name: nameKo, parent }))
  for (const company of COMPANIES) {
    await masterData.defineAccounts(company.id, defined)
    await masterData.defineWarehouses(company.id, WAREHOUSES)
  }
}
