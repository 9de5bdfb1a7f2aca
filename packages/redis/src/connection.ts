/** The beginning and the end of a client, each by a deadline. */

import { systemClock } from '@kerp/core'
import { type ConnectAttempt, connectFaultOf, endedSilently } from './connect-faults.js'
import { refuseUnsafeClient } from './client-check.js'
import { createRedis } from './create-redis.js'
import { RedisNotDoneError, RedisRefusedError } from './errors.js'
import type { RedisClient } from './outcome.js'
import type { CreateRedisOptions, RedisEnvironment } from './redis-options.js'
import { refusalIn } from './refused-connections.js'

const READY_MS = 5_000
const CLOSE_MS = 1_000

/** What is kept of a closing deadline for cutting a connection that does not answer, in ms. */
const CUT_MS = 250

/**
 * Makes a client and waits until it can be used.
 *
 * @throws {RedisNotDoneError} `REDIS_NOT_DONE`, retryable, and the client is closed.
 * @throws {RedisRefusedError} `REDIS_REFUSED` for a password or user that the server does not accept.
 */
export async function connectRedis(
  options: CreateRedisOptions = {},
  deadlineMs = READY_MS,
  env: RedisEnvironment = process.env,
): Promise<RedisClient> {
  const redis = createRedis(options, env)
  try {
    await whenReady(redis, deadlineMs)
    return redis
  } catch (error) {
    redis.disconnect()
    throw error
  }
}

/**
 * Waits until the client can be used; returns at once when it can. A lazy client is told to connect.
 *
 * @throws {RedisNotDoneError} `REDIS_NOT_DONE`, retryable, when `deadlineMs` pass, or the client was closed.
 * @throws {RedisRefusedError} `REDIS_REFUSED` for a password or user that the server does not accept.
 */
export async function whenReady(redis: RedisClient, deadlineMs = READY_MS): Promise<void> {
  refuseUnsafeClient(redis)
  if (redis.status === 'ready') return
  if (redis.status === 'end') throw notReady('the connection was closed before')
  let room = waitingRooms.get(redis)
  if (room === undefined) {
    room = new WaitingRoom(redis)
    waitingRooms.set(redis, room)
  }
  return room.wait(deadlineMs)
}

/** Who waits for one client: any number of callers behind one listener per event. */
class WaitingRoom {
  readonly #redis: RedisClient
  readonly #waiting = new Set<(failure: Error | undefined) => void>()
  #fault: string | undefined
  #isAccepted = false

  constructor(redis: RedisClient) {
    this.#redis = redis
  }

  wait(deadlineMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (failure: Error | undefined): void => {
        timer.cancel()
        this.#waiting.delete(leave)
        if (this.#waiting.size === 0) this.#listen('off')
        if (failure === undefined) resolve()
        else reject(failure)
      }
      const timer = systemClock.setTimer(deadlineMs, () =>
        leave(notReady(`there was no connection within ${Math.round(deadlineMs)} ms${this.#because()}`)),
      )
      if (this.#waiting.size === 0) this.#listen('on')
      this.#waiting.add(leave)
      if (this.#redis.status === 'wait') this.#redis.connect().catch(() => undefined)
    })
  }

  #listen(how: 'on' | 'off'): void {
    this.#redis[how]('ready', this.#onReady)
    this.#redis[how]('end', this.#onEnd)
    this.#redis[how]('error', this.#onError)
    this.#redis[how]('connect', this.#onConnect)
    this.#redis[how]('close', this.#onClose)
  }

  get #attempt(): ConnectAttempt {
    const { options } = this.#redis
    const tls = 'redisOptions' in options ? options.redisOptions?.tls : 'tls' in options && options.tls
    // A cluster is there when one of its nodes has told which there are.
    return { speaksTls: Boolean(tls), isAccepted: this.#isAccepted && !this.#redis.isCluster }
  }

  #because(): string {
    return this.#fault === undefined ? '' : ` (${this.#fault})`
  }

  readonly #onReady = (): void => this.#dismiss(undefined)
  readonly #onEnd = (): void => this.#dismiss(notReady('the connection was closed'))
  readonly #onError = (error: unknown): void => {
    this.#fault = connectFaultOf(error, this.#attempt) ?? this.#fault
    this.#isAccepted = false
    const refusal = refusalOf(error)
    if (refusal !== undefined) this.#dismiss(refusal)
  }

  readonly #onConnect = (): void => void (this.#isAccepted = true)
  readonly #onClose = (): void => {
    if (this.#attempt.isAccepted) this.#fault = endedSilently(this.#attempt)
    this.#isAccepted = false
  }

  #dismiss(failure: Error | undefined): void {
    for (const leave of [...this.#waiting]) leave(failure)
  }
}

const waitingRooms = new WeakMap<RedisClient, WaitingRoom>()

/**
 * A connection of a client's server for subscriptions only. After a reconnect whoever listens subscribes again, and
 * ioredis does not by itself. Nothing goes by an auto-pipeline, which takes SSUBSCRIBE for an ordinary command.
 */
export function duplicateToSubscribe(redis: RedisClient, commandTimeout: number): RedisClient {
  if ('nodes' in redis) return redis.duplicate([], { enableAutoPipelining: false })
  return redis.duplicate({
    autoResubscribe: false,
    commandTimeout,
    enableAutoPipelining: false,
    lazyConnect: false,
  })
}

/**
 * Closes a client: lets calls in flight finish, at most until `deadlineMs`, then cuts the connection. Never
 * throws; a client that is closed already, or not connected, is closed at once.
 */
export async function closeRedis(redis: RedisClient, deadlineMs = CLOSE_MS): Promise<void> {
  if (redis.status === 'end') {
    // A client of Sentinels may be between two attempts: disconnecting calls the next one off.
    if ('sentinels' in redis.options && redis.options.sentinels) redis.disconnect()
    return
  }
  const endMs = systemClock.monotonicMs() + deadlineMs
  const graceMs = Math.max(deadlineMs / 2, deadlineMs - CUT_MS)
  if (redis.status === 'ready') await within(graceMs, redis.quit())
  // Between two attempts there is no socket whose end could be waited for; disconnecting calls the next one off.
  const isIdle = redis.status === 'reconnecting'
  const ended = new Promise<void>((resolve) => void redis.once('end', () => resolve()))
  redis.disconnect()
  if (!isIdle && !hasEnded(redis)) await within(Math.max(1, endMs - systemClock.monotonicMs()), ended)
}

function hasEnded(redis: RedisClient): boolean {
  return redis.status === 'end'
}

function within(deadlineMs: number, work: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = systemClock.setTimer(deadlineMs, resolve)
    const finish = (): void => {
      timer.cancel()
      resolve()
    }
    work.then(finish, finish)
  })
}

function notReady(reason: string): RedisNotDoneError {
  return new RedisNotDoneError({ operation: 'connect', reason })
}

/** Only refusals of the credentials: they do not mend themselves. */
function refusalOf(error: unknown): RedisRefusedError | undefined {
  const refusal = refusalIn(error)
  if (refusal === undefined) return undefined
  return new RedisRefusedError({ operation: 'connect', replyCode: refusal.code, reason: refusal.reason })
}
