/** One job of a pool of threads, from its admission to its one end. */

/** How an accepted job ended. */
export type CpuEnd = 'done' | 'failed' | 'cancelled' | 'returned' | 'abandoned'

/** Hears the end of a job, exactly once; many jobs of one call share one, and are told apart by their place in it. */
export interface CpuSettle {
  readonly result: (value: unknown, place: number) => void
  readonly error: (error: Error, place: number) => void
}

/** What a job is made of. */
export interface CpuAsked {
  readonly fields: Readonly<Record<string, string>>
  readonly transfer: readonly ArrayBuffer[]
  readonly settle: CpuSettle
}

/** A job that was accepted. */
export class CpuJob {
  isEnded = false

  constructor(
    readonly number: number,
    readonly value: unknown,
    readonly asked: CpuAsked,
    readonly place: number,
    /** The account of the pool, where its end is counted. */
    readonly ends: Record<CpuEnd, number>,
  ) {}

  get id(): string {
    return `cpu-${this.number}`
  }

  resolve(value: unknown): void {
    if (this.isEnded) return
    this.isEnded = true
    this.ends.done += 1
    this.asked.settle.result(value, this.place)
  }

  reject(end: Exclude<CpuEnd, 'done'>, error: Error): void {
    if (this.isEnded) return
    this.isEnded = true
    this.ends[end] += 1
    this.asked.settle.error(error, this.place)
  }
}
