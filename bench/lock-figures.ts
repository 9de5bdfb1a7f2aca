/** The figures of the lock benches: fairness, overlaps, and what lies between two sections. */

/** One section under the lock; times are of the monotonic clock that all processes share, in ms. */
export interface Section {
  readonly worker: number
  readonly askedMs: number
  readonly begunMs: number
  /** Before the lock is given back. */
  readonly endedMs: number
}

/** Jain's index of fairness: 1 when all got the same, 1/n when one got all. */
export function jain(counts: readonly number[]): number {
  const sum = counts.reduce((total, count) => total + count, 0)
  const squares = counts.reduce((total, count) => total + count * count, 0)
  return (sum * sum) / (counts.length * squares)
}

/** From the end of one section to the beginning of the next, where the next one's caller was already waiting. */
export function handOffsMs(sections: readonly Section[]): readonly number[] {
  const inOrder = [...sections].sort((a, b) => a.begunMs - b.begunMs)
  return inOrder.flatMap((section, index) => {
    const before = inOrder[index - 1]
    return before === undefined || section.askedMs > before.endedMs ? [] : [section.begunMs - before.endedMs]
  })
}

/** Sections that began before the one before had ended. */
export function overlapsOf(sections: readonly Section[]): number {
  const inOrder = [...sections].sort((a, b) => a.begunMs - b.begunMs)
  return inOrder.filter((section, index) => section.begunMs < (inOrder[index - 1]?.endedMs ?? 0)).length
}
