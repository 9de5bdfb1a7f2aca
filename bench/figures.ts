/** How figures of benches are summed up: medians, means, percentiles, and no more digits than a table can use. */

/** The value in the middle, the higher of two; NaN of none. */
export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}

/** NaN of none. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** The value below which `share` of all lie; NaN of none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** With so many digits behind the point that a table is read at a glance. */
export function rounded(value: number, digits = 2): number {
  return Number(value.toFixed(digits))
}
