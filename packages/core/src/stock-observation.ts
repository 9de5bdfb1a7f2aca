/** What is reported of movements of stock. */

/** How one movement of stock ended. */
export interface StockMove {
  readonly kind: 'adjust' | 'transfer' | 'reserve' | 'confirm' | 'cancel' | 'expire'
  /** `insufficient` and `fenced` are refusals that the caller may meet in good order. */
  readonly result:
    | 'done'
    | 'replayed'
    | 'conflict'
    | 'insufficient'
    | 'fenced'
    | 'settled'
    | 'rejected'
    | 'unknown'
    | 'failed'
  readonly elapsedMs: number
}

/** One transaction of coalesced movements of stock. */
export interface StockBatch {
  readonly result: 'committed' | 'retried' | 'bisected' | 'failed'
  readonly movements: number
  readonly elapsedMs: number
}
