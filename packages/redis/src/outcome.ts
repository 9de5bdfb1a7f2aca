/**
 * The one way a call to Redis ends: by its reply, by a typed error, or by its deadline.
 *
 * All deadlines of the process share one timer wheel, so that a call costs no machine timer of its own.
 */

import {
  InvalidInputError,
  type Observer,
  type RedisOperation,
  systemClock,
  type Timer,
  TimerWheel,
  isError,
} from '@kerp/core'
import type { Cluster, Redis } from 'ioredis'
import { RedisNotDoneError, RedisRefusedError, RedisUnknownError } from './errors.js'
import { refusedConnections } from './refused-connections.js'
import { firstWord, readReply, REPLY_CODES, type ReplyVerdict } from './reply-codes.js'

/** What this library talks to: a plain or Sentinel connection, or a cluster. */
export type RedisClient = Redis | Cluster

/**
 * What a call changes. `none`: only reads, so a lost reply is *not done*. `idempotent`: doing it twice is doing
 * it once. Left out: a lost reply must be resolved by repeating the call with the same operation id.
 */
export type CallEffect = 'none' | 'idempotent'

/** What a call to Redis accepts beside its arguments. */
export interface RedisCallOptions {
  /** From the call to its end, in ms, whatever Redis does. @defaultValue 1_000 */
  readonly deadlineMs?: number | undefined
  readonly observer?: Observer | undefined
  /** `none` for a call that only reads: a lost answer of it is *not done* and not *unknown*. */
  readonly effect?: CallEffect | undefined
}

/** The deadline of a call that names none, in ms. */
export const DEADLINE_MS_DEFAULT = 1_000

/** The longest deadline, in ms: a day. */
const DEADLINE_MS_MAX = 86_400_000

/** Resolution of deadlines, in ms: a call ends at most this much later than its deadline. */
const DEADLINE_TICK_MS = 5

const deadlines = new TimerWheel(systemClock, DEADLINE_TICK_MS)

/** One call: what goes out, and how its answer is read. */
export interface Request<R> {
  /** The script's or command's name, for errors and observations. */
  readonly operation: string
  send(redis: RedisClient): Promise<unknown>
  /** Narrows the reply; what it throws the call fails with. */
  parse(reply: unknown): R
  /** Sends once more after an error that says how; undefined when the error stands. */
  resend(redis: RedisClient, error: unknown): Promise<unknown> | undefined
}

/** Hears how a call ended, once. It must not throw. */
export interface CallReceiver<R> {
  answered(reply: R): void
  failed(error: Error): void
}

/**
 * Sends, and settles with the reply, a typed error, or the deadline.
 *
 * @throws {RedisNotDoneError} `REDIS_NOT_DONE`, retryable.
 * @throws {RedisUnknownError} `REDIS_UNKNOWN`, retryable with the same id.
 * @throws {RedisRefusedError} `REDIS_REFUSED`, not retryable.
 * @throws {InvalidInputError} `INVALID_INPUT`, at once, for a deadline that is none.
 */
export function settle(
  redis: RedisClient,
  operation: string,
  send: () => Promise<unknown>,
  options: RedisCallOptions,
): Promise<unknown> {
  const request = { operation, send, parse: asItIs, resend: never }
  return new Promise((answered, failed) => settleTo(redis, request, options, { answered, failed }))
}

/** `settle` that tells a receiver, without a promise of its own: for calls whose cost counts. */
export function settleTo<R>(
  redis: RedisClient,
  request: Request<R>,
  options: RedisCallOptions,
  receiver: CallReceiver<R>,
): void {
  checkDeadline(options.deadlineMs)
  const neverSent = redis.status === 'end'
  const begunMs = systemClock.monotonicMs()
  const sent = sendSafely(request, redis)
  // The request is on its way: what is set up from here on costs no time that the server does not take anyway.
  const call = new PendingCall(redis, request, options, receiver, begunMs, neverSent)
  sent.then(
    (reply) => call.answered(reply),
    (error: unknown) => call.failed(error),
  )
}

function asItIs(reply: unknown): unknown {
  return reply
}

function never(): undefined {
  return undefined
}

function checkDeadline(deadlineMs: number | undefined): void {
  if (deadlineMs === undefined || (deadlineMs > 0 && deadlineMs <= DEADLINE_MS_MAX)) return
  throw new InvalidInputError('deadlineMs', `a number of ms above 0, at most ${DEADLINE_MS_MAX}`, deadlineMs)
}

/** A call that was sent: it ends once, by its reply or by its deadline. */
class PendingCall<R> {
  readonly #redis: RedisClient
  readonly #request: Request<R>
  readonly #options: RedisCallOptions
  readonly #receiver: CallReceiver<R>
  readonly #begunMs: number
  readonly #neverSent: boolean
  readonly #deadlineMs: number
  #isAgain = false
  #timer: Timer | undefined

  // In a row: an object for these facts would be a tenth of what the call itself costs here.
  constructor(
    redis: RedisClient,
    request: Request<R>,
    options: RedisCallOptions,
    receiver: CallReceiver<R>,
    begunMs: number,
    neverSent: boolean,
  ) {
    this.#redis = redis
    this.#request = request
    this.#options = options
    this.#receiver = receiver
    this.#begunMs = begunMs
    this.#neverSent = neverSent
    this.#deadlineMs = options.deadlineMs ?? DEADLINE_MS_DEFAULT
    this.#timer = deadlines.schedule(this.#deadlineMs, () => this.#onDeadline(), begunMs)
  }

