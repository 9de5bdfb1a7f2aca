/** Client processes, a relay process, and everything between them and the servers. */

import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { argsOf } from '../support/programs.js'
import { FleetJudge } from './fleet-judge.js'
import type { FleetAnswer, FleetCommand, FleetOrder } from './fleet-words.js'

/** How many answers of a kind have come, and who waits for the next. */
class FleetProcess {
  readonly child: ChildProcess
  readonly #unread: FleetAnswer[] = []
  #heard: () => void = () => undefined

  private constructor(args: readonly string[], judge: FleetJudge, root: string) {
    this.child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.child.on('message', (answer: FleetAnswer) => {
      if (answer.is === 'news') {
        judge.hear(answer.news)
        return
      }
      this.#unread.push(answer)
      this.#heard()
    })
    this.child.on('exit', () => this.#heard())
  }

  /** `root` is whose sources it runs. */
  static async start(order: FleetOrder, judge: FleetJudge, root: string): Promise<FleetProcess> {
    const program = await argsOf(join(root, 'test/faults/fleet-child.ts'))
    return new FleetProcess([...program, JSON.stringify(order)], judge, root)
  }

  async hear(): Promise<FleetAnswer> {
    for (;;) {
      const answer = this.#unread.shift()
      if (answer !== undefined) return answer
      if (this.child.exitCode !== null) throw new Error('a process of the fleet has ended')
      await new Promise<void>((resolve) => (this.#heard = resolve))
    }
  }
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** How many clients, and whose sources they are started from, in turn: those of this checkout unless it is said. */
export interface FleetShape {
  readonly clients?: number
  readonly roots?: readonly string[]
}

/** Clients, three unless it is said, and a relay. */
export class Fleet implements AsyncDisposable {
  readonly judge = new FleetJudge()
  readonly #order: Omit<FleetOrder, 'role' | 'seed'>
  readonly #clients: FleetProcess[] = []
  readonly #roots: readonly string[]
  #relay: FleetProcess | undefined
  #relays = 0

  private constructor(order: Omit<FleetOrder, 'role' | 'seed'>, roots: readonly string[]) {
    this.#order = order
    this.#roots = roots
  }

  static async start(
    order: Omit<FleetOrder, 'role' | 'seed'>,
    seed: number,
    { clients = 3, roots = [ROOT] }: FleetShape = {},
  ): Promise<Fleet> {
    const fleet = new Fleet(order, roots)
    for (let index = 0; index < clients; index += 1) {
      const mine = { ...order, role: 'client', seed: seed * 100 + index } as const
      fleet.#clients.push(await FleetProcess.start(mine, fleet.judge, fleet.#rootOf(index)))
    }
    await Promise.all([...fleet.#clients.map((client) => client.hear()), fleet.startRelay()])
    return fleet
  }

  async startRelay(): Promise<void> {
    const root = this.#rootOf(this.#relays)
    this.#relays += 1
    this.#relay = await FleetProcess.start({ ...this.#order, role: 'relay', seed: 0 }, this.judge, root)
    await this.#relay.hear()
  }

  killRelay(): void {
    this.#relay?.child.kill('SIGKILL')
  }

  /** Stands still as a whole, with whatever lies in its buffers. */
  async suspend(who: number | 'relay', forMs: number): Promise<void> {
    const process = who === 'relay' ? this.#relay : this.#clients[who % this.#clients.length]
    process?.child.kill('SIGSTOP')
    await wait(forMs)
    process?.child.kill('SIGCONT')
  }

  go(): void {
    for (const { child } of this.#clients) child.send('go' satisfies FleetCommand)
  }

  async rest(): Promise<void> {
    await this.#all('rest')
  }

  /** What every client answers for every row, from memory and by asking. */
  async look(): Promise<readonly (readonly string[])[]> {
    const looked = await this.#all('look')
    return looked.map((answer) => (answer.is === 'looked' ? answer.states : []))
  }

  #rootOf(turn: number): string {
    return this.#roots[turn % this.#roots.length] ?? ROOT
  }

  #all(command: FleetCommand): Promise<readonly FleetAnswer[]> {
    return Promise.all(
      this.#clients.map((client) => {
        client.child.send(command)
        return client.hear()
      }),
    )
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const { child } of [...this.#clients, ...(this.#relay === undefined ? [] : [this.#relay])]) {
      child.kill('SIGKILL')
    }
    return Promise.resolve()
  }
}
