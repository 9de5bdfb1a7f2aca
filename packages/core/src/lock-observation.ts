/** What locks report: one part of the list in observer.ts. */

/** How one caller's wish for a lock ended. */
export interface LockAcquire {
  /** `busy`: a try that found it held · `timeout`: held by others for the whole wait · `failed`: could not be asked. */
  readonly result: 'acquired' | 'busy' | 'timeout' | 'failed'
  /** `asked` Redis · `handed` over by another process · `local` by the caller before, in this process. */
  readonly via: 'asked' | 'handed' | 'local' | 'none'
  readonly elapsedMs: number
}

/** A lock was given back. */
export interface LockGivenBack {
  readonly result: 'released' | 'expired' | 'lost' | 'unknown'
  readonly heldMs: number
}

/** A lock was lost while it was held. */
export interface LockLoss {
  readonly reason: 'expired' | 'unreachable' | 'taken' | 'maxHold' | 'closed'
  readonly heldMs: number
}
