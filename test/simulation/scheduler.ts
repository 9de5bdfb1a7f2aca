/** Virtual time: what is due next runs next, and nothing waits. */

/** A step that yields how many ms pass until the next one. */
export type Steps<T = void> = Generator<number, T, void>

/** Whose steps they are: one that is suspended runs nothing until it goes on. */
export interface Actor {
  suspendedUntilMs: number
}

interface Due {
  atMs: number
  order: number
  readonly actor: Actor
  readonly steps: Steps
}

export class Scheduler {
  nowMs = 0
  #order = 0
  readonly #heap: Due[] = []

  /** Begins steps after `delayMs`. */
  start(actor: Actor, steps: Steps, delayMs = 0): void {
    this.#push({ atMs: this.nowMs + delayMs, order: (this.#order += 1), actor, steps })
  }

  /** Runs everything that is due until then. */
  runUntil(endMs: number): void {
    for (;;) {
      const due = this.#heap[0]
      if (due === undefined || due.atMs > endMs) break
      this.nowMs = due.atMs
      if (due.actor.suspendedUntilMs > due.atMs) due.atMs = due.actor.suspendedUntilMs
      else {
        // Whatever it starts is due later than itself, so that it is still the first afterwards.
        const step = due.steps.next()
        if (step.done === true) {
          this.#removeFirst()
          continue
        }
        due.atMs += step.value
        due.order = this.#order += 1
      }
      this.#sink(due)
    }
    this.nowMs = endMs
  }

  #push(due: Due): void {
    const heap = this.#heap
    let index = heap.length
    heap.push(due)
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = heap[parent]
      if (above === undefined || isBefore(above, due)) break
      heap[index] = above
      index = parent
    }
    heap[index] = due
  }

  #removeFirst(): void {
    const last = this.#heap.pop()
    if (last !== undefined && this.#heap.length > 0) this.#sink(last)
  }

  /** Puts it in the place of the first, or below. */
  #sink(due: Due): void {
    const heap = this.#heap
    let index = 0
    for (;;) {
      const child = smallerChild(heap, index)
      const below = heap[child]
      if (below === undefined || isBefore(due, below)) break
      heap[index] = below
      index = child
    }
    heap[index] = due
  }
}

function smallerChild(heap: readonly Due[], index: number): number {
  const left = 2 * index + 1
  const [one, other] = [heap[left], heap[left + 1]]
  return one !== undefined && other !== undefined && isBefore(other, one) ? left + 1 : left
}

function isBefore(one: Due, other: Due): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order)
}
