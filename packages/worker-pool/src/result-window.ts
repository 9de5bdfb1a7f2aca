/** Results between those who make them and the one who takes them: in order, and no more than the window holds. */

/** Ends that wait to be taken, and calls of `next` that wait for one. */
export class ResultWindow<T> {
  delivered = 0
  isOver = false
  readonly #slots: (T | undefined)[] = []
  readonly #size: number
  readonly #takers: {
    readonly resolve: (step: IteratorResult<T, undefined>) => void
    readonly reject: (error: unknown) => void
  }[] = []
  readonly #leavers: ((step: IteratorResult<T, undefined>) => void)[] = []
  #put = 0
  /** Results in the slots. */
  #held = 0
  #isLeft = false
  #failure: { readonly error: unknown } | undefined

  constructor(size: number) {
    this.#size = size
  }

  /** Whether the taker waits, or has nothing left to take. */
  get isWanting(): boolean {
    return this.#held === 0 || this.#takers.length > 0
  }

  /** Keeps a result at its position; those without one come in the order of this call. */
  put(result: T, position = this.#put): void {
    this.#put += 1
    this.#slots[position % this.#size] = result
    this.#held += 1
    this.#serve()
  }

  /** The next result, when it is there; after the end the failure, once. */
  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#takers.length === 0) {
      const value = this.#takeReady()
      if (value !== undefined) return Promise.resolve({ done: false, value })
      if (this.isOver) return this.#lastStep()
    }
    return new Promise((resolve, reject) => {
      this.#takers.push({ resolve, reject })
    })
  }

  /** Answers when everything has ended; what was not taken is forgotten. */
  over(): Promise<IteratorResult<T, undefined>> {
    this.#isLeft = true
    if (this.isOver) {
      this.#failure = undefined
      return Promise.resolve({ done: true, value: undefined })
    }
    return new Promise((resolve) => {
      this.#leavers.push(resolve)
    })
  }

  /** Nothing more will be put. */
  end(failure: { readonly error: unknown } | undefined): void {
    if (this.isOver) return
    this.isOver = true
    this.#failure = this.#isLeft ? undefined : failure
    this.#serve()
    for (const { resolve, reject } of this.#takers.splice(0)) {
      this.#lastStep().then(resolve, reject)
    }
    for (const leave of this.#leavers.splice(0)) leave({ done: true, value: undefined })
  }

  #serve(): void {
    while (this.#takers.length > 0) {
      const value = this.#takeReady()
      if (value === undefined) return
      this.#takers.shift()?.resolve({ done: false, value })
    }
  }

  #takeReady(): T | undefined {
    if (this.#held === 0 || this.#isLeft) return undefined
    for (;;) {
      const slot = this.delivered % this.#size
      const value = this.#slots[slot]
      if (value !== undefined) {
        this.#slots[slot] = undefined
        this.#held -= 1
        this.delivered += 1
        return value
      }
      // What was cancelled leaves a hole, which is known for one only when nothing more can come.
      if (!this.isOver) return undefined
      this.delivered += 1
    }
  }

  #lastStep(): Promise<IteratorResult<T, undefined>> {
    const failure = this.#failure
    this.#failure = undefined
    if (failure === undefined) return Promise.resolve({ done: true, value: undefined })
    // It is thrown as it was, whatever an item threw.
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
    return Promise.reject(failure.error)
  }
}
