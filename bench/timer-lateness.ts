/** How late timers of a process that does nothing else are: what the machine adds to every latency. */

const EVERY_MS = 5

/** Begins to look; `stop` answers with how late each timer was, in ms. */
export function timerLateness(): { readonly stop: () => readonly number[] } {
  const late: number[] = []
  let dueMs = performance.now() + EVERY_MS
  let timer = setTimeout(look, EVERY_MS)
  function look(): void {
    late.push(Math.max(0, performance.now() - dueMs))
    dueMs = performance.now() + EVERY_MS
    timer = setTimeout(look, EVERY_MS)
  }
  return {
    stop: () => {
      clearTimeout(timer)
      return late
    },
  }
}
