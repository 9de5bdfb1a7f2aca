/**
 * redlock 4.2.0 as it is used here: loaded when it is needed, with a small type of our own.
 *
 * `@types/redlock` refuses the clients of ioredis 5 and 6. redlock's own retries, extension and expiry are not
 * used: an extension that fails once gives the lock away, and a retry count of 0 per call is ignored.
 */

import type { RedisClient } from '@kerp/redis'
import { RedlockMissingError } from './errors.js'

/** How redlock hears an answer. */
export type RedlockCallback = (error: Error | null, reply?: unknown) => void

/** What redlock calls of a client. */
export interface RedlockClient {
  evalsha(sha1: string, args: readonly unknown[], callback: RedlockCallback): unknown
  eval(args: readonly unknown[], callback: RedlockCallback): unknown
}

/** A lock that redlock took. */
export interface RedlockLock {
  readonly value: string
  unlock(): PromiseLike<unknown>
}

/** One instance of redlock. */
export interface Redlock {
  lock(resource: string, ttlMs: number): PromiseLike<RedlockLock>
  on(event: 'clientError', listener: (error: unknown) => void): unknown
}

/** The class that the package exports. */
export type RedlockClass = new (
  clients: readonly RedlockClient[],
  options: { readonly retryCount: number },
) => Redlock

/** @throws {RedlockMissingError} `REDLOCK_MISSING` when it is not installed, or is another major version. */
export async function loadRedlock(): Promise<RedlockClass> {
  let loaded: unknown
  try {
    loaded = await import('redlock')
  } catch (error) {
    throw new RedlockMissingError(error)
  }
  const exported: unknown =
    typeof loaded === 'object' && loaded !== null ? Reflect.get(loaded, 'default') : loaded
  if (!isRedlockClass(exported)) throw new RedlockMissingError()
  return exported
}

// Version 5 has `using` and no `lock`.
function isRedlockClass(value: unknown): value is RedlockClass {
  if (typeof value !== 'function') return false
  const prototype: unknown = value.prototype
  return (
    typeof prototype === 'object' &&
    prototype !== null &&
    'lock' in prototype &&
    'lockWithOptions' in prototype
  )
}

/**
 * One node as redlock sees it, which remembers what the node answered: true, false, or undefined for an error.
 * The first answer is to taking the lock, the second to giving it back.
 */
export class Voter implements RedlockClient {
  readonly answers: (boolean | undefined)[] = []
  readonly #client: RedisClient

  constructor(client: RedisClient) {
    this.#client = client
  }

  evalsha(sha1: string, args: readonly unknown[], callback: RedlockCallback): void {
    this.#send('evalsha', [sha1, ...args], callback)
  }

  eval(args: readonly unknown[], callback: RedlockCallback): void {
    this.#send('eval', args, callback)
  }

  #send(command: string, args: readonly unknown[], callback: RedlockCallback): void {
    this.#client.call(command, args.map(String)).then(
      (reply) => {
        this.answers.push(reply === 1)
        callback(null, reply)
      },
      (error: unknown) => {
        const failure = error instanceof Error ? error : new RedlockMissingError(error)
        // redlock sends the script itself next, and that answer counts.
        if (!failure.message.startsWith('NOSCRIPT')) this.answers.push(undefined)
        callback(failure)
      },
    )
  }
}
