/** Everybody who waits for vouchers: callers of the same voucher share one entry, and each is answered once. */

import { type Clock, type KerpError, type Observer, type Posting, readTokenOf } from '@kerp/core'
import { VoucherConflictError } from './errors.js'
import type { Entry } from './posting-group.js'
import type { PostingOutcome } from './posting-transaction.js'
import type { PostedVoucher } from './voucher.js'
import type { CheckedVoucher } from './checked-voucher.js'

/** One call of `post`. */
export interface Caller {
  readonly resolve: (posted: PostedVoucher) => void
  readonly reject: (error: KerpError) => void
}

/** A voucher with its callers: the first one, and those who posted the same voucher meanwhile. */
export interface Waiting extends Entry {
  readonly callers: Caller[]
}

/** Who waits for what. `size` counts callers, not vouchers. */
export class PostingCallers {
  readonly #byKey = new Map<string, Waiting>()
  #size = 0

  constructor(
    private readonly clock: Clock,
    private readonly observer: Observer,
    private readonly deadlineMs: number,
  ) {}

  get size(): number {
    return this.#size
  }

  /** The new entry, or undefined when the caller joined one of the same voucher. */
  add(voucher: CheckedVoucher, caller: Caller): Waiting | undefined {
    this.#size += 1
    const key = keyOf(voucher)
    const same = this.#byKey.get(key)
    if (same?.voucher.hash === voucher.hash) {
      same.callers.push(caller)
      return undefined
    }
    const startMs = this.clock.monotonicMs()
    const waiting = { voucher, startMs, endMs: startMs + this.deadlineMs, callers: [caller] }
    if (same === undefined) this.#byKey.set(key, waiting)
    return waiting
  }

  /**
   * Whether this entry is the first of its id. Another voucher under the same id waits until the first one is
   * settled, and is then judged by the database: so the later caller is the one who hears of the conflict.
   */
  leads(waiting: Waiting): boolean {
    const key = keyOf(waiting.voucher)
    const first = this.#byKey.get(key)
    if (first === undefined) this.#byKey.set(key, waiting)
    return first === undefined || first === waiting
  }

  /** Tells all callers what was committed. The first one posted it, the others found it posted. */
  answer(waiting: Waiting, epoch: string, outcome: PostingOutcome): void {
    const { companyId, id } = waiting.voucher
    if (outcome.kind === 'conflict') {
      this.refuse(waiting, new VoucherConflictError(companyId, id))
      return
    }
    const { kind, images } = outcome
    const token = readTokenOf({ epoch, images })
    const posted = { companyId, voucherId: id, replayed: kind === 'replayed', epoch, images, token }
    this.#settle(waiting, kind, (caller, index) =>
      caller.resolve(index === 0 ? posted : { ...posted, replayed: true }),
    )
  }

  /** Tells all callers why not. */
  refuse(waiting: Waiting, error: KerpError): void {
    this.#settle(waiting, resultOf(error), (caller) => caller.reject(error))
  }

  #settle(waiting: Waiting, result: Posting['result'], tell: (caller: Caller, index: number) => void): void {
    const key = keyOf(waiting.voucher)
    if (this.#byKey.get(key) === waiting) this.#byKey.delete(key)
    this.#size -= waiting.callers.length
    const elapsedMs = this.clock.monotonicMs() - waiting.startMs
    const { companyId } = waiting.voucher
    this.observer.companyWork?.({ companyId, work: 'posting', count: waiting.callers.length })
    waiting.callers.forEach((caller, index) => {
      this.observer.posting?.({ result, elapsedMs })
      tell(caller, index)
    })
  }
}

/** The idempotency key as one text; injective, as neither part holds a control character. */
function keyOf(voucher: CheckedVoucher): string {
  return `${voucher.companyId}\n${voucher.id}`
}

const RESULTS: Readonly<Record<string, Posting['result']>> = {
  VOUCHER_CONFLICT: 'conflict',
  VOUCHER_REJECTED: 'rejected',
  VOUCHER_REVERSED: 'rejected',
  POSTING_UNKNOWN: 'unknown',
}

function resultOf(error: KerpError): Posting['result'] {
  return RESULTS[error.code] ?? 'failed'
}
