/** Durations that a demo measures from outside, with percentiles. */

/** Counts durations in slots that grow by 5 %, so that a percentile is off by at most that much. */
export class LatencyHistogram {
  readonly #slots = new Uint32Array(SLOTS)
  #count = 0

  /** One histogram of all durations of several. */
  static sumOf(histograms: readonly LatencyHistogram[]): LatencyHistogram {
    const sum = new LatencyHistogram()
    for (const histogram of histograms) {
      sum.#slots.forEach((count, slot) => (sum.#slots[slot] = count + (histogram.#slots[slot] ?? 0)))
      sum.#count += histogram.#count
    }
    return sum
  }

  /** How many durations were added. */
  get count(): number {
    return this.#count
  }

  add(elapsedMs: number): void {
    const slot = Math.round(Math.log(Math.max(elapsedMs, SMALLEST_MS) / SMALLEST_MS) / Math.log(GROWTH))
    const at = Math.min(slot, SLOTS - 1)
    this.#slots[at] = (this.#slots[at] ?? 0) + 1
    this.#count += 1
  }

  /** The duration that a share (0.99 for p99) of all stayed within, in ms; undefined without durations. */
  percentileMs(share: number): number | undefined {
    let left = Math.ceil(this.#count * share)
    if (left === 0) return undefined
    for (const [slot, count] of this.#slots.entries()) {
      left -= count
      if (left <= 0) return SMALLEST_MS * GROWTH ** slot
    }
    return undefined
  }
}

const SMALLEST_MS = 0.001
const GROWTH = 1.05
/** Up to about 10 minutes. */
const SLOTS = 415
