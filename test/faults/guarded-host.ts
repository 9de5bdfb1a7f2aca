/** A host whose table holds totals and nothing else, and may not be changed: what guarded balances are for. */

import { type AccountRef, GuardedBalances, type GuardedBalancesOptions } from '@kerp/balance-cache'
import { createKeys } from '@kerp/keys'
import type { RedisClient } from '@kerp/redis'
import type pg from 'pg'

export const TABLE = `CREATE TABLE gl_balance (
  tenant text, acct text, dr bigint NOT NULL DEFAULT 0, cr bigint NOT NULL DEFAULT 0, PRIMARY KEY (tenant, acct))`

/** Where a writer may be killed. */
export const MOMENTS = [
  'before it confirms',
  'between confirming and COMMIT',
  'after COMMIT was answered',
] as const
export type Moment = (typeof MOMENTS)[number]

const OPERATION_MS = 3_000

interface TotalsRow {
  readonly acct: string
  readonly dr: string
  readonly cr: string
}

/** Its posting and its reading. */
export class GuardedHost {
  readonly balances: GuardedBalances

  constructor(
    readonly pool: pg.Pool,
    redis: RedisClient,
    readonly companyId: string,
    options: Partial<GuardedBalancesOptions> = {},
  ) {
    this.balances = new GuardedBalances({
      redis,
      keys: createKeys(),
      redisDeadlineMs: 5_000,
      guardDeadlineMs: 5_000,
      operationMs: OPERATION_MS,
      source: { load: (tenant, refs) => this.#load(tenant, refs) },
      ...options,
    })
  }

  ref(account: string): AccountRef {
    return { companyId: this.companyId, account, fiscalYear: 2026 }
  }

  async open(accounts: readonly string[]): Promise<void> {
    const sql = 'INSERT INTO gl_balance (tenant, acct) SELECT $1, unnest($2::text[])'
    await this.pool.query(sql, [this.companyId, accounts])
  }

  /** Moves one from an account to another, in a transaction of the host's own; `at` hears of each moment. */
  async post(from: string, to: string, at: (moment: Moment) => unknown = () => undefined): Promise<void> {
    await this.balances.guard([this.ref(from), this.ref(to)], async (operation) => {
      const client = await this.pool.connect()
      try {
        await client.query('BEGIN')
        for (const account of [from, to].sort()) {
          const column = account === to ? 'dr' : 'cr'
          const sql = `UPDATE gl_balance SET ${column} = ${column} + 1 WHERE tenant = $1 AND acct = $2`
          await client.query(sql, [this.companyId, account])
        }
        await at('before it confirms')
        await operation.confirm()
        await at('between confirming and COMMIT')
        const { command } = await client.query('COMMIT')
        if (command !== 'COMMIT') throw new Error('rolled back')
        await at('after COMMIT was answered')
      } catch (error) {
        await client.query('ROLLBACK')
        throw error
      } finally {
        client.release()
      }
    })
  }

  /** What the table says, as its accounts are named. */
  async table(accounts: readonly string[]): Promise<readonly (readonly [debit: bigint, credit: bigint])[]> {
    const totals = await this.#load(
      this.companyId,
      accounts.map((account) => this.ref(account)),
    )
    return totals.map(({ debit, credit }) => [debit, credit])
  }

  async #load(tenant: string, refs: readonly AccountRef[]) {
    const sql = 'SELECT acct, dr::text, cr::text FROM gl_balance WHERE tenant = $1 AND acct = ANY($2)'
    const { rows } = await this.pool.query<TotalsRow>(sql, [tenant, refs.map(({ account }) => account)])
    const found = new Map(rows.map((row) => [row.acct, row]))
    return refs.map(({ account }) => {
      const { dr = '0', cr = '0' } = found.get(account) ?? {}
      return { debit: BigInt(dr), credit: BigInt(cr) }
    })
  }
}
