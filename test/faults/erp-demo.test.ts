/** The demo while everything that it stands on is killed, frozen, filled and replaced. */

import { describe, expect, inject, test } from 'vitest'
import { demo } from '../erp/demo-run.js'
import { freshDatabase } from '../erp/erp-database.js'
import { fieldOf } from '../erp/erp-process.js'

describe('The demo', () => {
  test('holds while Redis is killed, full and frozen, PostgreSQL is killed and goes back, and a second process of it is killed', async () => {
    // Its second process is started from sources.
    const env = { NODE_OPTIONS: '--import tsx' }
    const run = await demo(['--exit', '--json', '--faults', '--invoices', '60'], env)
    expect(run.code, run.output).toBe(0)
    expect(fieldOf(run.report, 'ok')).toBe(true)
    const audit = fieldOf(run.report, 'audit') as readonly unknown[]
    expect(audit.map((line) => fieldOf(line, 'name'))).toEqual(
      expect.arrayContaining([
        'every voucher that the killed process acknowledged is there',
        'every voucher that the database forgot counts once again',
      ]),
    )
    for (const kind of ['kill', 'memoryFull', 'databaseKill', 'pause', 'appKill', 'databaseBack']) {
      expect(fieldOf(run.report, 'figures', `${kind}RecoveredMs`)).toEqual(expect.any(Number))
    }
    expect(run.output).toContain('all in use again after, ms')
  })

  const topologies: readonly (readonly [string, readonly string[]])[] = [
    ['sentinel', ['masterKill', 'replicaLag', 'failover']],
    ['cluster', ['slotMove', 'masterKill']],
  ]

  // One of them suffices every day: what differs between the two is tested in `test/faults/failover-*.test.ts`.
  test.each(process.env['KERP_TEST_FULL'] === '1' ? topologies : topologies.slice(0, 1))(
    'holds on a topology of its own whose masters are replaced: %s',
    async (topology, kinds) => {
      const databaseUrl = await freshDatabase(inject('databaseUrl'))
      const args = ['--exit', '--json', '--invoices', '20', '--topology', topology]
      const run = await demo(args, { DATABASE_URL: databaseUrl })
      expect(run.code, run.output).toBe(0)
      expect(fieldOf(run.report, 'ok')).toBe(true)
      for (const kind of kinds) {
        expect(fieldOf(run.report, 'figures', `${kind}RecoveredMs`)).toEqual(expect.any(Number))
      }
    },
  )
})
