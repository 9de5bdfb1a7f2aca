/**
 * Locks against what else there is on npm, on one server in one run: what an uncontended pair costs, what 50 workers
 * on one key get, and how soon a lock goes on when its holder or the next in line dies.
 *
 * Ratios count, not figures: on two cores the same pair takes 12 or 80 µs, as the processes happen to lie.
 */

import { openPrivateRedis } from '@kerp/redis/testing'
import type { Redis } from 'ioredis'
import { median, percentile, rounded } from './figures.js'
import { contend, type Contention } from './lock-contention.js'
import { PEERS, type Take } from './lock-peers.js'
import { measureRecovery } from './lock-recovery.js'

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? '7')
const ROUND_MS = Number(process.env['BENCH_ROUND_MS'] ?? '5000')
const PAIRS = 4_000
const KEYS = Array.from({ length: 100 }, (_, index) => `K${index}`)

/** Takes and gives back `PAIRS` times, with so many callers at once, each on keys of its own. */
async function runPairs(take: Take, callers: number): Promise<{ perSecond: number; latenciesUs: number[] }> {
  const latenciesUs: number[] = []
  const startMs = performance.now()
  const caller = async (index: number): Promise<void> => {
    for (let pair = index; pair < PAIRS; pair += callers) {
      const beginMs = performance.now()
      const giveBack = await take(KEYS[pair % KEYS.length] ?? '')
      await giveBack()
      latenciesUs.push((performance.now() - beginMs) * 1_000)
    }
  }
  await Promise.all(Array.from({ length: callers }, (_, index) => caller(index)))
  return { perSecond: (PAIRS / (performance.now() - startMs)) * 1_000, latenciesUs }
}

/** All contestants in turn in every round, in changing order; medians of the rounds. */
async function uncontended(open: () => Redis, callers: number): Promise<readonly object[]> {
  const contestants = PEERS.filter(({ isTuned }) => isTuned !== true).map((peer) => ({
    name: peer.name,
    take: peer.open(open()),
    done: [] as Awaited<ReturnType<typeof runPairs>>[],
  }))
  for (const { take } of contestants) await runPairs(take, callers)
  for (let round = 0; round < ROUNDS; round += 1) {
    const inTurn = [
      ...contestants.slice(round % contestants.length),
      ...contestants.slice(0, round % contestants.length),
    ]
    for (const { take, done } of inTurn) done.push(await runPairs(take, callers))
  }
  const first = contestants[0]?.done ?? []
  return contestants.map(({ name, done }) => ({
    name,
    callers,
    pairsPerSecond: Math.round(median(done.map(({ perSecond }) => perSecond))),
    p50Us: rounded(median(done.map(({ latenciesUs }) => percentile(latenciesUs, 0.5))), 0),
    p99Us: rounded(median(done.map(({ latenciesUs }) => percentile(latenciesUs, 0.99))), 0),
    // Of each round by itself: what else the machine did then slowed both.
    ratio: rounded(
      median(done.map(({ perSecond }, round) => perSecond / (first[round]?.perSecond ?? Number.NaN))),
    ),
  }))
}

/** With ratios to redlock as it comes. */
function compared(runs: readonly Contention[]): readonly object[] {
  const base = runs.find(({ name }) => name === 'redlock 4.2.0')?.sectionsPerSecond ?? Number.NaN
  return runs.map((run) => ({ ...run, ratio: rounded(run.sectionsPerSecond / base) }))
}

async function main(): Promise<void> {
  await using server = await openPrivateRedis()
  const opened: Redis[] = []
  const open = (): Redis => {
    const client = server.client()
    opened.push(client)
    return client
  }
  const control = open()
  const one = await uncontended(open, 1)
  console.log('\nTake and give back, one caller, 100 keys')
  console.table(one)
  const fifty = await uncontended(open, 50)
  console.log('\nTake and give back, 50 callers, keys of their own')
  console.table(fifty)
  const busy: Contention[] = []
  const greedy: Contention[] = []
  for (const peer of PEERS)
    busy.push(await contend(server, control, peer, { pauseMsMax: 200, forMs: ROUND_MS }))
  for (const peer of PEERS)
    greedy.push(await contend(server, control, peer, { pauseMsMax: 0, forMs: ROUND_MS }))
  console.log('\n50 workers in two processes on one key, hold 5 ms, pause 0–200 ms')
  console.table(compared(busy))
  console.log('\nThe same without a pause')
  console.table(compared(greedy))
  const recovery = await measureRecovery()
  console.log('\nWhen somebody dies or falls silent')
  console.table(recovery)
  console.log(
    JSON.stringify({
      bench: 'lock',
      rounds: ROUNDS,
      one,
      fifty,
      busy: compared(busy),
      greedy: compared(greedy),
      recovery,
    }),
  )
  for (const client of opened) client.disconnect()
}

await main()
