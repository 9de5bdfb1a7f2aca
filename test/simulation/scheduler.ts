/** Virtual time: what is due next runs next, and nothing waits. */

/** A step that yields how many ms pass until the next one. */
export type Steps<T = void> = Generator<number, T, void>

/** Whose steps they are: one that is suspended runs nothing until it goes on. */
export interface Actor {
  suspendedUntilMs: number
}

interface Due {
  readonly atMs: number
  readonly order: number
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
      this.#pop()
      this.nowMs = due.atMs
      if (due.actor.suspendedUntilMs > due.atMs) {
        this.#push({ ...due, atMs: due.actor.suspendedUntilMs, order: due.order })
        continue
      }
      const step = due.steps.next()
      if (step.done !== true) {
        this.#push({
          atMs: due.atMs + step.value,
          order: (this.#order += 1),
          actor: due.actor,
          steps: due.steps,
        })
      }
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

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let index = 0
    for (;;) {
      const child = smallerChild(heap, index)
      const below = heap[child]
      if (below === undefined || isBefore(last, below)) break
      heap[index] = below
      index = child
    }
    heap[index] = last
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
