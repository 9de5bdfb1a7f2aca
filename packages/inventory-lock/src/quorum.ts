/** Locks of three or more independent Redis servers: one dead or frozen server stops nobody. */

import {
  ClosedError,
  closeOnce,
  type Clock,
  InvalidInputError,
  InvalidOptionError,
  OverloadedError,
  sleep,
  TimerWheel,
  wholeNumberOption,
  objectOptions,
  objectInput,
  partOption,
} from '@kerp/core'
import type { Keys } from '@kerp/keys'
import { type RedisClient, redisClientOption } from '@kerp/redis'
import type { Holding } from './holding.js'
import { LeaseKeeper, type Renewal } from './lease-keeper.js'
import type { AcquireOptions, HeldLock, Lock } from './lock.js'
import { HeldLockHandle, joinHolding, LockHandle } from './lock-handle.js'
import type { LockResource } from './lock-names.js'
import { LockObservations } from './lock-observations.js'
import {
  type LockDefaults,
  type ResolvedAcquire,
  type ResolvedDefaults,
  resolveAcquire,
  resolveDefaults,
} from './lock-options.js'
import { LockProvider } from './lock-provider.js'
import { type FenceMint, QuorumContest, type QuorumHost, type QuorumLease } from './quorum-contest.js'
import { QuorumNodes } from './quorum-nodes.js'

/** What `createQuorumLocks` takes. */
export interface QuorumLocksOptions extends LockDefaults {
  /**
   * Three or more (an odd number) independent servers, each with `maxmemory-policy noeviction`. Their settings are
   * used for dedicated connections; the clients themselves are neither used nor closed.
   */
  readonly nodes: readonly RedisClient[]
  readonly keys: Keys
  /** How long one node may take to answer, in ms: so much longer takes a lock while one is frozen. @defaultValue 100 */
  readonly nodeMs?: number | undefined
  /** As of `Locks`. @defaultValue 'refuse' */
  readonly eviction?: 'refuse' | 'warn' | undefined
  /** As of `Locks`. @defaultValue 5_000 */
  readonly closeMs?: number | undefined
}

/** With a source of fences, for example a database sequence: then the locks have fences. */
export interface FencedQuorumLocksOptions extends QuorumLocksOptions {
  readonly mintFence: FenceMint
}

/** A lease must be this many times longer than one node may take to answer. */
const TTL_PER_NODE = 10

/** Resolution of waits, in ms. */
const WAIT_TICK_MS = 5

/** Longer than any hold: a quorum keeps no list. */
const NEVER_MS = Number.MAX_SAFE_INTEGER

