/** Starts and kills processes that work on payments. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { argsOf } from '../support/programs.js'

/** What such a process works on, and how. */
export interface BatchChildWork {
  readonly driver: 'claims' | 'bullmq'
  readonly databaseUrl: string
  readonly redisPath: string
  readonly companyId: string
  readonly chunkItems: number
  readonly chunksAtOnce: number
  readonly leaseMs: number
  /** How long each payment keeps the process busy; 0 for one that waits. */
  readonly blockMs: number
}

const SCRIPT = fileURLToPath(new URL('batch-child.ts', import.meta.url))

/** One process. */
export class BatchChild implements AsyncDisposable {
  readonly #child: ChildProcess
  /** Payments that it began to compute. */
  computed = 0

  private constructor(child: ChildProcess) {
    this.#child = child
    child.on('message', (message) => {
      if (message === 'computed') this.computed += 1
    })
  }

  static async start(work: BatchChildWork): Promise<BatchChild> {
    const args = [...(await argsOf(SCRIPT)), JSON.stringify(work)]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    const started = new BatchChild(child)
    await once(child, 'message')
    return started
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill()
  }
}
