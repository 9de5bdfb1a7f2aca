/**
 * Several independent Redis servers as one voter: a lock is granted, renewed or gone when most of them say so.
 *
 * redlock takes and gives back. Every node has a connection of its own that gives up quickly, because redlock
 * waits for the slowest answer. Votes are counted here, since redlock says *held by another* and *not reachable*
 * with one and the same error.
 */

import { type Clock, InvalidOptionError, sleep } from '@kerp/core'
import { defineScript, type RedisClient, RedisUnsuitableError, whenReady } from '@kerp/redis'
import { checkEviction } from './eviction-guard.js'
import { loadRedlock, type RedlockClass, type RedlockLock, Voter } from './redlock.js'

/** How a vote ended: most said yes, most cannot say yes any more, or too few answered. */
export type Verdict = 'yes' | 'no' | 'unknown'

/** A lock that most nodes granted. */
export interface QuorumGrant {
  readonly key: string
  readonly value: string
  readonly lock: RedlockLock
  readonly voters: readonly Voter[]
}

/** What nodes are made of. */
export interface QuorumNodesOptions {
  readonly nodes: readonly RedisClient[]
  /** How long one node may take to answer, in ms. */
  readonly nodeMs: number
  readonly eviction: 'refuse' | 'warn'
  /** Told at most once, of nodes that may evict locks, or do not say whether they may. */
  readonly warn: () => void
  readonly clock: Clock
}

/** How long opening waits for most nodes, and after that for the rest, in ms. */
const OPEN_MS = 2_000
const STRAGGLER_MS = 50

const extendOnNode = defineScript({
  name: 'extend-quorum-lock',
  keys: ['lock'],
  args: ['value', 'ttlMs'],
  lua: `
if redis.call('GET', lock) ~= value then return 'gone' end
redis.call('PEXPIRE', lock, ttlMs)
return 'renewed'
`,
  parse: (reply) => reply === 'renewed',
})

/** The nodes with their dedicated connections. */
export class QuorumNodes {
  readonly #options: QuorumNodesOptions
  readonly #clients: readonly RedisClient[]
  readonly #Redlock: RedlockClass

  private constructor(options: QuorumNodesOptions, clients: readonly RedisClient[], Redlock: RedlockClass) {
    this.#options = options
    this.#clients = clients
    this.#Redlock = Redlock
  }

  /**
   * Connects to every node and waits for most of them, at most 2 s.
   *
   * @throws {RedlockMissingError} `REDLOCK_MISSING`
   * @throws {RedisUnsuitableError} `REDIS_UNSUITABLE` when a node may evict locks.
   */
  static async open(options: QuorumNodesOptions): Promise<QuorumNodes> {
    const Redlock = await loadRedlock()
    const nodes = new QuorumNodes(
      options,
      options.nodes.map((node) => dedicated(node, options.nodeMs)),
      Redlock,
    )
    try {
      await nodes.#waitForMost()
      await nodes.#checkEviction()
      return nodes
    } catch (error) {
      nodes.close()
      throw error
    }
  }

  /** One attempt. What single nodes granted in a vote that failed is given back before it settles. */
  async lock(key: string, ttlMs: number): Promise<QuorumGrant | Exclude<Verdict, 'yes'>> {
    const voters = this.#clients.map((client) => new Voter(client))
    const redlock = new this.#Redlock(voters, { retryCount: 0 })
    // An event without a listener would be thrown; what it says is in the answers.
    redlock.on('clientError', () => undefined)
    try {
      const lock = await redlock.lock(key, ttlMs)
      return { key, value: lock.value, lock, voters }
    } catch {
      return verdictOf(voters.map(({ answers }) => answers[0])) === 'no' ? 'no' : 'unknown'
    }
  }

  /** Begins the lease anew on the nodes that still have it. */
  async extend({ key, value }: QuorumGrant, ttlMs: number): Promise<Verdict> {
    const call = { deadlineMs: this.#options.nodeMs, effect: 'idempotent' as const }
    const votes = this.#clients.map((client) =>
      extendOnNode.run(client, { lock: key }, { value, ttlMs: String(ttlMs) }, call).catch(() => undefined),
    )
    return verdictOf(await Promise.all(votes))
  }

  /** Gives the lock back on every node that answers; one attempt. */
  async unlock({ lock, voters }: QuorumGrant): Promise<Verdict> {
    try {
      await lock.unlock()
      return 'yes'
    } catch {
      return verdictOf(voters.map(({ answers }) => answers[1]))
    }
  }

  close(): void {
    for (const client of this.#clients) client.disconnect()
  }

  async #waitForMost(): Promise<void> {
    const { clock } = this.#options
    let ready = 0
    const quorum = quorumOf(this.#clients.length)
    await new Promise<void>((resolve) => {
      const all = this.#clients.map(async (client) => {
        await whenReady(client, OPEN_MS).catch(() => undefined)
        ready += client.status === 'ready' ? 1 : 0
        if (ready === quorum) void sleep(clock, STRAGGLER_MS).then(resolve)
      })
      void Promise.all(all).then(() => resolve())
    })
  }

  async #checkEviction(): Promise<void> {
    const { eviction, nodeMs, warn } = this.#options
    const ready = this.#clients.filter(({ status }) => status === 'ready')
    const findings = await Promise.all(
      ready.map((client) => checkEviction(client, eviction, nodeMs).catch(unlessUnsuitable)),
    )
    if (findings.some((finding) => finding === 'unsafe' || finding === 'unreadable')) warn()
  }
}

// A node that does not answer is a vote that is missing, and no reason to refuse the others.
function unlessUnsuitable(error: unknown): undefined {
  if (error instanceof RedisUnsuitableError) throw error
  return undefined
}

/** How many nodes are most of them. */
function quorumOf(nodes: number): number {
  return Math.floor(nodes / 2) + 1
}

function verdictOf(answers: readonly (boolean | undefined)[]): Verdict {
  const quorum = quorumOf(answers.length)
  if (answers.filter((answer) => answer === true).length >= quorum) return 'yes'
  return answers.filter((answer) => answer === false).length > answers.length - quorum ? 'no' : 'unknown'
}

/** A connection that gives up after `nodeMs`, sends nothing twice and keeps nothing for later. */
function dedicated(node: RedisClient, nodeMs: number): RedisClient {
  if ('nodes' in node) throw new InvalidOptionError('QuorumLocks', 'nodes', 'single servers', 'a cluster')
  const client = node.duplicate({
    commandTimeout: nodeMs,
    maxRetriesPerRequest: 1,
    enableOfflineQueue: false,
    // redlock counts integers, and sends in a way of its own.
    stringNumbers: false,
    enableAutoPipelining: false,
    autoResendUnfulfilledCommands: false,
    lazyConnect: false,
  })
  client.on('error', () => undefined)
  return client
}
