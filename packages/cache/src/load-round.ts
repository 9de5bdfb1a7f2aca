/**
 * What one call of `getMany` has to load goes to the loader together.
 *
 * Which values these are is known when Redis has said of each whether it is leased to this call. So every value has
 * a seat, and the loader is called when each seat was taken to load or given up; nobody waits for another's load here.
 */

import { isError } from '@kerp/core'
import type { Loaded, ValueLoader } from './value-loader.js'

/** The place of one value in a round. */
export interface LoadSeat<R> {
  /** Loads the value: with the others of the round, or by itself when they are on their way already. */
  load(ref: R): Promise<Loaded>
  /** The others need not wait for this value. May be called at any time, and again. */
  leave(): void
}

interface Seated<R> {
  readonly ref: R
  readonly resolve: (loaded: Loaded) => void
  readonly reject: (error: unknown) => void
}

/** The loads of one call. */
export class LoadRound<R, T> {
  readonly #loader: ValueLoader<R, T>
  readonly #seated: Seated<R>[] = []
  #open = 0

  constructor(loader: ValueLoader<R, T>) {
    this.#loader = loader
  }

  /** A seat for each of `size` values. */
  seats(size: number): readonly LoadSeat<R>[] {
    // A value that would be alone in its call needs nobody to wait for.
    if (size < 2 || this.#loader.refsMax < 2) {
      return Array.from({ length: size }, () => loneSeat(this.#loader))
    }
    this.#open += size
    return Array.from({ length: size }, () => this.#seat())
  }

  #seat(): LoadSeat<R> {
    let isOpen = true
    const giveUp = (): void => {
      if (!isOpen) return
      isOpen = false
      this.#open -= 1
      if (this.#open === 0) this.#begin()
    }
    return {
      load: (ref) => {
        if (!isOpen) return this.#loader.one(ref)
        return new Promise((resolve, reject) => {
          this.#seated.push({ ref, resolve, reject })
          giveUp()
        })
      },
      leave: giveUp,
    }
  }

  #begin(): void {
    const { refsMax } = this.#loader
    for (let at = 0; at < this.#seated.length; at += refsMax) {
      void this.#load(this.#seated.slice(at, at + refsMax))
    }
  }

  /** Settles every seat, whatever happens. */
  async #load(seated: readonly Seated<R>[]): Promise<void> {
    try {
      const loaded = await this.#loader.many(seated.map(({ ref }) => ref))
      for (const [index, seat] of seated.entries()) {
        const one = loaded[index]
        if (isError(one) || one === undefined) seat.reject(one)
        else seat.resolve(one)
      }
    } catch (error) {
      for (const { reject } of seated) reject(error)
    }
  }
}

/** The seat of a value that nothing else is loaded with. */
export function loneSeat<R, T>(loader: ValueLoader<R, T>): LoadSeat<R> {
  return { load: (ref) => loader.one(ref), leave: () => undefined }
}
