/** A host's own table behind `GuardedBalances`, by the suite that is exported for such tables. */

import type { BalanceTotalsSource } from '@kerp/balance-cache'
import { totalsConform } from '@kerp/balance-cache/testing'
import { afterAll, beforeAll, describe, inject, test } from 'vitest'
import { type OwnDatabase, ownDatabase } from '../postgres/own-database.js'

let database: OwnDatabase

beforeAll(async () => {
  database = await ownDatabase(inject('databaseUrl'))
  await database.pool.query(
    `CREATE TABLE public.gl_balance (tenant text, acct text, fy integer, dr numeric(20, 2), cr numeric(20, 2),
       PRIMARY KEY (tenant, acct, fy))`,
  )
})
afterAll(() => database.close())

interface Row {
  readonly acct: string
  readonly fy: number
  readonly dr: string
  readonly cr: string
}

const READ = `SELECT acct, fy, trunc(dr * 100)::text AS dr, trunc(cr * 100)::text AS cr
  FROM public.gl_balance WHERE tenant = $1 AND (acct, fy) IN (SELECT * FROM unnest($2::text[], $3::integer[]))`
const WRITE = `INSERT INTO public.gl_balance VALUES ($1, $2, $3, $4::text::numeric * 0.01, $5::text::numeric * 0.01)
  ON CONFLICT (tenant, acct, fy) DO UPDATE SET dr = excluded.dr, cr = excluded.cr`

const source: BalanceTotalsSource = {
  async load(tenant, refs) {
    const accounts = refs.map(({ account }) => account)
    const years = refs.map(({ fiscalYear }) => fiscalYear)
    const { rows } = await database.pool.query<Row>(READ, [tenant, accounts, years])
    const found = new Map(rows.map((row) => [`${row.acct} ${row.fy}`, row]))
    return refs.map(({ account, fiscalYear }) => {
      const { dr = '0', cr = '0' } = found.get(`${account} ${fiscalYear}`) ?? {}
      return { debit: BigInt(dr), credit: BigInt(cr) }
    })
  },
}

describe('a table of a host', () => {
  totalsConform({
    test,
    open: () => ({
      source,
      async set({ companyId, account, fiscalYear }, { debit, credit }) {
        await database.pool.query(WRITE, [companyId, account, fiscalYear, String(debit), String(credit)])
      },
      amountMax: 10n ** 20n - 1n,
    }),
  })
})
