/** A host that uses `pg` alone. */

import pg from 'pg'
import { at, type HostDriver } from './host-driver.js'

export function onPg(url: string): HostDriver {
  const pool = new pg.Pool({ connectionString: url, max: 8 })
  return {
    name: 'pg',
    async transaction(work) {
      const client = await pool.connect()
      try {
        await client.query('BEGIN')
        const result = await work(client)
        const { command } = await client.query('COMMIT')
        if (command !== 'COMMIT') throw new Error(`COMMIT was answered with ${command}`)
        return result
      } catch (error) {
        await client.query('ROLLBACK')
        throw error
      } finally {
        client.release()
      }
    },
    sqlStateOf: (error) => at(error, 'code'),
    close: () => pool.end(),
  }
}
