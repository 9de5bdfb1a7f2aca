/** Starts processes that move stock and talks to them. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { argsOf } from '../support/programs.js'

/** Takes all there is of one item. */
export interface GrabOrder {
  readonly companyId: string
  readonly item: string
  readonly id: string
  readonly how: 'reserve' | 'adjust' | 'transfer'
}

/** Work under the locks of several items. */
export interface SectionOrder {
  readonly companyId: string
  readonly items: readonly string[]
  readonly ttlMs: number
}

/** What a child is told. */
export type StockOrder =
  | ({ readonly do: 'grab' } & GrabOrder)
  | ({ readonly do: 'hold' } & SectionOrder)
  | ({ readonly do: 'section'; readonly inOne: boolean } & SectionOrder)
  | {
      readonly do: 'writeLate'
      readonly companyId: string
      readonly fences: readonly (readonly [string, string])[]
    }
  | { readonly do: 'finish' }

/** What a child tells. */
export type StockAnswer =
  | { readonly is: 'ready' | 'looked' }
  | { readonly is: 'grabbed'; readonly code: string }
  | { readonly is: 'holding'; readonly fences: readonly (readonly [string, string])[] }
  | { readonly is: 'wroteLate'; readonly codes: readonly string[] }
  | { readonly is: 'finished'; readonly left: readonly string[] }

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** A process that moves stock. */
export class StockChild implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #unread: StockAnswer[] = []
  #heard: () => void = () => undefined

  private constructor(child: ChildProcess) {
    this.#child = child
    child.on('message', (answer: StockAnswer) => {
      this.#unread.push(answer)
      this.#heard()
    })
    child.on('exit', () => this.#heard())
  }

  /** `root` is whose sources it runs. */
  static async start(socketPath: string, databaseUrl: string, root = ROOT): Promise<StockChild> {
    const program = await argsOf(join(root, 'test/faults/stock-child.ts'))
    const args = [...program, socketPath, databaseUrl]
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    const started = new StockChild(child)
    await started.hear('ready')
    return started
  }

  tell(order: StockOrder): void {
    this.#child.send(order)
  }

  /** The next answer of a kind. */
  async hear<K extends StockAnswer['is']>(kind: K): Promise<Extract<StockAnswer, { is: K }>> {
    for (;;) {
      const index = this.#unread.findIndex(({ is }) => is === kind)
      const [answer] = index < 0 ? [] : this.#unread.splice(index, 1)
      if (answer !== undefined && isOfKind(answer, kind)) return answer
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) throw new Error('It has ended.')
      await new Promise<void>((resolve) => (this.#heard = resolve))
    }
  }

  pause(): void {
    this.#child.kill('SIGSTOP')
  }

  resume(): void {
    this.#child.kill('SIGCONT')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }
}

function isOfKind<K extends StockAnswer['is']>(
  answer: StockAnswer,
  kind: K,
): answer is Extract<StockAnswer, { is: K }> {
  return answer.is === kind
}
