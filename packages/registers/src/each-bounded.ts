/** Works through a list, a bounded number at once. */

/**
 * Calls `work` for each item, at most `concurrency` at once, until all are done or `stop` says true. `work`
 * must not throw.
 */
export async function eachBounded<T>(
  items: readonly T[],
  concurrency: number,
  work: (item: T) => Promise<void>,
  stop: () => boolean = () => false,
): Promise<void> {
  const queue = items.values()
  const worker = async (): Promise<void> => {
    for (const item of queue) {
      if (stop()) return
      await work(item)
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, worker))
}