  answered(reply: unknown): void {
    if (!this.#end('ok')) return
    const { operation } = this.#request
    let answer: R
    try {
      answer = this.#request.parse(reply)
    } catch (error) {
      const malformed = { operation, reason: 'its reply is malformed' }
      this.#receiver.failed(isError(error) ? error : new RedisRefusedError(malformed))
      return
    }
    this.#receiver.answered(answer)
  }

  failed(error: unknown): void {
    const isOver = this.#isAgain || this.#timer === undefined
    const again = isOver ? undefined : this.#request.resend(this.#redis, error)
    if (again === undefined) {
      const failure = readFailure(error, this.#neverSent)
      this.#fail('error', failure.verdict === 'notDone' ? causedByRefusal(failure, this.#redis) : failure)
      return
    }
    this.#isAgain = true
    again.then(
      (reply) => this.answered(reply),
      (refusal: unknown) => this.failed(refusal),
    )
  }

  /** True when it had not ended before. */
  #end(status: RedisOperation['status']): boolean {
    if (this.#timer === undefined) return false
    this.#timer.cancel()
    this.#timer = undefined
    observe(this.#options.observer, this.#request.operation, status, this.#begunMs)
    return true
  }

  #fail(status: 'error' | 'timeout', failure: Failure): void {
    if (!this.#end(status)) return
    this.#receiver.failed(outcomeError(failure, this.#request.operation, this.#options.effect))
  }

  /** After a pause of this process the answer may already lie in the socket: it is read first. */
  #onDeadline(): void {
    const lateMs = systemClock.monotonicMs() - this.#begunMs - this.#deadlineMs
    if (lateMs <= 2 * DEADLINE_TICK_MS) this.#giveUp()
    else this.#timer = deadlines.schedule(DEADLINE_TICK_MS, () => this.#giveUp())
  }

  #giveUp(): void {
    this.#fail('timeout', {
      verdict: 'unknown',
      reason: `no answer came within ${Math.round(this.#deadlineMs)} ms`,
    })
  }
}

/** Whether the server answered that it does not hold the script, which means that it ran nothing. */
export function isMissingScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT')
}

/** Thrown by the client before anything was sent, for example for an argument that it cannot write. */
const unsent = Symbol('unsent')

function sendSafely(request: Request<unknown>, redis: RedisClient): Promise<unknown> {
  try {
    return request.send(redis)
  } catch (error) {
    return rejected(error)
  }
}

/** What a client threw at once, as a rejection. A mock throws error replies, a real client what it could not send. */
export function rejected(error: unknown): Promise<never> {
  // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
  return Promise.reject(replyText(error) === undefined ? unsent : error)
}

interface Failure {
  readonly verdict: ReplyVerdict
  readonly reason: string
  readonly code?: string | undefined
}

function readFailure(error: unknown, neverSent: boolean): Failure {
  if (error === unsent) return { verdict: 'refused', reason: 'the client did not accept the arguments' }
  const reply = replyText(error)
  if (reply !== undefined) return readReply(reply)
  if (neverSent) return { verdict: 'notDone', reason: 'the connection was closed before' }
  const message = error instanceof Error ? error.message : ''
  const known = CLIENT_FAILURES.find(([start]) => message.startsWith(start))
  return known === undefined ? LOST : known[1]
}

/** Of a call that met no connection: whether the server refuses to have one. */
function causedByRefusal(failure: Failure, redis: RedisClient): Failure {
  const refusal = failure.code === undefined ? refusedConnections.get(redis) : undefined
  if (refusal === undefined) return failure
  return { ...failure, code: refusal.code, reason: `${failure.reason}, and ${refusal.reason}` }
}

const LOST: Failure = { verdict: 'unknown', reason: 'the connection was lost before the answer' }

/** What ioredis says without the server, by how its message starts. All else may have reached the server. */
const CLIENT_FAILURES: readonly (readonly [string, Failure])[] = [
  ["Stream isn't writeable", { verdict: 'notDone', reason: 'there is no connection now' }],
  ["Cluster isn't ready", { verdict: 'notDone', reason: 'the cluster is not connected now' }],
  ['Failed to refresh slots cache', { verdict: 'notDone', reason: 'no node of the cluster answers' }],
  ['Too many Cluster redirections', { verdict: 'notDone', reason: 'the slot is being moved' }],
  ['Connection in subscriber mode', { verdict: 'refused', reason: 'the connection is a subscriber' }],
  ['Command timed out', { verdict: 'unknown', reason: "no answer came within the client's commandTimeout" }],
]

/** The text of a server's error reply; the mock's replies are plain errors that start with a known code. */
function replyText(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const text = error.message.startsWith(NOT_READY) ? error.message.slice(NOT_READY.length) : error.message
  const isReply = error.name === 'ReplyError' || REPLY_CODES.has(firstWord(text))
  return isReply ? text : undefined
}

/** What ioredis writes before the server's reply to its first question. */
const NOT_READY = 'Ready check failed: '

function outcomeError(failure: Failure, operation: string, effect: CallEffect | undefined): Error {
  const facts = { operation, replyCode: failure.code, reason: failure.reason }
  if (failure.verdict === 'refused') return new RedisRefusedError(facts)
  const nothingToDo = failure.verdict === 'unknown' && effect === 'none'
  return failure.verdict === 'notDone' || nothingToDo
    ? new RedisNotDoneError(facts)
    : new RedisUnknownError(facts)
}

function observe(
  observer: Observer | undefined,
  operation: string,
  status: RedisOperation['status'],
  begunMs: number,
): void {
  if (observer?.redisOperation === undefined) return
  try {
    observer.redisOperation({ operation, status, elapsedMs: systemClock.monotonicMs() - begunMs })
  } catch {
    // An observer that fails must not fail the call that it observes.
  }
}
