/** Calls of one turn of the event loop that concern one company share a script call. */

import { RedisRefusedError } from '@kerp/redis'

/** Sends several calls of one group; answers in their order. */
export type BatchSender<Call, Reply> = (calls: readonly Call[]) => Promise<readonly Reply[]>

/** Who made a call: hears its answer or its error, once. */
export interface Receiver<Reply> {
  answered(reply: Reply): void
  failed(error: unknown): void
}

/** The most calls of one script call: it keeps the server busy for less than a millisecond. */
const BATCH_MAX = 64

/** The calls of one group that wait for the end of the turn. */
class Batch<Call, Reply> {
  readonly calls: Call[] = []
  readonly receivers: Receiver<Reply>[] = []
}

/**
 * Sends the first call of a turn at once, and what else comes in the same turn together at its end: a single
 * caller waits for nothing, many share the cost of a call.
 */
export class CallBatch<Call, Reply> {
  readonly #send: BatchSender<Call, Reply>
  #isTurn = false
  #groups = new Map<string, Batch<Call, Reply>>()
  readonly #endTurn = (): void => {
    this.#isTurn = false
    if (this.#groups.size > 0) this.#flush()
  }

  constructor(send: BatchSender<Call, Reply>) {
    this.#send = send
  }

  /** Tells the receiver what the script call says; a call that Redis refuses fails alone. */
  add(group: string, call: Call, receiver: Receiver<Reply>): void {
    if (!this.#isTurn) {
      this.#isTurn = true
      this.#run([call], [receiver])
      process.nextTick(this.#endTurn)
      return
    }
    let batch = this.#groups.get(group)
    if (batch === undefined) {
      batch = new Batch()
      this.#groups.set(group, batch)
    }
    batch.calls.push(call)
    batch.receivers.push(receiver)
    if (batch.calls.length < BATCH_MAX) return
    this.#groups.delete(group)
    this.#run(batch.calls, batch.receivers)
  }

  #flush(): void {
    const groups = this.#groups
    this.#groups = new Map()
    for (const { calls, receivers } of groups.values()) this.#run(calls, receivers)
  }

  #run(calls: readonly Call[], receivers: readonly Receiver<Reply>[]): void {
    this.#send(calls).then(
      (replies) => {
        for (const [index, receiver] of receivers.entries()) deliver(receiver, replies[index])
      },
      (error: unknown) => this.#fail(calls, receivers, error),
    )
  }

  #fail(calls: readonly Call[], receivers: readonly Receiver<Reply>[], error: unknown): void {
    // One malformed key must not fail its neighbours; asking again is harmless, the owners are the same.
    const isOneOfMany = calls.length > 1 && error instanceof RedisRefusedError
    for (const [index, receiver] of receivers.entries()) {
      const call = calls[index]
      if (isOneOfMany && call !== undefined) this.#run([call], [receiver])
      else receiver.failed(error)
    }
  }
}

function deliver<Reply>(receiver: Receiver<Reply>, reply: Reply | undefined): void {
  if (reply !== undefined) receiver.answered(reply)
  else receiver.failed(new RedisRefusedError({ operation: 'locks', reason: 'an answer is missing' }))
}
