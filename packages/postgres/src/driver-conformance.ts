/** What a database driver must do for vouchers to be posted inside its transactions, as tests: for a driver of your own. */

import { deepEqual, equal, rejects } from 'node:assert/strict'
import { AMOUNT_DIGITS_MAX, ClosedError, systemRandom } from '@kerp/core'
import type { DeclareTest } from '@kerp/core/testing'
import { anyAccount } from './account-catalog.js'
import type { DatabasePool } from './database-pool.js'
import { Ledger } from './ledger.js'
import type { Queryable } from './queryable.js'
import type { Voucher } from './voucher.js'

/** A driver, and a pool that looks at what it did. */
export interface DriverUnderTest {
  /** A `pg.Pool` on the same database, which `migrate` has prepared. */
  readonly pool: DatabasePool & Queryable
  /** The driver's own way to run a transaction: commits when `work` resolves, rolls back when it throws. */
  transaction<T>(work: (queryable: Queryable) => Promise<T>): Promise<T>
  /** Where the driver keeps the SQLSTATE of an error of the server; left out: that is not tested. */
  readonly sqlStateOf?: ((error: unknown) => unknown) | undefined
}

/** A suite for a driver. */
export interface DriverConformance {
  readonly test: DeclareTest
  /** Called by each test; may answer the same driver again. */
  readonly open: () => DriverUnderTest | Promise<DriverUnderTest>
}

const MAKE_TABLE =
  'CREATE TABLE IF NOT EXISTS public.kerp_conformance (id text PRIMARY KEY, total numeric NOT NULL)'
const INSERT = 'INSERT INTO public.kerp_conformance VALUES ($1, $2::text::numeric) RETURNING total::text'
const COUNTS = `SELECT (SELECT count(*) FROM public.kerp_conformance WHERE id = $1)::text AS host,
  (SELECT count(*) FROM kerp.voucher WHERE company = $1)::text AS vouchers,
  (SELECT count(*) FROM kerp.outbox WHERE company = $1 AND kind = 'image')::text AS images`

/**
 * Declares the tests. They make one table, `public.kerp_conformance`, and write to companies of their own: take a
 * database that is thrown away.
 */
export function driverConforms({ test, open }: DriverConformance): void {
  const declare: Declare = (title, run) =>
    void test(title, async () => {
      const world = new World(await open())
      await world.driver.pool.query(MAKE_TABLE, [])
      try {
        await run(world)
      } finally {
        await world.ledger.close()
      }
    })
  outcomes(declare)
  answers(declare)
}

type Declare = (title: string, run: (world: World) => Promise<void>) => void

/** A driver, a ledger of its database, and a company that nobody else has. */
class World {
  readonly company = `t-${systemRandom.hex(6)}`
  readonly ledger: Ledger

  constructor(readonly driver: DriverUnderTest) {
    this.ledger = new Ledger({ pool: driver.pool, accounts: anyAccount })
  }

  sale(id: string, amount = 1_000n): Voucher {
    const lines = [
      { account: '1101', debit: amount },
      { account: '4101', credit: amount },
    ]
    return { companyId: this.company, id, date: '2026-01-05', fiscalYear: 2026, lines }
  }

  /** Rows of the host, vouchers, and images in the outbox, as everybody sees them. */
  async counts(): Promise<readonly unknown[]> {
    const { rows } = await this.driver.pool.query(COUNTS, [this.company])
    return [rows[0]?.['host'], rows[0]?.['vouchers'], rows[0]?.['images']]
  }
}

function outcomes(declare: Declare): void {
  declare(
    'the host’s rows and the voucher are committed together, and the answer is that of post',
    async (world) => {
      const { driver, ledger, company } = world
      const posted = await driver.transaction(async (queryable) => {
        const { rows } = await queryable.query(INSERT, [company, '12345678901234567890.5'])
        deepEqual(
          rows.map((row) => ({ ...row })),
          [{ total: '12345678901234567890.5' }],
        )
        const answer = await ledger.postWithin(queryable, world.sale('v1', 5n))
        deepEqual(await world.counts(), ['0', '0', '0'])
        return answer
      })
      deepEqual(await world.counts(), ['1', '1', '2'])
      deepEqual({ ...(await ledger.post(world.sale('v1', 5n))), replayed: false }, posted)
    },
  )

  declare('a host that throws leaves neither its rows nor the voucher', async (world) => {
    const { driver, ledger, company } = world
    const changed = new ClosedError('The shop')
    const work = driver.transaction(async (queryable) => {
      await queryable.query(INSERT, [company, '1'])
      await ledger.postWithin(queryable, world.sale('v1'))
      throw changed
    })
    await rejects(work, /The shop is closed/)
    deepEqual(await world.counts(), ['0', '0', '0'])
    equal((await ledger.post(world.sale('v1'))).replayed, false)
  })

  declare(
    'an error of the database keeps its SQLSTATE, and after a caught one nothing can be posted',
    async (world) => {
      const { driver, ledger } = world
      const states: unknown[] = []
      const keep = (error: unknown): void => void states.push(driver.sqlStateOf?.(error))
      const work = driver.transaction(async (queryable) => {
        await queryable.query('SELECT 1 / 0', []).catch(keep)
        await ledger.postWithin(queryable, world.sale('v1')).catch((error: unknown) => {
          keep(error)
          throw error
        })
      })
      await rejects(work)
      if (driver.sqlStateOf !== undefined) deepEqual(states, ['22012', '25P02'])
      deepEqual(await world.counts(), ['0', '0', '0'])
    },
  )
}

function answers(declare: Declare): void {
  declare(
    'the same voucher again is answered and not posted; another content is refused and nothing else is lost',
    async (world) => {
      const { driver, ledger, company } = world
      const first = await ledger.post(world.sale('v1', 5n))
      await driver.transaction(async (queryable) => {
        deepEqual(await ledger.postWithin(queryable, world.sale('v1', 5n)), { ...first, replayed: true })
        await rejects(ledger.postWithin(queryable, world.sale('v1', 6n)), { code: 'VOUCHER_CONFLICT' })
        await queryable.query(INSERT, [company, '1'])
      })
      deepEqual(await world.counts(), ['1', '1', '2'])
    },
  )

  declare('amounts of 38 digits come back digit for digit', async (world) => {
    const { driver, ledger, company } = world
    const largest = 10n ** BigInt(AMOUNT_DIGITS_MAX) - 1n
    for (const [index, amount] of [largest, 2n ** 53n + 1n, 1n].entries()) {
      await driver.transaction((queryable) => ledger.postWithin(queryable, world.sale(`v${index}`, amount)))
    }
    const { images } = await ledger.post(world.sale('v2', 1n))
    const total = String(largest + 2n ** 53n + 2n)
    deepEqual(
      images.map(({ version, fields }) => [version, ...fields]),
      [
        [3, total, '0'],
        [3, '0', total],
      ],
    )
    equal((await ledger.audit(company)).ok, true)
  })
}
