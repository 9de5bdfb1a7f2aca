/** A PgBouncer of one's own in front of a private PostgreSQL, reachable only through a unix socket in a private directory. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { findBinaries } from '../../packages/postgres/src/private-binaries.js'

/** A running PgBouncer. */
export interface PrivatePgBouncer {
  /** The database of `serverUrl`, through the pooler. */
  readonly url: string
  close(): Promise<void>
}

const START_MS = 10_000

/** Starts one that gives each transaction another of `poolSize` connections of the server. */
export async function openPgBouncer(serverUrl: string, poolSize: number): Promise<PrivatePgBouncer> {
  const { user } = await findBinaries()
  const directory = await mkdtemp(join(tmpdir(), 'kerp-bouncer-'))
  const server = new URL(serverUrl)
  const database = server.pathname.slice(1)
  await writeFile(join(directory, 'users.txt'), '"postgres" ""\n')
  await writeFile(
    join(directory, 'pgbouncer.ini'),
    `[databases]
${database} = host=${server.searchParams.get('host') ?? ''} port=5432 dbname=${database} user=postgres
[pgbouncer]
listen_addr =
unix_socket_dir = ${directory}
listen_port = 6432
auth_type = trust
auth_file = ${join(directory, 'users.txt')}
pool_mode = transaction
default_pool_size = ${poolSize}
`,
  )
  await chmod(directory, 0o700)
  if (user !== undefined) await chown(directory, user.uid, user.gid)
  const child = spawn('pgbouncer', ['-q', join(directory, 'pgbouncer.ini')], {
    ...user,
    cwd: '/',
    stdio: 'ignore',
  })
  await listening(child, join(directory, '.s.PGSQL.6432'))
  return {
    url: `postgres://postgres@localhost:6432/${database}?host=${encodeURIComponent(directory)}`,
    async close() {
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function listening(child: ChildProcess, socket: string): Promise<void> {
  const endMs = Date.now() + START_MS
  while (!(await stat(socket).catch(() => undefined))) {
    if (child.exitCode !== null || Date.now() > endMs) throw new Error('pgbouncer did not start')
    await wait(20)
  }
}
