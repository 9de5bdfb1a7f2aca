/** A server that goes away in the moment in which it lets somebody in. */

import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RegisterRows } from '@kerp/postgres'
import { expect, test } from 'vitest'
import { openPool } from './own-database.js'

/** A message of PostgreSQL's protocol. */
function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

const FAREWELL = Buffer.concat([
  message('R', Buffer.alloc(4)),
  message('Z', Buffer.from('I')),
  message('E', Buffer.from('SFATAL\0C57P01\0Mterminating connection due to administrator command\0\0')),
])

test('a server that says ready and farewell in one packet fails the read, and does not end the process', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'kerp-farewell-'))
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy()).once('data', () => socket.end(FAREWELL))
  })
  await new Promise<void>((resolve) => server.listen(join(directory, '.s.PGSQL.5432'), resolve))
  const pool = openPool(`postgres://postgres@localhost/x?host=${encodeURIComponent(directory)}`, 2)
  const rows = new RegisterRows({ pool })
  const ref = { companyId: 'c1', family: 'balance', parts: ['1101', '2026'] } as const
  await expect(rows.load('c1', [ref])).rejects.toMatchObject({
    code: 'DATABASE_UNAVAILABLE',
    retryable: true,
  })
  await pool.end()
  await new Promise<void>((resolve) => server.close(() => resolve()))
  await rm(directory, { recursive: true, force: true })
})
