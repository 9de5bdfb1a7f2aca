/**
 * `--faults`: after the job a backup of the database is restored. What was acknowledged since the backup is gone, and is
 * posted again by its ids, as whoever keeps his own requests would do.
 */

import { execFile } from 'node:child_process'
import { rename, rm } from 'node:fs/promises'
import { promisify } from 'node:util'
import type { Voucher } from '@kerp/postgres'
import type { PrivatePostgres } from '@kerp/postgres/testing'
import type { Erp } from '../main.js'
import type { Faults } from './faults.js'
import { patiently } from './patience.js'

/** What became of the vouchers since the backup. */
export interface BackupReport {
  /** Acknowledged between the backup and its return. */
  readonly acknowledged: number
  /** Of these, still in the database that went back; there must be none. */
  readonly kept: number
  /** Balances that are not what all vouchers add up to, once these were posted again. */
  readonly wrong: number
}

const COMPANY = 'c2'
/** A year in which nobody else posts. */
const YEAR = 2_032
const VOUCHERS = 200
const AMOUNT = 100n
const ACCOUNTS = ['11210', '41010'] as const

const run = promisify(execFile)

/** Backs the database up, goes on for a moment, puts the backup in its place, and posts again. */
export async function restoreBackup(
  erp: Erp,
  server: PrivatePostgres,
  faults: Faults,
): Promise<BackupReport> {
  const backup = `${server.dataDir}.backup`
  await server.kill()
  // It keeps the owner, without whom the server would not start.
  await run('cp', ['-a', server.dataDir, backup])
  await server.restart()
  const vouchers = Array.from({ length: VOUCHERS }, (_, index) => voucherOf(index))
  await postAll(erp, vouchers)
  await faults.do({
    kind: 'databaseBack',
    words: 'PostgreSQL goes back to a backup',
    share: 1,
    run: () => putBack(server, backup),
  })
  const kept = await postAll(erp, vouchers)
  await patiently(() => erp.relay.caughtUp())
  return { acknowledged: vouchers.length, kept, wrong: await wrongBalances(erp) }
}

async function putBack(server: PrivatePostgres, backup: string): Promise<void> {
  const forgotten = `${server.dataDir}.forgotten`
  await server.kill()
  await rename(server.dataDir, forgotten)
  await rename(backup, server.dataDir)
  await server.restart()
  await rm(forgotten, { recursive: true })
}

/** Returns how many were there before, and not by a call of ours whose answer was lost. */
async function postAll(erp: Erp, vouchers: readonly Voucher[]): Promise<number> {
  const posted = await Promise.all(vouchers.map((voucher) => patiently(() => erp.vouchers.post(voucher))))
  return posted.filter(({ answer, isRepeated }) => answer.replayed && !isRepeated).length
}

function voucherOf(index: number): Voucher {
  const [debited, credited] = ACCOUNTS
  return {
    companyId: COMPANY,
    id: `backup-${process.pid}-${index}`,
    date: `${YEAR}-01-05`,
    fiscalYear: YEAR,
    lines: [
      { account: debited, debit: AMOUNT },
      { account: credited, credit: AMOUNT },
    ],
  }
}

async function wrongBalances(erp: Erp): Promise<number> {
  const refs = ACCOUNTS.map((account) => ({ companyId: COMPANY, account, fiscalYear: YEAR }))
  const { answer } = await patiently(() => erp.balances.getMany(refs))
  return answer.filter(({ debit, credit }) => debit + credit !== AMOUNT * BigInt(VOUCHERS)).length
}
