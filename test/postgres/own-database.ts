/** A database of its own for one test file, on the shared server, with the schema and the helpers that all files use. */

import { randomBytes } from 'node:crypto'
import { Ledger, type LedgerOptions, migrate, type Voucher, anyAccount } from '@kerp/postgres'
import pg from 'pg'

/** A database that is dropped with the file's last test. */
export interface OwnDatabase {
  readonly url: string
  readonly pool: pg.Pool
  /** A ledger that takes every account, unless told otherwise. */
  ledger(options?: Partial<LedgerOptions>): Ledger
  /** First column of the first row. */
  one(sql: string, values?: readonly unknown[]): Promise<unknown>
  close(): Promise<void>
}

/** Creates and migrates a database next to the one of `serverUrl`. */
export async function ownDatabase(serverUrl: string): Promise<OwnDatabase> {
  const name = `t_${randomBytes(6).toString('hex')}`
  await onServer(serverUrl, `CREATE DATABASE ${name}`)
  const url = databaseUrl(serverUrl, name)
  const pool = openPool(url, 20)
  await migrate(pool)
  const ledgers: Ledger[] = []
  return {
    url,
    pool,
    ledger(options = {}) {
      const ledger = new Ledger({ pool, accounts: anyAccount, ...options })
      ledgers.push(ledger)
      return ledger
    },
    async one(sql, values = []) {
      const { rows } = await pool.query<Record<string, unknown>>(sql, [...values])
      return rows[0] === undefined ? undefined : Object.values(rows[0])[0]
    },
    async close() {
      await Promise.all(ledgers.map((ledger) => ledger.close()))
      await pool.end()
      await onServer(serverUrl, `DROP DATABASE ${name} WITH (FORCE)`)
    },
  }
}

/** A pool whose idle connections may be lost without ending the test. */
export function openPool(url: string, max: number): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max, connectionTimeoutMillis: 5_000 })
  pool.on('error', () => undefined)
  return pool
}

/** The same server, another database. */
export function databaseUrl(serverUrl: string, name: string): string {
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return url.href
}

/** Runs one statement on the server's own database. */
export async function onServer(serverUrl: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

/** A two-line voucher: cash against sales, unless told otherwise. */
export function twoLines(
  companyId: string,
  id: string,
  amount = 1_000n,
  accounts: { readonly debit?: string; readonly credit?: string } = {},
): Voucher {
  return {
    companyId,
    id,
    date: '2026-01-05',
    fiscalYear: 2026,
    lines: [
      { account: accounts.debit ?? '1101', debit: amount },
      { account: accounts.credit ?? '4101', credit: amount },
    ],
  }
}
