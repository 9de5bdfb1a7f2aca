/**
 * A real redis-server of one's own, for tests, benches and demos: a temporary directory, a unix socket (or a
 * free port), and an end with its parent, even when the parent is killed.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { access, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { type Closable, closeOnce } from '@kerp/core'
import { Redis, type RedisOptions } from 'ioredis'
import { RedisMissingError } from './errors.js'

/** What a server shows to its clients, as PEM. */
export interface PrivateTls {
  /** The certificate, of a name that clients connect to: `localhost`, or 127.0.0.1. */
  readonly cert: string
  /** The certificate's private key. */
  readonly key: string
  /** Who signs certificates of clients. */
  readonly ca: string
  /** Refuses clients without a certificate of `ca`. @defaultValue false */
  readonly clientsShowOne?: boolean | undefined
}

/** How a private server is started. */
export interface PrivateRedisOptions {
  /** Listens on a free port of 127.0.0.1 too. @defaultValue false: a unix socket only */
  readonly tcp?: boolean | undefined
  /** Speaks TLS on its port, and nothing else; the unix socket stays as it is. Implies `tcp`. */
  readonly tls?: PrivateTls | undefined
  /** More arguments for the server; they win over the defaults, for example `['--maxmemory', '20mb']`. */
  readonly args?: readonly string[] | undefined
  /** The program to run. @defaultValue `redis-server`, else `valkey-server`, from PATH */
  readonly binary?: string | undefined
  /** How long the server may take to answer, in ms. @defaultValue 10_000 */
  readonly startMs?: number | undefined
}

/** A private server. Closing it ends the process and removes its directory; clients are the caller's. */
export interface PrivateRedis extends Closable {
  readonly socketPath: string
  /** Only with `tcp` or `tls`. */
  readonly port: number | undefined
  /** For REDIS_URL: the port when there is one, else the socket's path, which ioredis takes as well. */
  readonly url: string
  /** The process that runs now; it changes with `restart`. */
  readonly pid: number
  /** Ends the server as SIGKILL does; what it did not write to disk is lost. Settles when it is gone. */
  kill(): Promise<void>
  /** Starts it again on the same socket and port. Without `keepData` its files are removed first. */
  restart(options?: { readonly keepData?: boolean | undefined }): Promise<void>
  /** Freezes the server: connections stay open and nothing answers. */
  pause(): void
  /** Ends a pause. */
  resume(): void
  /** A plain ioredis client of this server, for looking at it from outside; the caller ends it. */
  client(options?: RedisOptions): Redis
}

const START_MS = 10_000
const BINARIES = ['redis-server', 'valkey-server']

/**
 * The path of the first `redis-server` or `valkey-server` on PATH, or undefined.
 */
export async function findRedisServer(): Promise<string | undefined> {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '')
  for (const name of BINARIES) {
    for (const folder of folders) {
      const path = join(folder, name)
      if (await isExecutable(path)) return path
    }
  }
  return undefined
}

/**
 * Starts a private server: nothing on disk, `noeviction`. Takes about 20 ms.
 *
 * @throws {RedisMissingError} `REDIS_MISSING` when no server program is on PATH, or it does not start.
 * @example
 * await using server = await openPrivateRedis()
 * const redis = createRedis({ path: server.socketPath })
 */
export function openPrivateRedis(options: PrivateRedisOptions = {}): Promise<PrivateRedis> {
  return openPrivateServer(options)
}

/** What only the topologies of this package ask for. */
export interface PrivateServerOptions extends PrivateRedisOptions {
  /** Listens on this port instead of a free one. */
  readonly port?: number | undefined
  /** Begins with this text as its configuration file, which the server may rewrite. */
  readonly config?: string | undefined
}

/** `openPrivateRedis` for a part of a topology. */
export async function openPrivateServer(options: PrivateServerOptions): Promise<PrivateRedis> {
  const binary = options.binary ?? (await findRedisServer())
  if (binary === undefined) {
    throw new RedisMissingError(
      'No redis-server is on PATH: install it (Debian and Ubuntu: `apt-get install redis-server`, macOS: ' +
        '`brew install redis`).',
    )
  }
  const directory = await mkdtemp(join(tmpdir(), 'kerp-redis-'))
  const listens = options.tcp === true || options.tls !== undefined
  const port = options.port ?? (listens ? await freePort() : undefined)
  const server = new RunningRedis(binary, directory, port, options)
  try {
    await server.start()
  } catch (error) {
    await server.close()
    throw error
  }
  return server
}

