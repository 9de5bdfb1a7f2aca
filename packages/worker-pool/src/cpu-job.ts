/** One job of a pool of threads, from its admission to its one end. */

/** How an accepted job ended. */
export type CpuEnd = 'done' | 'failed' | 'cancelled' | 'returned' | 'abandoned'

/** Hears the end of a job: exactly once. */
export interface CpuSettle {
  readonly result: (value: unknown) => void
  readonly error: (error: Error) => void
}

/** A job that was accepted. */
export class CpuJob {
  isEnded = false
  readonly #onEnd: (end: CpuEnd) => void

  constructor(
    readonly id: string,
    readonly value: unknown,
    readonly fields: Readonly<Record<string, string>>,
    readonly transfer: readonly ArrayBuffer[],
    readonly settle: CpuSettle,
    onEnd: (end: CpuEnd) => void,
  ) {
    this.#onEnd = onEnd
  }

  resolve(value: unknown): void {
    if (this.#end('done')) this.settle.result(value)
  }

  reject(end: Exclude<CpuEnd, 'done'>, error: Error): void {
    if (this.#end(end)) this.settle.error(error)
  }

  #end(end: CpuEnd): boolean {
    if (this.isEnded) return false
    this.isEnded = true
    this.#onEnd(end)
    return true
  }
}
