/** Starts processes that compete for locks and talks to them. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { LockRelease, LockResource } from '@kerp/inventory-lock'
import { argsOf } from '../support/programs.js'

/** What a child is told. */
export type ChildOrder =
  | { readonly do: 'hold'; readonly resource: LockResource; readonly ttlMs: number; readonly renew: boolean }
  | { readonly do: 'release' }
  | {
      readonly do: 'add'
      readonly resources: readonly LockResource[]
      readonly ttlMs: number
      readonly pauseMs: number
    }
  | {
      readonly do: 'greedy'
      readonly resource: LockResource
      readonly workers: number
      readonly forMs: number
      readonly holdMs: number
    }

/** What a child tells. */
export type ChildAnswer =
  | { readonly is: 'ready' | 'read' }
  | { readonly is: 'held'; readonly fence: string }
  | { readonly is: 'released'; readonly result: LockRelease }
  | { readonly is: 'written'; readonly written: number; readonly stillHeld: number }
  | { readonly is: 'counted'; readonly sections: readonly number[]; readonly overlaps: number }

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** A process that competes for locks. */
export class LockChild implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #unread: ChildAnswer[] = []
  #heard: () => void = () => undefined
  #error = ''

  private constructor(child: ChildProcess) {
    this.#child = child
    child.on('message', (answer: ChildAnswer) => {
      this.#unread.push(answer)
      this.#heard()
    })
    child.stderr?.on('data', (chunk: Buffer) => (this.#error += chunk.toString()))
    child.on('exit', () => this.#heard())
  }

  /** `root` is whose sources it runs. */
  static async start(socketPath: string, databaseUrl = '', root = ROOT): Promise<LockChild> {
    const program = await argsOf(join(root, 'test/faults/lock-child.ts'))
    const args = [...program, socketPath, databaseUrl]
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    const started = new LockChild(child)
    await started.hear('ready')
    return started
  }

  tell(order: ChildOrder): void {
    this.#child.send(order)
  }

  /** The next answer of a kind. */
  async hear<K extends ChildAnswer['is']>(kind: K): Promise<Extract<ChildAnswer, { is: K }>> {
    for (;;) {
      const index = this.#unread.findIndex(({ is }) => is === kind)
      const [answer] = index < 0 ? [] : this.#unread.splice(index, 1)
      if (answer !== undefined && isOfKind(answer, kind)) return answer
      if (this.#child.exitCode !== null || this.#child.signalCode !== null)
        throw new Error(`It ended: ${this.#error}`)
      await new Promise<void>((resolve) => (this.#heard = resolve))
    }
  }

  pause(): void {
    this.#child.kill('SIGSTOP')
  }

  resume(): void {
    this.#child.kill('SIGCONT')
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

function isOfKind<K extends ChildAnswer['is']>(
  answer: ChildAnswer,
  kind: K,
): answer is Extract<ChildAnswer, { is: K }> {
  return answer.is === kind
}
