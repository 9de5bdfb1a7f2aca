/**
 * A private Redis that survives the loss of its master, for tests, benches and demos: one master, its replicas, and
 * three Sentinels that agree on who is the master. Takes about two seconds.
 */

import { type Closable, closeOnce } from '@kerp/core'
import { RedisMissingError } from './errors.js'
import { openPrivateRedis, openPrivateServer, type PrivateRedis } from './private-redis.js'
import { becomes, talk } from './private-talk.js'
import type { RedisNode, SentinelOptions } from './redis-options.js'

/** How the servers are started. */
export interface PrivateReplicasOptions {
  /** @defaultValue 2 */
  readonly replicas?: number | undefined
  /** A master that is silent for this long is replaced, in ms. @defaultValue 1_000 */
  readonly downAfterMs?: number | undefined
  /** More arguments for each server, for example `['--min-replicas-to-write', '1']`. */
  readonly args?: readonly string[] | undefined
  /** How long the Sentinels may take to agree, in ms. @defaultValue 30_000 */
  readonly startMs?: number | undefined
}

/** Running servers. Closing ends all of them; clients are the caller's. */
export interface PrivateReplicas extends Closable {
  /** For `createRedis({ sentinel })`. */
  readonly sentinel: SentinelOptions
  /** The master at the start, then its replicas. Any of them may be killed, paused and started again. */
  readonly servers: readonly PrivateRedis[]
  readonly sentinels: readonly PrivateRedis[]
  /** Whom the Sentinels hold for the master now. */
  master(): Promise<PrivateRedis>
  /** Replaces a healthy master, as an operator does. Settles when another one is named. */
  failover(): Promise<void>
  /** Settles when the Sentinels name another master than `old`, and that one takes writes. */
  replaced(old: PrivateRedis): Promise<PrivateRedis>
  /** Settles when all other servers follow the master; one that was started again needs some seconds. */
  linked(): Promise<void>
}

const NAME = 'mymaster'
const SENTINELS = 3
const QUORUM = 2
const REPLICAS = 2
const DOWN_AFTER_MS = 1_000
const FAILOVER_MS_MAX = 5_000
const START_MS = 30_000

/**
 * Starts a master, its replicas and three Sentinels, and waits until they know each other.
 *
 * @throws {RedisMissingError} `REDIS_MISSING` when no server program is on PATH, or they do not agree in time.
 * @example
 * await using replicas = await openPrivateReplicas()
 * const redis = createRedis({ sentinel: replicas.sentinel })
 */
export async function openPrivateReplicas(options: PrivateReplicasOptions = {}): Promise<PrivateReplicas> {
  const servers: PrivateRedis[] = []
  const sentinels: PrivateRedis[] = []
  const replicas = new RunningReplicas(servers, sentinels, options.startMs ?? START_MS)
  try {
    const args = ['--repl-diskless-sync-delay', '0', ...(options.args ?? [])]
    const master = await openPrivateRedis({ tcp: true, args })
    servers.push(master)
    const follow = ['--replicaof', '127.0.0.1', String(master.port)]
    for (let replica = 0; replica < (options.replicas ?? REPLICAS); replica += 1) {
      servers.push(await openPrivateRedis({ tcp: true, args: [...args, ...follow] }))
    }
    // They ask a server whom it feeds when they meet it and not again soon: so the replicas are there before them.
    await replicas.linked()
    const config = configOf(master.port ?? 0, options.downAfterMs ?? DOWN_AFTER_MS)
    for (let sentinel = 0; sentinel < SENTINELS; sentinel += 1) {
      sentinels.push(await openPrivateServer({ tcp: true, config, args: ['--sentinel'] }))
    }
    await replicas.agreed()
  } catch (error) {
    await replicas.close()
    throw error
  }
  return replicas
}

