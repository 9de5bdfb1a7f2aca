/**
 * Notices: local, typed messages in the past tense, for the process that holds the object.
 *
 * eventemitter3 lets one throwing listener stop the others and fly into the emitter's caller, so every
 * listener is wrapped when it is registered: it can only hurt itself, whether it throws or rejects.
 */

import { EventEmitter } from 'eventemitter3'

/** Notice names and the argument lists of their listeners. */
export type NoticeMap = Readonly<Record<string, readonly unknown[]>>

type Listener<Args extends readonly unknown[]> = (...args: Args) => void

/** The read-only side that a class exposes as `notices`. */
export interface Notices<N extends NoticeMap> {
  /** Calls `listener` at every such notice; the returned function stops that. */
  on<K extends keyof N>(name: K, listener: Listener<N[K]>): () => void
  /** Calls `listener` at the next such notice only; the returned function stops that. */
  once<K extends keyof N>(name: K, listener: Listener<N[K]>): () => void
}

/** The owner's side: it alone emits. */
export class NoticeBoard<N extends NoticeMap> implements Notices<N> {
  readonly #emitter = new EventEmitter()
  readonly #onListenerError: (error: unknown) => void

  /** `onListenerError` hears what a listener threw; it must not throw itself. */
  constructor(onListenerError: (error: unknown) => void = () => undefined) {
    this.#onListenerError = onListenerError
  }

  on<K extends keyof N>(name: K, listener: Listener<N[K]>): () => void {
    const guarded = this.#guard<N[K]>(listener)
    this.#emitter.on(String(name), guarded)
    return () => void this.#emitter.off(String(name), guarded)
  }

  once<K extends keyof N>(name: K, listener: Listener<N[K]>): () => void {
    const guarded = this.#guard<N[K]>(listener)
    this.#emitter.once(String(name), guarded)
    return () => void this.#emitter.off(String(name), guarded)
  }

  /** Tells all listeners, last of all work, and never throws. */
  emit<K extends keyof N>(name: K, ...args: N[K]): void {
    this.#emitter.emit(String(name), ...args)
  }

  #guard<Args extends readonly unknown[]>(listener: (...args: Args) => unknown): Listener<Args> {
    return (...args) => {
      try {
        const answer = listener(...args)
        // Nobody waits for a listener, so its rejection would end the process.
        if (answer instanceof Promise) answer.catch(this.#onListenerError)
      } catch (error) {
        this.#onListenerError(error)
      }
    }
  }
}
