/** A consumer in a process of its own that dies between its effect and the acknowledgement. */

import { Consumer, erpEvents } from '@kerp/pubsub'
import { createKeys } from '@kerp/keys'
import { effectOnce } from '@kerp/postgres'
import { connectRedis } from '@kerp/redis'
import pg from 'pg'

process.on('disconnect', () => process.exit())

const [socketPath = '', databaseUrl = '', companyId = ''] = process.argv.slice(2)
const redis = await connectRedis({ path: socketPath }, 20_000, {})
const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 })
await pool.query('SELECT 1')

const consumer = new Consumer({
  redis,
  keys: createKeys(),
  events: erpEvents,
  group: 'effects',
  companies: [companyId],
  leaseMs: 500,
  pollMs: 50,
  attemptsMax: 1_000,
  handler: async (event) => {
    const client = await pool.connect()
    await client.query('BEGIN')
    const isNew = await effectOnce(client, { group: 'effects', companyId, eventId: event.id }, () =>
      client.query('INSERT INTO effect (event) VALUES ($1)', [event.id]),
    )
    await client.query('COMMIT')
    client.release()
    if (isNew && event.id !== 'last') process.kill(process.pid, 'SIGKILL')
  },
})
process.once('message', () => consumer.start())
process.send?.('ready')
