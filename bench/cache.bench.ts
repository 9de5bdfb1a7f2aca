/**
 * The read-through cache beside bentocache, cacheable and cache-manager, on a server of its own for each.
 *
 * Behaviour first: how often a cold value is loaded by four instances, quickly and by a slow loader, what is served after
 * the stale-set schedule, how often a loader that throws is called, how long a read hangs on a frozen server. Then cost:
 * of a hit, with and without the in-process tier, and of voiding 100,000 values: the median of several rounds, each of
 * which stores them all again.
 */

import { openPrivateRedis } from '@kerp/redis/testing'
import { type Instance, type Peer, PEERS } from './cache-peers.js'
import { median, rounded } from './figures.js'

const VALUES = Number(process.env['BENCH_CACHE_VALUES'] ?? '100000')
const HITS = Number(process.env['BENCH_CACHE_HITS'] ?? '4000')
const FROZEN_MS_MAX = 3_000
const INSTANCES = 4
const VOID_ROUNDS = Number(process.env['BENCH_CACHE_VOID_ROUNDS'] ?? '3')
const QUICK_LOAD_MS = 20
const SLOW_LOAD_MS = 200
/** Names to run alone, separated by commas; all when it is empty. */
const ONLY = (process.env['BENCH_CACHE_PEERS'] ?? '').split(',').filter((name) => name !== '')

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Loads of a cold value that four instances read 250 times each, and whose load takes so long. */
async function coldLoads(instances: readonly Instance[], loadMs: number): Promise<number> {
  let loads = 0
  const load = async (): Promise<string> => {
    loads += 1
    await sleep(loadMs)
    return 'v'
  }
  await Promise.all(
    instances.flatMap((instance) => Array.from({ length: 250 }, () => instance.read(`cold ${loadMs}`, load))),
  )
  return loads
}

/** What both instances serve after: slow load reads v1, v2 is committed and invalidated, the load ends. */
async function staleSet([one, other]: readonly Instance[]): Promise<string> {
  if (one === undefined || other === undefined) return 'not run'
  let row = 'v1'
  let release: () => void = () => undefined
  const held = new Promise<void>((resolve) => (release = resolve))
  const slow = one.read('row', async () => {
    const seen = row
    await held
    return seen
  })
  await sleep(100)
  row = 'v2'
  await other.invalidate('row')
  release()
  await slow
  await sleep(50)
  const fresh = (): Promise<string> => Promise.resolve(row)
  const served = [await one.read('row', fresh), await other.read('row', fresh)]
  return served.every((value) => value === 'v2') ? 'right' : `stale (${served.join(', ')})`
}

/** Calls of a loader that always throws, for 100 reads. */
async function throwingLoads(instances: readonly Instance[]): Promise<number> {
  let loads = 0
  const load = async (): Promise<string> => {
    loads += 1
    await sleep(5)
    throw new Error('down')
  }
  const reads = Array.from({ length: 25 }, () => instances.map((instance) => instance.read('broken', load)))
  await Promise.allSettled(reads.flat())
  return loads
}

/** Median cost of one hit, one after the other, in µs. */
async function hitUs(instance: Instance): Promise<number> {
  const load = (): Promise<string> => Promise.resolve('x'.repeat(200))
  await instance.read('hot', load)
  for (let hit = 0; hit < HITS / 4; hit += 1) await instance.read('hot', load)
  const times: number[] = []
  for (let batch = 0; batch < HITS / 20; batch += 1) {
    const beginMs = performance.now()
    for (let hit = 0; hit < 20; hit += 1) await instance.read('hot', load)
    times.push((performance.now() - beginMs) / 20)
  }
  return median(times) * 1_000
}

/** Median time to void all of so many values, in ms; no number when one of them was still there. */
async function voidMs(instance: Instance): Promise<number> {
  const times: number[] = []
  for (let round = 0; round < VOID_ROUNDS; round += 1) {
    await fill(instance, `v${round}`)
    const beginMs = performance.now()
    await instance.invalidateAll()
    times.push(performance.now() - beginMs)
    const after = await instance.read('k1', () => Promise.resolve('new'))
    if (after !== 'new') return Number.NaN
    // What is loaded next is stored beside nothing of this round.
    await instance.invalidateAll()
  }
  return median(times)
}

async function fill(instance: Instance, value: string): Promise<void> {
  const chunk = 500
  for (let at = 0; at < VALUES; at += chunk) {
    const reads = Array.from({ length: chunk }, (_, index) =>
      instance.read(`k${at + index}`, () => Promise.resolve(value)),
    )
    await Promise.all(reads)
  }
}

/** How long a read waits while the server is frozen, in ms, at most three seconds. */
async function frozenMs(instance: Instance): Promise<number> {
  const beginMs = performance.now()
  const read = instance.read('other', () => Promise.resolve('v')).catch(() => undefined)
  await Promise.race([read, sleep(FROZEN_MS_MAX)])
  return performance.now() - beginMs
}

async function measure(peer: Peer): Promise<Readonly<Record<string, string | number>>> {
  await using server = await openPrivateRedis({ tcp: true })
  const instances = await Promise.all(Array.from({ length: INSTANCES }, () => peer.open(server.url, {})))
  const behaviour = {
    coldLoads: await coldLoads(instances, QUICK_LOAD_MS),
    slowColdLoads: await coldLoads(instances, SLOW_LOAD_MS),
    staleSet: await staleSet(instances),
    throwingLoads: await throwingLoads(instances),
  }
  const local = await peer.open(server.url, { local: true })
  const usual = await peer.open(server.url, { usualDeadlines: true })
  const [first] = instances
  const cost = {
    hitUs: rounded(await hitUs(first ?? local), 1),
    localHitUs: rounded(await hitUs(local)),
    voidMs: rounded(await voidMs(first ?? local)),
  }
  await usual.read('hot', () => Promise.resolve('v'))
  server.pause()
  const waitedMs = await frozenMs(usual)
  const frozen = waitedMs >= FROZEN_MS_MAX ? `> ${FROZEN_MS_MAX}` : waitedMs.toFixed(1)
  server.resume()
  await Promise.allSettled([...instances, local, usual].map((instance) => instance.close()))
  return { peer: peer.name, ...behaviour, ...cost, frozenMs: frozen }
}

async function main(): Promise<void> {
  const figures: Readonly<Record<string, string | number>>[] = []
  const peers = PEERS.filter(({ name }) => ONLY.length === 0 || ONLY.includes(name))
  for (const peer of peers) figures.push(await measure(peer))
  console.table(figures)
  console.log(JSON.stringify({ bench: 'cache', values: VALUES, figures }))
  const [ours] = figures
  const { coldLoads: cold, slowColdLoads: slow, throwingLoads: throwing, staleSet: stale } = ours ?? {}
  if ([cold, slow, throwing].some((loads) => loads !== 1) || stale !== 'right') process.exitCode = 1
}

// What a frozen server does to clients of others comes after their own ends, and is no part of the measurement.
process.on('unhandledRejection', () => undefined)
await main()
process.exit()
