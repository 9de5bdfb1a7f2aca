/** Reads a source, sync or async, item by item, and says what it threw. */

/** Anything that can be iterated. */
export type Source<I> = Iterable<I> | AsyncIterable<I>

/** What a reader tells. */
export interface ReaderHost<I> {
  /** An item of an async source has come. */
  itemCame(input: I): void
  /** The source has no more, or threw. */
  sourceEnded(failure: { readonly thrown: unknown } | undefined): void
}

/** One pass over a source. */
export class ItemReader<I> {
  readonly isAsync: boolean
  isEnded = false
  /** Between a call to an iterator and its answer; a source that asks its own map for more gets nothing. */
  isReading = false
  readonly #host: ReaderHost<I>
  readonly #sync: Iterator<I> | undefined
  readonly #async: AsyncIterator<I> | undefined

  /** Calls the source's iterator function; throws what that throws. */
  constructor(source: Source<I>, host: ReaderHost<I>) {
    this.#host = host
    this.isAsync = Symbol.asyncIterator in source
    if (Symbol.asyncIterator in source) this.#async = source[Symbol.asyncIterator]()
    else this.#sync = source[Symbol.iterator]()
  }

  /** The next item of a sync source, or undefined at its end. */
  readonly readSync = (): { readonly value: I } | undefined => {
    if (this.isEnded || this.isReading || this.#sync === undefined) return undefined
    this.isReading = true
    try {
      const step = this.#sync.next()
      this.isReading = false
      if (step.done !== true) return step
      this.#end(undefined)
    } catch (thrown) {
      this.isReading = false
      this.#end({ thrown })
    }
    return undefined
  }

  /** Asks an async source for its next item. */
  readonly readAsync = (): void => {
    if (this.isEnded || this.isReading || this.#async === undefined) return
    this.isReading = true
    try {
      this.#async.next().then(this.#came, this.#failed)
    } catch (thrown) {
      this.#failed(thrown)
    }
  }

  /** Tells the source that nobody will ask again. */
  readonly close = (): void => {
    if (this.isEnded) return
    this.isEnded = true
    try {
      this.#sync?.return?.()
      // A source that is waiting for its next item answers when it likes.
      void this.#async?.return?.().then(undefined, () => undefined)
    } catch {
      // What a source throws while it is left changes nothing.
    }
  }

  readonly #came = (step: IteratorResult<I>): void => {
    this.isReading = false
    if (this.isEnded) return
    if (step.done === true) this.#end(undefined)
    else this.#host.itemCame(step.value)
  }

  readonly #failed = (thrown: unknown): void => {
    this.isReading = false
    if (!this.isEnded) this.#end({ thrown })
  }

  #end(failure: { readonly thrown: unknown } | undefined): void {
    this.isEnded = true
    this.#host.sourceEnded(failure)
  }
}
