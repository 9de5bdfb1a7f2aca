/** What a module that runs in threads is written with. */

const TRANSFER = Symbol.for('kerp.transfer')

/** What a task knows of its call. */
export interface CpuContext {
  /** The fields that the pool's option `context` answered when the job was submitted. */
  readonly fields: Readonly<Record<string, string>>
  /** True as soon as nobody wants the result any more: a long loop looks at it and returns. */
  readonly isCancelled: boolean
}

/** The default export of such a module. Values and results are copied between threads, as by `structuredClone`. */
export type CpuTask<In, Out> = (value: In, context: CpuContext) => Out | Promise<Out>

/** A result whose buffers are handed over instead of copied. */
export interface Transferred<Out> {
  readonly value: Out
}

/**
 * Hands buffers of a result over to the caller's thread.
 *
 * @example
 * const bytes = new Uint8Array(1_000_000)
 * withTransfer(bytes, [bytes.buffer])
 */
export function withTransfer<Out>(value: Out, buffers: readonly ArrayBuffer[]): Transferred<Out> {
  return Object.assign({ value }, { [TRANSFER]: buffers })
}
