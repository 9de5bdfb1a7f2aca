/** What the rings of a process hold together: the one that heard nothing for the longest time is emptied first. */

/** A ring that can let go of what it holds; who needs it reads the stream. */
export interface HoldingRing {
  empty(): void
}

/** A bound on many rings. */
export class RingBudget {
  readonly #lengthMax: number
  /** From the one that heard nothing for the longest time. */
  readonly #lengths = new Map<HoldingRing, number>()
  #length = 0

  constructor(lengthMax: number) {
    this.#lengthMax = lengthMax
  }

  /** A ring heard something, and holds so much now. */
  heard(ring: HoldingRing, length: number): void {
    this.release(ring)
    this.#lengths.set(ring, length)
    this.#length += length
    if (this.#length <= this.#lengthMax) return
    for (const [other] of this.#lengths) {
      if (this.#length <= this.#lengthMax || other === ring) return
      this.release(other)
      other.empty()
    }
  }

  /** A ring holds nothing any more. */
  release(ring: HoldingRing): void {
    this.#length -= this.#lengths.get(ring) ?? 0
    this.#lengths.delete(ring)
  }
}
