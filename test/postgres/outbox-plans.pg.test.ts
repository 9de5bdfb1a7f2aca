/** The outbox keeps a week: what is read from its end must not cost more the more it keeps. */

import { expect, inject, test } from 'vitest'
import { outboxStatements } from '../../packages/postgres/src/outbox-statements.js'
import { ownStock } from './own-stock.js'

const STATEMENTS = outboxStatements('kerp')

test('new rows of a large outbox are found by their index, by plans for one call and by cached ones', async () => {
  const database = await ownStock(inject('databaseUrl'))
  const client = await database.pool.connect()
  try {
    await client.query(`INSERT INTO kerp.outbox (company, kind, xid)
SELECT 'large', 'invalidateAll', (n / 3)::text::xid8 FROM generate_series(3, 200000) AS n`)
    await client.query('ANALYZE kerp.outbox')
    const { rows } = await client.query<{ now: string }>('SELECT pg_current_snapshot()::text AS now')
    const now = rows[0]?.now ?? ''
    const calls = [
      ['tick', [now, '1000']],
      ['firstPage', [now, now, '1000', null]],
      ['firstPage', [now, now, '1000', 'large']],
    ] as const
    for (const mode of ['force_custom_plan', 'force_generic_plan']) {
      await client.query(`SET plan_cache_mode = ${mode}`)
      for (const [name, values] of calls) {
        const types = values.map(() => 'text').join(', ')
        const given = values.map((value) => (value === null ? 'NULL' : `'${value}'`)).join(', ')
        await client.query(`PREPARE outbox_read (${types}) AS ${STATEMENTS[name]}`)
        const explained = await client.query<{ 'QUERY PLAN': string }>(
          `EXPLAIN EXECUTE outbox_read (${given})`,
        )
        await client.query('DEALLOCATE outbox_read')
        const plan = explained.rows.map((row) => row['QUERY PLAN'])
        expect(
          plan.filter((line) => /Seq Scan on outbox o|JIT/.test(line)),
          plan.join('\n'),
        ).toEqual([])
        expect(plan.join('\n')).toContain('outbox_xid')
      }
    }
  } finally {
    client.release(true)
    await database.close()
  }
})