class RunningRedis implements PrivateRedis {
  readonly socketPath: string
  readonly close = closeOnce(() => this.#end())
  readonly #startMs: number
  readonly #config: string | undefined
  readonly #tls: PrivateTls | undefined
  readonly #args: readonly string[]
  #guard: ChildProcess | undefined
  #pid = 0

  constructor(
    private readonly binary: string,
    private readonly directory: string,
    readonly port: number | undefined,
    options: PrivateServerOptions,
  ) {
    this.socketPath = join(directory, 'redis.sock')
    this.#config = options.config
    this.#tls = options.tls
    this.#startMs = options.startMs ?? START_MS
    this.#args = [...this.#defaults(), ...(options.args ?? [])]
  }

  get pid(): number {
    return this.#pid
  }

  get url(): string {
    if (this.port === undefined) return this.socketPath
    return this.#tls === undefined ? `redis://127.0.0.1:${this.port}` : `rediss://localhost:${this.port}`
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async start(): Promise<void> {
    // The shell holds the pipe's reading end: when this process dies, however it dies, the pipe ends.
    const file = await this.#configFile()
    await this.#writeCertificates()
    const argv = ['-c', GUARD, 'kerp-redis-guard', this.directory, this.binary, ...file, ...this.#args]
    const guard = spawn('/bin/sh', argv, { stdio: ['pipe', 'pipe', 'ignore'] })
    this.#guard = guard
    guard.unref()
    if (guard.stdin instanceof Socket) guard.stdin.unref()
    guard.stdin.on('error', () => undefined)
    this.#pid = await firstNumber(guard)
    await this.#answered()
  }

  async kill(): Promise<void> {
    const guard = this.#guard
    this.#guard = undefined
    if (guard === undefined) return
    const gone = new Promise<void>((resolve) => guard.once('exit', () => resolve()))
    guard.ref()
    guard.stdin?.end('keep\n')
    await gone
  }

  async restart(options: { readonly keepData?: boolean | undefined } = {}): Promise<void> {
    await this.kill()
    for (const name of await readdir(this.directory)) {
      const keep = options.keepData === true && name !== 'redis.sock'
      if (!keep) await rm(join(this.directory, name), { recursive: true, force: true })
    }
    await this.start()
  }

  pause(): void {
    process.kill(this.#pid, 'SIGSTOP')
  }

  resume(): void {
    process.kill(this.#pid, 'SIGCONT')
  }

  client(options: RedisOptions = {}): Redis {
    return new Redis({ path: this.socketPath, ...options })
  }

  /** A file that the server has rewritten is its memory: it is not written again. */
  async #configFile(): Promise<readonly string[]> {
    if (this.#config === undefined) return []
    const path = join(this.directory, 'server.conf')
    if (!(await exists(path))) await writeFile(path, this.#config)
    return [path]
  }

  async #writeCertificates(): Promise<void> {
    if (this.#tls === undefined) return
    for (const name of CERTIFICATES) {
      await writeFile(join(this.directory, name), this.#tls[name], { mode: 0o600 })
    }
  }

  async #end(): Promise<void> {
    await this.kill()
    await rm(this.directory, { recursive: true, force: true })
  }

  async #answered(): Promise<void> {
    const probe = this.client({
      enableReadyCheck: false,
      maxRetriesPerRequest: null,
      retryStrategy: () => 5,
      commandTimeout: this.#startMs,
    })
    probe.on('error', () => undefined)
    try {
      await probe.ping()
    } catch (error) {
      // One that wants a password, that loads, or that has lost its master answers all the same.
      if (error instanceof Error && error.name === 'ReplyError') return
      throw new RedisMissingError(`The private ${this.binary} did not answer within ${this.#startMs} ms.`)
    } finally {
      probe.disconnect()
    }
  }

  #defaults(): string[] {
    const port = String(this.port ?? 0)
    const ports = this.#tls === undefined ? ['--port', port] : ['--port', '0', '--tls-port', port]
    const listen = [...ports, ...this.#tlsArgs(), '--bind', '127.0.0.1', '--unixsocket', this.socketPath]
    const disk = ['--dir', this.directory, '--save', '', '--appendonly', 'no', '--daemonize', 'no']
    return [...listen, ...disk, '--maxmemory-policy', 'noeviction']
  }

  #tlsArgs(): readonly string[] {
    if (this.#tls === undefined) return []
    const [cert, key, ca] = CERTIFICATES.map((name) => join(this.directory, name))
    const clients = this.#tls.clientsShowOne === true ? 'yes' : 'no'
    return [
      '--tls-cert-file',
      `${cert}`,
      '--tls-key-file',
      `${key}`,
      '--tls-ca-cert-file',
      `${ca}`,
      '--tls-auth-clients',
      clients,
    ]
  }
}

/** Files of a server that speaks TLS, by the option that fills them. */
const CERTIFICATES = ['cert', 'key', 'ca'] as const

/**
 * Starts the server in the background, tells its process id, and kills it when its own input ends; a stopped
 * process takes SIGKILL as well. A word on the input says that the parent lives and keeps the directory.
 */
const GUARD = `
directory=$1; shift
"$@" </dev/null >/dev/null 2>&1 &
server=$!
echo "$server"
read -r word
kill -9 "$server"
wait "$server"
[ -n "$word" ] || rm -rf "$directory"
`

function firstNumber(guard: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    guard.stdout?.once('data', (bytes: Buffer) => {
      guard.stdout?.destroy()
      resolve(Number.parseInt(bytes.toString(), 10))
    })
    guard.once('error', () =>
      reject(new RedisMissingError('/bin/sh is needed to start a private redis-server.')),
    )
  })
}

/** A port of 127.0.0.1 that nobody listens on now: `port`, or any. */
export function freePort(port = 0): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(port, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

function isExecutable(path: string): Promise<boolean> {
  return exists(path, constants.X_OK)
}

async function exists(path: string, mode = constants.F_OK): Promise<boolean> {
  try {
    await access(path, mode)
    return true
  } catch {
    return false
  }
}
