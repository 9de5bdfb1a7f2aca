/** Processes that send what a torture asks for, killed and followed by others until everything has passed. */

import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { argsOf } from '../support/programs.js'
import type { TortureWork } from './torture-worker.js'

/** What all processes together were told, and what they have still to send. */
export class Told {
  /** Of each id in its space, the hash of what was answered. */
  readonly answers = new Map<string, number>()
  readonly differing: string[] = []
  readonly negative: string[] = []
  readonly refusals = new Map<string, number>()
  sendings = 0
  /** Answers that were none: the database was not reached in time, or the outcome was not known. */
  retries = 0

  hear(line: string): void {
    const [word = '', ...rest] = line.split(' ')
    if (word === 'done') {
      this.sendings += 1
      const [space = '', id = '', hash = ''] = rest
      const name = `${space} ${id}`
      const before = this.answers.get(name)
      if (before === undefined) this.answers.set(name, Number(hash))
      else if (before !== Number(hash)) this.differing.push(name)
    } else if (word === 'refused') {
      this.sendings += 1
      const code = rest[1] ?? ''
      this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1)
    } else if (word === 'retried') {
      this.sendings += 1
      this.retries += 1
    } else if (word === 'negative') {
      this.negative.push(line)
    }
  }
}

/** One process after the other for one seed: when one is killed, the next goes on where it stood. */
export class Sender {
  passed = new Set<number>()
  from: number
  isOver = false
  #child: ChildProcess | undefined

  constructor(
    private readonly work: TortureWork,
    private readonly told: Told,
  ) {
    this.from = work.from
  }

  /** Resolves when every number was passed. */
  async run(): Promise<void> {
    while (!this.isOver) await this.#runOne()
  }

  kill(): void {
    this.#child?.kill('SIGKILL')
  }

  get left(): number {
    return this.work.to - this.from
  }

  async #runOne(): Promise<void> {
    const args = await argsOf(join(import.meta.dirname, 'torture-worker.ts'))
    const child = spawn(process.execPath, args, {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#child = child
    child.stdin.on('error', () => undefined)
    child.stdin.write(`${JSON.stringify({ ...this.work, from: this.from })}\n`)
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.startsWith('passed ')) this.#pass(Number(line.slice(7)))
      else if (line.startsWith('over ')) this.isOver = true
      else this.told.hear(line)
    }
  }

  #pass(n: number): void {
    this.passed.add(n)
    while (this.passed.delete(this.from)) this.from += 1
  }
}

/** Runs one blow after the other, each when a further part of everything has passed. */
export async function strike(senders: readonly Sender[], blows: readonly (() => unknown)[]): Promise<void> {
  const leftNow = (): number => senders.reduce((sum, { left }) => sum + left, 0)
  const total = leftNow()
  for (const [at, blow] of blows.entries()) {
    while (leftNow() >= total * (1 - (at + 1) / (blows.length + 1))) await wait(LOOK_EVERY_MS)
    await blow()
  }
}

const LOOK_EVERY_MS = 20
