/** A private server starts without a user's help, keeps committed data through a SIGKILL, and never outlives its parent. */

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { openPrivatePostgres } from '@kerp/postgres/testing'
import pg from 'pg'
import { expect, test } from 'vitest'
import { argsOf } from '../support/programs.js'
import { isAlive } from '../support/is-alive.js'

async function ask(url: string, sql: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    const { rows } = await client.query<Record<string, unknown>>(sql)
    return rows[0] === undefined ? undefined : Object.values(rows[0])[0]
  } finally {
    await client.end()
  }
}

test('a private server answers, with fsync on, and is gone after close', async () => {
  const server = await openPrivatePostgres({ settings: { max_prepared_transactions: 20 } })
  expect(await ask(server.url, 'SHOW fsync')).toBe('on')
  expect(await ask(server.url, 'SHOW max_prepared_transactions')).toBe('20')
  expect(await ask(server.url, 'SHOW listen_addresses')).toBe('')
  await server.close()
  await server.close()
  expect(isAlive(server.pid)).toBe(false)
  await expect(stat(server.dataDir)).rejects.toThrow('ENOENT')
})

test('what was committed is there after a SIGKILL of the server and a restart on the same data', async () => {
  await using server = await openPrivatePostgres()
  await ask(server.url, 'CREATE TABLE kept (n int)')
  await ask(server.url, 'INSERT INTO kept VALUES (42)')
  const firstPid = server.pid
  await server.kill()
  expect(isAlive(firstPid)).toBe(false)
  await server.restart()
  expect(await ask(server.url, 'SELECT n FROM kept')).toBe(42)
  await server.restart()
  expect(await ask(server.url, 'SELECT n FROM kept')).toBe(42)
  expect(server.pid).not.toBe(firstPid)
})

test('a data directory that the caller names outlives the server', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'kerp-test-'))
  const dataDir = join(parent, 'open', 'postgres')
  // The parent directory is open to the server's user, as a DATA_DIR has to be.
  await chmod(parent, 0o755)
  try {
    const first = await openPrivatePostgres({ dataDir })
    await ask(first.url, 'CREATE TABLE kept AS SELECT 7 AS n')
    await first.close()
    const second = await openPrivatePostgres({ dataDir })
    expect(await ask(second.url, 'SELECT n FROM kept')).toBe(7)
    await second.close()
  } finally {
    await rm(parent, { recursive: true, force: true })
  }
})

test('a server whose supervising shell was killed is ended by close, which does not wait for that shell', async () => {
  const server = await openPrivatePostgres()
  const { stdout } = await promisify(execFile)('ps', ['-o', 'ppid=', '-p', String(server.pid)])
  process.kill(Number(stdout), 'SIGKILL')
  await expect.poll(() => isAlive(Number(stdout)), { timeout: 10_000 }).toBe(false)
  await server.close()
  expect(isAlive(server.pid)).toBe(false)
  await expect(stat(server.dataDir)).rejects.toThrow('ENOENT')
})

test('a server ends by itself when its parent is ended by SIGKILL, and leaves no directory behind', async () => {
  const args = await argsOf(join(import.meta.dirname, 'open-and-hang.ts'))
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout, 'data')) as readonly unknown[]
  const facts = JSON.parse(String(line)) as { pid: number; socketDir: string }
  expect(isAlive(facts.pid)).toBe(true)
  child.kill('SIGKILL')
  await expect.poll(() => isAlive(facts.pid), { timeout: 10_000 }).toBe(false)
  await expect
    .poll(
      () =>
        stat(facts.socketDir).then(
          () => 'there',
          () => 'gone',
        ),
      { timeout: 10_000 },
    )
    .toBe('gone')
})
