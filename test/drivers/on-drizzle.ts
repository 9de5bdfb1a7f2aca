/** A host that uses Drizzle on `pg`. */

import { viaDrizzle } from '@kerp/postgres'
import { sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import { at, type HostDriver } from './host-driver.js'

export function onDrizzle(url: string): HostDriver {
  const pool = new pg.Pool({ connectionString: url, max: 8 })
  const db = drizzle(pool)
  return {
    name: 'Drizzle',
    transaction: (work) => db.transaction((tx) => work(viaDrizzle(tx, sql))),
    sqlStateOf: (error) => at(error, 'cause', 'code'),
    close: () => pool.end(),
  }
}
