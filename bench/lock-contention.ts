/** 50 workers in two processes on one key: sections, hand-offs, commands and fairness of each contestant. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { PrivateRedis } from '@kerp/redis/testing'
import type { Redis } from 'ioredis'
import { percentile, rounded } from './figures.js'
import { handOffsMs, jain, overlapsOf, type Section } from './lock-figures.js'
import type { LockPeer } from './lock-peers.js'
import type { ContendAnswer, ContendOrder } from './lock-worker.js'

/** What one run of one contestant showed. */
export interface Contention {
  readonly name: string
  readonly sectionsPerSecond: number
  readonly handOffP50Ms: number
  readonly handOffP99Ms: number
  readonly waitP99Ms: number
  readonly commandsPerSection: number
  readonly jain: number
  readonly least: number
  readonly most: number
  readonly overlaps: number
}

const WORKERS = 25
const HOLD_MS = 5
const SCRIPT = fileURLToPath(new URL('lock-worker.ts', import.meta.url))

/** Runs one contestant for `forMs`; `pauseMsMax` 0 is greedy. */
export async function contend(
  server: PrivateRedis,
  redis: Redis,
  peer: LockPeer,
  { pauseMsMax, forMs }: { readonly pauseMsMax: number; readonly forMs: number },
): Promise<Contention> {
  await redis.flushall()
  const key = `hot-${pauseMsMax}`
  const order = { peer: peer.name, key, workers: WORKERS, holdMs: HOLD_MS, pauseMsMax, forMs }
  const children = await Promise.all([startChild(server.socketPath), startChild(server.socketPath)])
  try {
    await Promise.all(children.map((child) => tell(child, order)))
    await redis.config('RESETSTAT')
    const answers = await Promise.all(children.map((child) => tell<ContendAnswer>(child, 'go')))
    const sent = new Set(answers.flatMap(({ commands }) => commands))
    const commands = await callsOf(redis, sent)
    const sections = answers.flatMap((answer, index) =>
      answer.sections.map((section) => ({ ...section, worker: section.worker + index * WORKERS })),
    )
    return figuresOf(peer.name, sections, commands, forMs)
  } finally {
    for (const child of children) child.kill()
  }
}

async function startChild(socketPath: string): Promise<ChildProcess> {
  const args = [...process.execArgv, SCRIPT, socketPath]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  await once(child, 'message')
  return child
}

async function tell<T>(child: ChildProcess, message: ContendOrder | 'go'): Promise<T> {
  const answer = once(child, 'message')
  child.send(message)
  const [told] = (await answer) as [T]
  return told
}

/**
 * How often Redis ran the commands that clients sent. What only scripts run inside is not counted: it costs no
 * round trip and no parsing.
 */
async function callsOf(redis: Redis, sent: ReadonlySet<string>): Promise<number> {
  const stats = await redis.info('commandstats')
  let calls = 0
  for (const [, name = '', count = '0'] of stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)) {
    if (sent.has(name.split('|')[0] ?? '')) calls += Number(count)
  }
  return calls
}

function figuresOf(name: string, sections: readonly Section[], commands: number, forMs: number): Contention {
  const counts = Array.from<number>({ length: 2 * WORKERS }).fill(0)
  for (const { worker } of sections) counts[worker] = (counts[worker] ?? 0) + 1
  const handOffs = handOffsMs(sections)
  return {
    name,
    sectionsPerSecond: Math.round((sections.length / forMs) * 1_000),
    handOffP50Ms: rounded(percentile(handOffs, 0.5)),
    handOffP99Ms: rounded(percentile(handOffs, 0.99)),
    waitP99Ms: Math.round(
      percentile(
        sections.map(({ askedMs, begunMs }) => begunMs - askedMs),
        0.99,
      ),
    ),
    commandsPerSection: rounded(commands / sections.length),
    jain: rounded(jain(counts), 3),
    least: Math.min(...counts),
    most: Math.max(...counts),
    overlaps: overlapsOf(sections),
  }
}