/** Locks of a quorum; made by `createQuorumLocks`. */
export class QuorumLocks<L extends HeldLock> extends LockProvider<L> {
  override readonly close = closeOnce(() => this.#end())
  protected readonly clock: Clock
  readonly #defaults: ResolvedDefaults
  readonly #options: QuorumLocksOptions
  readonly #host: QuorumHost
  readonly #toLock: (holding: Holding) => L
  readonly #contests = new Map<string, QuorumContest>()
  readonly #nodeMs: number
  #nodes: Promise<QuorumNodes> | undefined
  #isClosed = false
  #onEmpty: () => void = () => undefined

  /** @throws {InvalidOptionError} `INVALID_OPTION`. Does no I/O. */
  constructor(
    options: QuorumLocksOptions,
    toLock: (holding: Holding) => L,
    mintFence: FenceMint | undefined,
  ) {
    super()
    checkNodes(options.nodes)
    partOption('QuorumLocks', 'keys', options.keys, { methods: ['lock'], words: '`createKeys()`' })
    this.#options = options
    this.#toLock = toLock
    this.#defaults = resolveDefaults('QuorumLocks', options)
    this.#nodeMs = wholeNumberOption('QuorumLocks', 'nodeMs', options.nodeMs, {
      min: 5,
      max: 10_000,
      fallback: 100,
    })
    this.clock = this.#defaults.clock
    this.#host = this.#makeHost(mintFence)
  }

  async tryAcquire(resource: LockResource, options?: AcquireOptions): Promise<L | null> {
    const wanted = this.#resolve(options)
    const key = this.nameOf(resource)
    const joined = joinHolding(wanted.within, resource)
    if (joined !== undefined) return this.#toLock(joined)
    if (this.#isClosed) throw new ClosedError('QuorumLocks')
    if (this.#contests.has(key)) {
      this.#host.observations.busy(this.clock.monotonicMs())
      return null
    }
    wanted.signal?.throwIfAborted()
    const holding = await this.#contestOf(key, resource).enter(wanted, true)
    return holding === null ? null : this.#toLock(holding)
  }

  async acquire(resource: LockResource, options?: AcquireOptions): Promise<L> {
    const wanted = this.#resolve(options)
    const key = this.nameOf(resource)
    const joined = joinHolding(wanted.within, resource)
    if (joined !== undefined) return this.#toLock(joined)
    if (this.#isClosed) throw new ClosedError('QuorumLocks')
    wanted.signal?.throwIfAborted()
    const holding = await this.#contestOf(key, resource).enter(wanted, false)
    if (holding === null) throw new ClosedError('QuorumLocks')
    return this.#toLock(holding)
  }

  protected nameOf(resource: LockResource): string {
    objectInput('resource', resource)
    return this.#options.keys.lock(resource)
  }

  protected waitMsOf(options: AcquireOptions | undefined): number {
    return this.#resolve(options).waitMs
  }

  protected withWait(options: AcquireOptions | undefined, waitMs: number): AcquireOptions {
    return { ...options, waitMs }
  }

  #resolve(options: AcquireOptions | undefined): ResolvedAcquire {
    const wanted = resolveAcquire(this.#defaults, options)
    const least = this.#nodeMs * TTL_PER_NODE
    if (wanted.ttlMs >= least) return wanted
    throw new InvalidInputError('ttlMs', `at least ${least} ms, ${TTL_PER_NODE} times nodeMs`, wanted.ttlMs)
  }

  #contestOf(key: string, { companyId, type, id }: LockResource): QuorumContest {
    const known = this.#contests.get(key)
    if (known !== undefined) return known
    const { locksMax } = this.#defaults
    if (this.#contests.size >= locksMax) throw new OverloadedError('QuorumLocks', 'locksMax', locksMax)
    const contest = new QuorumContest(this.#host, key, { companyId, type, id })
    this.#contests.set(key, contest)
    return contest
  }

  #makeHost(mintFence: FenceMint | undefined): QuorumHost {
    const { clock, random, waitersMax, observer } = this.#defaults
    return {
      owner: 'QuorumLocks',
      clock,
      random,
      waitersMax,
      mintFence,
      wheel: new TimerWheel(clock, WAIT_TICK_MS),
      keeper: new LeaseKeeper({
        clock,
        renewer: (holdings) =>
          Promise.all(holdings.map((holding) => this.#renew(holding).catch((): Renewal => 'unknown'))),
        firstRenewalMs: NEVER_MS,
      }),
      observations: new LockObservations(clock, observer),
      holder: random.hex(8),
      nodes: () => this.#open(),
      forget: (contest) => {
        if (this.#contests.get(contest.key) === contest) this.#contests.delete(contest.key)
        if (this.#contests.size === 0) this.#onEmpty()
      },
    }
  }

  async #renew({ lease, ttlMs }: Holding<QuorumLease>): Promise<Renewal> {
    const nodes = await this.#open()
    const verdict = await nodes.extend(lease.grant, ttlMs)
    if (verdict === 'yes') return 'renewed'
    return verdict === 'no' ? 'taken' : 'unknown'
  }

  /** Opens once; a failure is not remembered. */
  #open(): Promise<QuorumNodes> {
    if (this.#nodes !== undefined) return this.#nodes
    const { nodes, eviction = 'refuse' } = this.#options
    const warn = (): void => this.#host.observations.warnUnsuitable()
    const opening = QuorumNodes.open({ nodes, nodeMs: this.#nodeMs, eviction, warn, clock: this.clock })
    this.#nodes = opening
    opening.catch(() => {
      if (this.#nodes === opening) this.#nodes = undefined
    })
    return opening
  }

  async #end(): Promise<void> {
    this.#isClosed = true
    for (const contest of this.#contests.values()) contest.close()
    const { closeMs = 5_000 } = this.#options
    if (this.#contests.size > 0 && closeMs > 0) {
      const empty = new Promise<void>((resolve) => (this.#onEmpty = resolve))
      await Promise.race([empty, sleep(this.clock, closeMs)])
    }
    for (const { holding } of this.#contests.values()) holding?.lose('closed')
    const nodes = await this.#nodes?.catch(() => undefined)
    nodes?.close()
  }
}

/**
 * Locks of a quorum of independent servers, on redlock 4.2.0 (`npm install redlock@4.2.0`), which is loaded when the
 * first lock is taken.
 *
 * Without `mintFence` the handles have no `fence`, since independent servers know no common order: what is written
 * under them is only as safe as the clocks of all machines. Waiting is by looking again; there is no common queue.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION` for fewer than three nodes or an even number.
 */
export function createQuorumLocks(options: FencedQuorumLocksOptions): QuorumLocks<Lock>
export function createQuorumLocks(options: QuorumLocksOptions): QuorumLocks<HeldLock>
export function createQuorumLocks(
  options: QuorumLocksOptions | FencedQuorumLocksOptions,
): QuorumLocks<Lock> | QuorumLocks<HeldLock> {
  objectOptions('QuorumLocks', options)
  const mintFence = 'mintFence' in options ? options.mintFence : undefined
  if (mintFence !== undefined)
    return new QuorumLocks<Lock>(options, (holding) => new LockHandle(holding), mintFence)
  return new QuorumLocks<HeldLock>(options, (holding) => new HeldLockHandle(holding), undefined)
}

function checkNodes(nodes: unknown): void {
  const clients = Array.isArray(nodes)
    ? nodes.map((node, at) => redisClientOption('QuorumLocks', node, `nodes[${at}]`))
    : []
  if (clients.length >= 3 && clients.length % 2 === 1 && !clients.some(({ isCluster }) => isCluster)) return
  throw new InvalidOptionError(
    'QuorumLocks',
    'nodes',
    'an odd number, from three up, of single servers',
    nodes,
  )
}
