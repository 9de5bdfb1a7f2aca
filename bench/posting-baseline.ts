/**
 * What an engineer writes by hand: one transaction per voucher, with the same guarantees and as few round trips as
 * the guarantees allow.
 */

import type { Voucher } from '@kerp/postgres'
import type pg from 'pg'

const CLAIM = `INSERT INTO kerp.voucher_key (company, id, request_hash) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING RETURNING id`
const MAKE = `INSERT INTO kerp.balance (company, account, fiscal_year) VALUES ($1, $2, $4), ($1, $3, $4)
ON CONFLICT DO NOTHING`
const LOCK = `SELECT account, debit, credit, version FROM kerp.balance b
WHERE company = $1 AND account IN ($2, $3) AND fiscal_year = $4 ORDER BY b.company, b.account, b.fiscal_year FOR UPDATE`
const WRITE = `
WITH changed AS (
  UPDATE kerp.balance b SET debit = b.debit + k.debit, credit = b.credit + k.credit, version = b.version + 1
  FROM (VALUES ($2::text, $5::numeric, 0::numeric), ($3, 0, $5)) AS k(account, debit, credit)
  WHERE b.company = $1 AND b.account = k.account AND b.fiscal_year = $4
  RETURNING b.account, b.debit, b.credit, b.version, k.debit AS line_debit, k.credit AS line_credit
), voucher AS (
  INSERT INTO kerp.voucher (company, id, date, fiscal_year, versions)
  SELECT $1, $6, $7::date, $4, json_object_agg(account, version) FROM changed
), line AS (
  INSERT INTO kerp.line (company, account, fiscal_year, line_no, version, voucher_id, date, debit, credit,
    debit_after, credit_after)
  SELECT $1, account, $4, CASE account WHEN $2 THEN 1 ELSE 2 END, version, $6, $7::date, line_debit, line_credit,
    debit, credit FROM changed
), outbox AS (
  INSERT INTO kerp.outbox (company, kind, family, part1, part2, version, field1, field2)
  SELECT $1, 'image', 'balance', account, $4::text, version, debit, credit FROM changed
), event AS (
  INSERT INTO kerp.outbox (company, kind, type, abouts) VALUES ($1, 'event', 'events:voucher:created', ARRAY[$6::text])
)
SELECT account, debit::text, credit::text, version::text, (SELECT kerp.epoch()) AS epoch FROM changed`

/** Posts two-line vouchers, one transaction each. */
export class Baseline {
  readonly #made = new Set<string>()

  constructor(private readonly pool: pg.Pool) {}

  async post({ companyId, id, date, fiscalYear, lines }: Voucher): Promise<unknown> {
    const [debit, credit] = lines
    const rows = [companyId, debit?.account ?? '', credit?.account ?? '', fiscalYear]
    const client = await this.pool.connect()
    try {
      await client.query('BEGIN')
      const claimed = await client.query({ name: 'claim', text: CLAIM, values: [companyId, id, id] })
      if (claimed.rows.length === 0) throw new TypeError('the bench posts no voucher twice')
      if (!this.#made.has(rows.join())) await client.query({ name: 'make', text: MAKE, values: rows })
      await client.query({ name: 'lock', text: LOCK, values: rows })
      const values = [...rows, String(debit?.debit), id, date]
      const written = await client.query({ name: 'write', text: WRITE, values })
      const committed = await client.query('COMMIT')
      if (committed.command !== 'COMMIT') throw new TypeError('the transaction was rolled back')
      this.#made.add(rows.join())
      return written.rows
    } catch (error) {
      await client.query('ROLLBACK')
      throw error
    } finally {
      client.release()
    }
  }
}
