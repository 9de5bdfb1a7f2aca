/** One histogram series: counts between fixed bounds, a sum, and quantiles estimated from the counts. */

/** Upper bounds of times in seconds: from 50 µs, with every threshold that alerts use. */
export const LATENCY_BUCKETS_S: readonly number[] = [
  0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
]

/**
 * Upper bounds of times that nobody waits for alone: one call to Redis of a read, one transaction of many vouchers.
 * Fewer, as there are many such series and each bound is one more.
 */
export const STEP_BUCKETS_S: readonly number[] = [0.00025, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5]

/** Upper bounds of how many vouchers or movements share a transaction. */
export const BATCH_BUCKETS: readonly number[] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000]

/** Upper bounds of how long locks are held, in seconds. */
export const HELD_BUCKETS_S: readonly number[] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300]

/** Counts of values by bucket; the last count is that of values above all bounds. */
export class HistogramCell {
  readonly bounds: readonly number[]
  readonly counts: Float64Array
  sum = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  /** Counts a value; a negative one and `NaN` count as 0. */
  observe(value: number): void {
    const { bounds, counts } = this
    const counted = value > 0 ? value : 0
    let index = 0
    while (index < bounds.length && counted > (bounds[index] ?? 0)) index += 1
    counts[index] = (counts[index] ?? 0) + 1
    this.sum += counted
  }

  /** Counts a time in ms where the bounds are seconds. */
  observeMs(ms: number): void {
    this.observe(ms / 1_000)
  }

  /** How many values were counted. */
  get count(): number {
    return this.counts.reduce((sum, count) => sum + count, 0)
  }

  /** Adds what another cell of the same bounds counted: by bucket, and the sum of the values. */
  addCounts(counts: readonly number[], sum: number): void {
    counts.forEach((count, index) => (this.counts[index] = (this.counts[index] ?? 0) + count))
    this.sum += sum
  }

  /** Forgets everything. */
  clear(): void {
    this.counts.fill(0)
    this.sum = 0
  }

  /**
   * Estimates a quantile, `fraction` from 0 to 1: values are taken to lie evenly within their bucket, so the
   * answer is right to the width of that bucket. Above all bounds it is the highest bound; undefined when
   * nothing was counted.
   */
  quantile(fraction: number): number | undefined {
    const rank = fraction * this.count
    let below = 0
    let from = 0
    for (const [index, to] of this.bounds.entries()) {
      const inside = this.counts[index] ?? 0
      if (inside > 0 && below + inside >= rank) return from + ((to - from) * (rank - below)) / inside
      below += inside
      from = to
    }
    return this.count > 0 ? from : undefined
  }
}
