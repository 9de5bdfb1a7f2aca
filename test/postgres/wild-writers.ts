/** Writers that do everything transactions can do: early and late ids, rollbacks, savepoints, prepared transactions. */

import { randomBytes } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { seededRandom } from '@kerp/core/testing'
import type { Ledger } from '@kerp/postgres'
import type pg from 'pg'
import { expect } from 'vitest'
import { type OwnDatabase, twoLines } from './own-database.js'

/** The rows that all of them write. */
export const HOT = ['h1', 'h2', 'h3', 'h4', 'h5', 'h6']

/** What the writers did, to tell whether a test was worth something. */
export interface Deeds {
  committed: number
  rolledBack: number
  savepoints: number
  prepared: number
  collisions: number
}

/** Nothing yet. */
export function noDeeds(): Deeds {
  return { committed: 0, rolledBack: 0, savepoints: 0, prepared: 0, collisions: 0 }
}

/** One of the writers. */
export interface Writer {
  readonly companyId: string
  readonly writer: number
  readonly transactions: number
  readonly seed: number
  readonly deeds: Deeds
  /** Does something after a commit, with the id of the last voucher. */
  readonly afterwards?: (voucherId: string) => Promise<unknown>
}

/** One writer's transactions, one after the other. */
export async function write(database: OwnDatabase, ledger: Ledger, options: Writer): Promise<void> {
  const { companyId, writer, transactions, seed, deeds, afterwards } = options
  const random = seededRandom(seed + writer)
  const chance = (share: number): boolean => random.fraction() < share
  const hot = (): string => HOT[Math.floor(random.fraction() * HOT.length)] ?? 'h1'
  const client = await database.pool.connect()
  let last = 0
  const post = async (): Promise<void> => {
    last += 1
    await ledger.postWithin(
      client,
      twoLines(companyId, `w${writer}-${last}`, 1n, { debit: hot(), credit: hot() }),
    )
  }
  try {
    for (let n = 0; n < transactions; n += 1) {
      await client.query('BEGIN')
      try {
        // An early id with a late write is what breaks cursors that trust the order of ids.
        if (chance(0.4)) await client.query('SELECT pg_current_xact_id()')
        if (chance(0.4)) await wait(random.fraction() * 4)
        if (chance(0.25)) {
          deeds.savepoints += 1
          await client.query('SAVEPOINT undone')
          await post()
          await client.query('ROLLBACK TO SAVEPOINT undone')
          await client.query('SAVEPOINT deeper')
        }
        await post()
        if (chance(0.3)) await wait(random.fraction() * 3)
        const isCommitted = await end(client, chance, random.fraction() * 8, deeds)
        if (isCommitted && chance(0.3)) await afterwards?.(`w${writer}-${last}`)
      } catch (error) {
        // Deadlocks and lock timeouts are the host's: two savepoints of one transaction lock in no order.
        deeds.collisions += 1
        await client.query('ROLLBACK')
        if (typeof error !== 'object' || error === null || !('code' in error)) throw error
        expect(['40P01', '55P03']).toContain(error.code)
      }
    }
  } finally {
    client.release(true)
  }
}

async function end(
  client: pg.PoolClient,
  chance: (share: number) => boolean,
  pauseMs: number,
  deeds: Deeds,
): Promise<boolean> {
  if (chance(0.15)) {
    deeds.rolledBack += 1
    await client.query('ROLLBACK')
    return false
  }
  deeds.committed += 1
  if (!chance(0.1)) {
    await client.query('COMMIT')
    return true
  }
  deeds.prepared += 1
  const name = randomBytes(8).toString('hex')
  await client.query(`PREPARE TRANSACTION '${name}'`)
  await wait(pauseMs)
  await client.query(`COMMIT PREPARED '${name}'`)
  return true
}
