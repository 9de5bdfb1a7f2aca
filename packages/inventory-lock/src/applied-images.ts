/** Images of movements that were committed together go to Redis together: one call per row's newest state. */

import { type Observer, type RegisterImage, type RegisterImages, tellFailure } from '@kerp/core'
import type { Registers } from '@kerp/registers'

interface Open {
  readonly images: RegisterImage[]
  readonly applied: Promise<void>
}

/**
 * The fast path of all callers of one process. Those who are answered by one batch arrive in one turn; their images
 * of a hot row are one script call instead of one each. Never rejects: the relay brings the same images.
 */
export class AppliedImages {
  readonly #registers: Registers
  readonly #observer: Observer
  readonly #open = new Map<string, Open>()

  constructor(registers: Registers, observer: Observer) {
    this.#registers = registers
    this.#observer = observer
  }

  /** Resolves when these images, or newer ones of the same rows, were handed to Redis, or could not be. */
  add({ epoch, images }: RegisterImages): Promise<void> {
    const open = this.#open.get(epoch) ?? this.#begin(epoch)
    open.images.push(...images)
    return open.applied
  }

  #begin(epoch: string): Open {
    const images: RegisterImage[] = []
    // Two steps later all callers of the batch have been here.
    const applied = Promise.resolve()
      .then(() => undefined)
      .then(() => this.#flush(epoch, images))
    const open = { images, applied }
    this.#open.set(epoch, open)
    return open
  }

  async #flush(epoch: string, images: readonly RegisterImage[]): Promise<void> {
    this.#open.delete(epoch)
    try {
      await this.#registers.apply({ epoch, images })
    } catch (error) {
      tellFailure(this.#observer, 'Stock', error)
    }
  }
}
