/** Private clusters of Debian's PostgreSQL 15, with its pg_dump and pg_restore. */

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chown, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { findBinaries, type ServerUser } from '../../packages/postgres/src/private-binaries.js'

const PROGRAMS = '/usr/lib/postgresql/15/bin'
const START_MS = 60_000
const run = promisify(execFile)

/** A running cluster. */
export interface DebianPostgres {
  /** Of the database `postgres`, through a unix socket. */
  readonly url: string
  close(): Promise<void>
}

/** Makes a cluster in a directory of its own and starts it. */
export async function openDebianPostgres(): Promise<DebianPostgres> {
  const { user } = await findBinaries()
  const directory = await mkdtemp(join(tmpdir(), 'kerp-pg15-'))
  if (user !== undefined) await chown(directory, user.uid, user.gid)
  const data = join(directory, 'data')
  const initdb = ['-D', data, '--username=postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', '-N']
  await program('initdb', initdb, user)
  const child = spawn(join(PROGRAMS, 'postgres'), ['-D', data, '-c', 'listen_addresses=', '-k', directory], {
    ...user,
    cwd: '/',
    stdio: 'ignore',
  })
  await ready(child, directory, user)
  return {
    url: `postgres://postgres@localhost/postgres?host=${encodeURIComponent(directory)}`,
    async close() {
      const ended = once(child, 'exit')
      child.kill('SIGINT')
      await ended
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Restores a dump of one database into another one, which exists and is empty. */
export async function dumpAndRestore(
  fromUrl: string,
  toUrl: string,
  options: readonly string[] = [],
): Promise<void> {
  const { user } = await findBinaries()
  const directory = await mkdtemp(join(tmpdir(), 'kerp-dump-'))
  try {
    if (user !== undefined) await chown(directory, user.uid, user.gid)
    const file = join(directory, 'dump')
    await program('pg_dump', ['-Fc', '-f', file, fromUrl], user)
    await program('pg_restore', ['--exit-on-error', ...options, '-d', toUrl, file], user)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function ready(child: ChildProcess, directory: string, user: ServerUser | undefined): Promise<void> {
  const endMs = Date.now() + START_MS
  for (;;) {
    const answered = await program('pg_isready', ['-q', '-h', directory], user).then(
      () => true,
      () => false,
    )
    if (answered) return
    if (child.exitCode !== null || Date.now() > endMs) throw new Error('PostgreSQL 15 did not start')
    await wait(50)
  }
}

async function program(name: string, args: readonly string[], user: ServerUser | undefined): Promise<void> {
  await run(join(PROGRAMS, name), [...args], { ...user, cwd: '/' })
}
