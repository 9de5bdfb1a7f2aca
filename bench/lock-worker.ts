/**
 * One process of the contended lock bench: 25 workers that want one key, again and again, as one contestant.
 *
 * Its parent says when to begin, so that starting up is not measured; it answers with each section's times and the
 * names of the commands that it sent.
 */

import { setTimeout as wait } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { Section } from './lock-figures.js'
import { peerOf } from './lock-peers.js'

/** What the process is to do. */
export interface ContendOrder {
  readonly peer: string
  readonly key: string
  readonly workers: number
  readonly holdMs: number
  /** Longest pause between two sections of one worker, in ms; 0: greedy. */
  readonly pauseMsMax: number
  readonly forMs: number
}

/** What it tells when it is over. */
export interface ContendAnswer {
  readonly sections: readonly Section[]
  readonly commands: readonly string[]
}

const [socketPath = ''] = process.argv.slice(2)
// A lock may listen on a connection of its own.
const commands = new Set(['subscribe'])

/** Remembers the names of what it sends. */
class NotingRedis extends Redis {
  override sendCommand(...args: Parameters<Redis['sendCommand']>): unknown {
    commands.add(args[0].name.toLowerCase())
    return super.sendCommand(...args)
  }
}

/** Since the machine started, in ms: the same in every process. */
function sharedMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

async function contend(order: ContendOrder): Promise<void> {
  const redis = new NotingRedis(socketPath)
  const take = peerOf(order.peer).open(redis)
  const giveBack = await take(`warm-${process.pid}`)
  await giveBack()
  process.send?.('warm')
  await new Promise((resolve) => process.once('message', resolve))
  const sections: Section[] = []
  const endMs = sharedMs() + order.forMs
  const work = Array.from({ length: order.workers }, async (_, worker) => {
    while (sharedMs() < endMs) {
      const askedMs = sharedMs()
      const give = await take(order.key)
      const begunMs = sharedMs()
      await wait(order.holdMs)
      const endedMs = sharedMs()
      await give()
      if (endedMs <= endMs) sections.push({ worker, askedMs, begunMs, endedMs })
      if (order.pauseMsMax > 0) await wait(Math.random() * order.pauseMsMax)
    }
  })
  // Whoever still waits when the time is over is served, and not counted.
  await Promise.all(work)
  process.send?.({ sections, commands: [...commands] } satisfies ContendAnswer)
}

process.on('disconnect', () => process.exit())
process.once('message', (order: ContendOrder) => void contend(order))
process.send?.('ready')
