/**
 * What an engineer writes by hand for a hot item: take a lock in Redis, read the figure, write the new one, give the
 * lock back. Durable in PostgreSQL, with the movement's id beside the figure; no fence, no queue, no outbox.
 */

import { randomBytes } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import type pg from 'pg'

const RELEASE = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`
const LEASE_MS = 10_000
const POLL_MS = 10

/** The smallest lock there is: SET NX PX, polled, given back by compare-and-delete. */
export async function bareLock<T>(redis: Redis, key: string, section: () => Promise<T>): Promise<T> {
  const token = randomBytes(12).toString('hex')
  while ((await redis.set(key, token, 'PX', LEASE_MS, 'NX')) === null) await wait(POLL_MS)
  try {
    return await section()
  } finally {
    await redis.eval(RELEASE, 1, key, token)
  }
}

/** Creates the table that the hand-written movements work on. */
export async function makeHandStock(pool: pg.Pool): Promise<void> {
  await pool.query(`
CREATE TABLE hand_stock (item text PRIMARY KEY, on_hand bigint NOT NULL CHECK (on_hand >= 0));
CREATE TABLE hand_movement (id text PRIMARY KEY, item text NOT NULL, quantity bigint NOT NULL);
INSERT INTO hand_stock VALUES ('A', 1000000000)`)
}

/** Read, decide, write: right only while nobody else does the same. */
export async function readModifyWrite(pool: pg.Pool, id: string, quantity: bigint): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    const { rows } = await client.query<{ on_hand: string }>({
      name: 'hand_read',
      text: `SELECT on_hand FROM hand_stock WHERE item = 'A'`,
    })
    const left = BigInt(rows[0]?.on_hand ?? 0) + quantity
    if (left < 0n) throw new RangeError('short')
    const write = `UPDATE hand_stock SET on_hand = $1 WHERE item = 'A'`
    await client.query({ name: 'hand_write', text: write, values: [left.toString()] })
    const keep = `INSERT INTO hand_movement VALUES ($1, 'A', $2)`
    await client.query({ name: 'hand_keep', text: keep, values: [id, quantity.toString()] })
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  } finally {
    client.release()
  }
}

/** The same under the row's own lock, without Redis: one transaction per movement. */
export async function lockRowAndWrite(pool: pg.Pool, id: string, quantity: bigint): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    const take = `UPDATE hand_stock SET on_hand = on_hand + $1 WHERE item = 'A' AND on_hand + $1 >= 0`
    await client.query({ name: 'hand_take', text: take, values: [quantity.toString()] })
    const keep = `INSERT INTO hand_movement VALUES ($1, 'A', $2)`
    await client.query({ name: 'hand_keep', text: keep, values: [id, quantity.toString()] })
    await client.query('COMMIT')
  } finally {
    client.release()
  }
}