function configOf(masterPort: number, downAfterMs: number): string {
  return [
    `sentinel monitor ${NAME} 127.0.0.1 ${masterPort} ${QUORUM}`,
    `sentinel down-after-milliseconds ${NAME} ${downAfterMs}`,
    `sentinel failover-timeout ${NAME} ${FAILOVER_MS_MAX}`,
    `sentinel parallel-syncs ${NAME} 1\n`,
  ].join('\n')
}

class RunningReplicas implements PrivateReplicas {
  readonly close = closeOnce(() => this.#end())

  constructor(
    readonly servers: readonly PrivateRedis[],
    readonly sentinels: readonly PrivateRedis[],
    private readonly startMs: number,
  ) {}

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  get sentinel(): SentinelOptions {
    const nodes = this.sentinels.map(({ port }): RedisNode => ({ host: '127.0.0.1', port }))
    return { name: NAME, nodes }
  }

  async master(): Promise<PrivateRedis> {
    const [sentinel] = this.sentinels
    const found = sentinel === undefined ? undefined : await this.#masterOf(sentinel)
    if (found === undefined) throw new RedisMissingError('The Sentinels name no master of these servers.')
    return found
  }

  async failover(): Promise<void> {
    const [old, [sentinel]] = [await this.master(), this.sentinels]
    // Right after another failover they refuse for a while.
    await this.#until('a failover begins', async () => sentinel && (await ask(sentinel, 'FAILOVER', NAME)))
    await this.replaced(old)
  }

  async replaced(old: PrivateRedis): Promise<PrivateRedis> {
    let now: PrivateRedis | undefined
    await this.#until('another master is named', async () => {
      now = await this.master()
      return now !== old && (await roleOf(now)) === 'master'
    })
    return now ?? this.master()
  }

  async linked(): Promise<void> {
    for (const server of this.servers) {
      await this.#until('the replicas follow', async () => {
        if (server === (this.sentinels.length === 0 ? this.servers[0] : await this.master())) return true
        return (await infoOf(server)).includes('master_link_status:up')
      })
    }
  }

  /** Every Sentinel knows the other two and all replicas. */
  async agreed(): Promise<void> {
    const [others, replicas] = [SENTINELS - 1, this.servers.length - 1]
    for (const sentinel of this.sentinels) {
      await this.#until('the Sentinels know each other', async () => {
        const facts = await factsOf(sentinel)
        return facts.get('num-other-sentinels') === `${others}` && facts.get('num-slaves') === `${replicas}`
      })
    }
  }

  async #masterOf(sentinel: PrivateRedis): Promise<PrivateRedis | undefined> {
    const address = await ask(sentinel, 'GET-MASTER-ADDR-BY-NAME', NAME)
    const port = Array.isArray(address) ? Number(address[1]) : Number.NaN
    return this.servers.find((server) => server.port === port)
  }

  #until(words: string, holds: () => Promise<unknown>): Promise<void> {
    return becomes(words, holds, this.startMs)
  }

  async #end(): Promise<void> {
    // First the Sentinels, which else would answer the end of the servers with failovers.
    await Promise.all(this.sentinels.map((sentinel) => sentinel.close()))
    await Promise.all(this.servers.map((server) => server.close()))
  }
}

async function ask(server: PrivateRedis, ...args: readonly string[]): Promise<unknown> {
  return talk(server, (client) => client.call('SENTINEL', ...args))
}

async function factsOf(sentinel: PrivateRedis): Promise<ReadonlyMap<string, string>> {
  const facts = await ask(sentinel, 'MASTER', NAME)
  const words = Array.isArray(facts) ? facts.map(String) : []
  return new Map(words.flatMap((word, at) => (at % 2 === 0 ? [[word, words[at + 1] ?? '']] : [])))
}

async function infoOf(server: PrivateRedis): Promise<string> {
  return (await talk(server, (client) => client.info('replication'))) ?? ''
}

async function roleOf(server: PrivateRedis): Promise<string | undefined> {
  return /role:(\w+)/.exec(await infoOf(server))?.[1]
}
