/**
 * How chunks reach workers. The driver decides who tries which chunk when; whether it may, and whether its work
 * counts, the ledger decides, so that a driver can lose, repeat or delay whatever it likes.
 */

import {
  type BatchChunkRef,
  type BatchRun,
  type BatchRunRef,
  wholeNumberOption,
  objectOptions,
} from '@kerp/core'

/** What a driver may ask of `Batches`. */
export interface BatchHost {
  /** The running runs of the batches that this process knows. */
  openRuns(): Promise<readonly BatchRun[]>
  /** Chunks that nobody works on, in order. */
  claimable(run: BatchRunRef, limit: number): Promise<readonly BatchChunkRef[]>
  /** Claims a chunk, this one or the first that is free, and works on it; false when there was none to claim. */
  work(run: BatchRunRef, number?: number): Promise<boolean>
  /** Plans further chunks, or ends a run whose chunks are all done; true when there may be chunks to claim now. */
  advance(run: BatchRunRef): Promise<boolean>
  /** Waits; a driver that closes does not wait for it. */
  pause(ms: number): Promise<void>
  /** Hears of an error that the driver met and goes on after. */
  failed(error: unknown): void
}

/** A driver at work. */
export interface BatchDriving {
  /** A run was opened or taken up: there is work now. */
  wake(): void
  /** Takes no further chunk; resolves when those in work have ended. */
  close(): Promise<void>
}

/** Distributes chunks. */
export interface BatchDriver {
  drive(host: BatchHost): BatchDriving
}

/** How this process takes part. */
export interface InProcessOptions {
  /** Chunks that this process works on at once. @defaultValue 4 */
  readonly chunksAtOnce?: number | undefined
  /** How often it looks for work of other processes, also of those that died, in ms. @defaultValue 500 */
  readonly pollMs?: number | undefined
}

/**
 * Processes that share nothing but the ledger: each claims what is free. No broker, and as many processes as one
 * likes; a dead one's chunks are free when their lease has run out.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION`
 */
export function inProcess(options: InProcessOptions = {}): BatchDriver {
  objectOptions('inProcess', options)
  const bounds = { min: 1, max: 1_000, fallback: 4 }
  const slots = wholeNumberOption('inProcess', 'chunksAtOnce', options.chunksAtOnce, bounds)
  const pollMs = wholeNumberOption('inProcess', 'pollMs', options.pollMs, {
    min: 10,
    max: 60_000,
    fallback: 500,
  })
  return { drive: (host) => new Rotation(host, slots, pollMs) }
}

/** Slots that take one chunk of each open run in turn, so that a large run does not hold up a small one. */
class Rotation implements BatchDriving {
  readonly #host: BatchHost
  readonly #pollMs: number
  readonly #work: Promise<unknown>
  #runs: BatchRunRef[] = []
  #closing = false
  #wake: () => void = () => undefined
  #woken: Promise<void> = Promise.resolve()
  #found: () => void = () => undefined
  #finding: Promise<void> | undefined

  constructor(host: BatchHost, slots: number, pollMs: number) {
    this.#host = host
    this.#pollMs = pollMs
    this.#arm()
    this.#work = Promise.all([this.#look(), ...Array.from({ length: slots }, () => this.#slot())])
  }

  wake(): void {
    this.#wake()
  }

  async close(): Promise<void> {
    this.#closing = true
    this.#wake()
    await this.#work
  }

  #arm(): void {
    this.#woken = new Promise((resolve) => (this.#wake = resolve))
  }

  /** Keeps the list of open runs fresh. */
  async #look(): Promise<void> {
    while (!this.#closing) {
      this.#arm()
      await this.#host.openRuns().then(
        (runs) => (this.#runs = [...runs]),
        (error: unknown) => this.#host.failed(error),
      )
      this.#found()
      await Promise.race([this.#woken, this.#host.pause(this.#pollMs)])
    }
    this.#found()
  }

  /** Settles with the next look. */
  #nextLook(): Promise<void> {
    this.#finding ??= new Promise((resolve) => {
      this.#found = () => {
        this.#finding = undefined
        resolve()
      }
    })
    return this.#finding
  }

  async #slot(): Promise<void> {
    while (!this.#closing) {
      const run = this.#runs.shift()
      if (run === undefined) await this.#nextLook()
      else await this.#take(run)
    }
  }

  async #take(run: BatchRunRef): Promise<void> {
    // It goes to the back of the line at once, for the other slots.
    this.#runs.push(run)
    let isMore = false
    try {
      isMore = (await this.#host.work(run)) || (await this.#host.advance(run))
    } catch (error) {
      this.#host.failed(error)
    }
    const others = this.#runs.filter((other) => !isSame(other, run))
    this.#runs = isMore ? [...others, run] : others
  }
}

function isSame(one: BatchRunRef, other: BatchRunRef): boolean {
  return one.runId === other.runId && one.companyId === other.companyId
}
