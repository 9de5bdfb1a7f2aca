/** Calls of one turn of the event loop that concern one company share a script call. */

import { RedisRefusedError } from '@kerp/redis'

/** Who makes a call: says what it asks for, and hears the answer or the error, once. */
export interface Receiver<Reply> {
  answered(reply: Reply): void
  failed(error: unknown): void
}

/** Sends the calls of several callers of one group; the answers come in their order. */
export type BatchSender<Caller, Reply> = (
  callers: readonly Caller[],
  receiver: Receiver<readonly Reply[]>,
) => void

/** The most calls of one script call: it keeps the server busy for less than a millisecond. */
const BATCH_MAX = 64

/**
 * Sends the first call of a turn at once, and what else comes in the same turn together at its end: a single
 * caller waits for nothing, many share the cost of a call.
 */
export class CallBatch<Caller extends Receiver<Reply>, Reply> {
  readonly #send: BatchSender<Caller, Reply>
  #isTurn = false
  #groups = new Map<string, Caller[]>()
  readonly #endTurn = (): void => {
    this.#isTurn = false
    if (this.#groups.size > 0) this.#flush()
  }

  constructor(send: BatchSender<Caller, Reply>) {
    this.#send = send
  }

  /** Tells the caller what the script call says; a call that Redis refuses fails alone. */
  add(group: string, caller: Caller): void {
    if (!this.#isTurn) {
      this.#isTurn = true
      this.#run([caller])
      process.nextTick(this.#endTurn)
      return
    }
    const callers = this.#groups.get(group)
    if (callers === undefined) {
      this.#groups.set(group, [caller])
      return
    }
    callers.push(caller)
    if (callers.length < BATCH_MAX) return
    this.#groups.delete(group)
    this.#run(callers)
  }

  #flush(): void {
    const groups = this.#groups
    this.#groups = new Map()
    for (const callers of groups.values()) this.#run(callers)
  }

  #run(callers: readonly Caller[]): void {
    this.#send(callers, new Batch(callers, this.#send))
  }
}

/** Callers that share a script call. */
class Batch<Caller extends Receiver<Reply>, Reply> implements Receiver<readonly Reply[]> {
  readonly #callers: readonly Caller[]
  readonly #send: BatchSender<Caller, Reply>

  constructor(callers: readonly Caller[], send: BatchSender<Caller, Reply>) {
    this.#callers = callers
    this.#send = send
  }

  answered(replies: readonly Reply[]): void {
    for (let place = 0; place < this.#callers.length; place += 1) {
      const reply = replies[place]
      if (reply === undefined) this.#callers[place]?.failed(missing())
      else this.#callers[place]?.answered(reply)
    }
  }

  failed(error: unknown): void {
    // One malformed key must not fail its neighbours; asking again is harmless, the owners are the same.
    const isOneOfMany = this.#callers.length > 1 && error instanceof RedisRefusedError
    for (const caller of this.#callers) {
      if (isOneOfMany) this.#send([caller], new Batch([caller], this.#send))
      else caller.failed(error)
    }
  }
}

function missing(): RedisRefusedError {
  return new RedisRefusedError({ operation: 'locks', reason: 'an answer is missing' })
}
