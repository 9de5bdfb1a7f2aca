/** Invalidations of tags that come while one of the same company is on its way go together in the next. */

import type { Key } from '@kerp/keys'

interface Waiting {
  readonly keys: Set<Key>
  readonly done: Promise<void>
}

/**
 * Sends at most one command for a company at a time. A call never joins a command that was sent before it, so when it
 * returns its tags are void, as if it had been alone; five thousand calls a second cost a few hundred commands.
 */
export class TagInvalidations {
  readonly #send: (companyId: string, keys: readonly Key[]) => Promise<void>
  readonly #sending = new Map<string, Promise<void>>()
  readonly #waiting = new Map<string, Waiting>()

  constructor(send: (companyId: string, keys: readonly Key[]) => Promise<void>) {
    this.#send = send
  }

  /** Resolves when a command that carried the keys, and was sent after this call, was acknowledged; else rejects. */
  add(companyId: string, keys: readonly Key[]): Promise<void> {
    const sending = this.#sending.get(companyId)
    if (sending === undefined) return this.#begin(companyId, keys)
    const waiting = this.#waiting.get(companyId) ?? this.#wait(companyId, sending)
    for (const key of keys) waiting.keys.add(key)
    return waiting.done
  }

  #wait(companyId: string, sending: Promise<void>): Waiting {
    const keys = new Set<Key>()
    const next = (): Promise<void> => {
      this.#waiting.delete(companyId)
      return this.#begin(companyId, [...keys])
    }
    const waiting = { keys, done: sending.then(next, next) }
    this.#waiting.set(companyId, waiting)
    return waiting
  }

  #begin(companyId: string, keys: readonly Key[]): Promise<void> {
    const sending = this.#send(companyId, keys)
    this.#sending.set(companyId, sending)
    const end = (): void => {
      if (this.#sending.get(companyId) === sending) this.#sending.delete(companyId)
    }
    sending.then(end, end)
    return sending
  }
}
