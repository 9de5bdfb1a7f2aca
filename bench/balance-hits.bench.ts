/**
 * Rows held in the process: what a hit costs beside caches that check less, what a row costs in memory, how soon a
 * commit is seen in another process, and what a Redis that freezes or dies costs a read.
 *
 * Hits are timed by the CPU time of this process, for the machine may be busy with others.
 */

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { BalanceCache } from '@kerp/balance-cache'
import type { OutboxSource, RegisterImage, RegisterRef, RegisterSource } from '@kerp/core'
import { createKeys } from '@kerp/keys'
import { closeRedis, connectRedis, type RedisClient } from '@kerp/redis'
import { openPrivateRedis } from '@kerp/redis/testing'
import { OutboxRelay, Registers } from '@kerp/registers'
import { percentile, rounded } from './figures.js'
import { heldPeers } from './held-peers.js'

const BALANCES = 10_000
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? '300')
const COMPANY = 'bench'
const EPOCH = '7.1.1.1.1.1'
const keys = createKeys()

/** One company whose rows all exist, and an outbox to which changes are added by hand. */
class Bench implements RegisterSource {
  readonly log: RegisterImage[] = []
  readonly rows = new Map<string, RegisterImage>()

  load(_companyId: string, refs: readonly RegisterRef[]) {
    return Promise.resolve({
      epoch: EPOCH,
      asOfMs: 1_767_225_600_000,
      images: refs.map((ref) => this.row(ref)),
    })
  }

  list() {
    return Promise.resolve({ epoch: EPOCH, asOfMs: 1_767_225_600_000, images: [] })
  }

  row(ref: RegisterRef): RegisterImage {
    const number = BigInt(ref.parts[0])
    const fields = [String(number * 123_456_789_012n), String(number * 98_765_432_109n)] as const
    return this.rows.get(ref.parts[0]) ?? { ref, version: 7, fields }
  }

  commit(ref: RegisterRef): RegisterImage {
    const before = this.row(ref)
    const image = { ...before, version: before.version + 1, fields: [`${before.version}`, '0'] as const }
    this.rows.set(ref.parts[0], image)
    this.log.push(image)
    return image
  }

  readonly outbox: OutboxSource = {
    tick: ({ after, limit }) => {
      const target = String(this.log.length)
      const rows = this.log
        .slice(Number(after ?? target), Number(after ?? target) + limit)
        .map((image, index) => ({
          id: String(Number(after ?? 0) + index + 1),
          companyId: COMPANY,
          change: { kind: 'image' as const, image },
        }))
      return Promise.resolve({ epoch: EPOCH, asOfMs: 1_767_225_600_000, target, trimmedTo: undefined, rows })
    },
    page: () => Promise.resolve({ epoch: EPOCH, rows: [] }),
    companies: () => Promise.resolve([COMPANY]),
    covers: (later, earlier) => Number(later) >= Number(earlier),
    onWake: () => Promise.resolve({ close: () => Promise.resolve() }),
  }
}

function accountRef(index: number) {
  return { companyId: COMPANY, account: String(10_000 + index), fiscalYear: 2026 }
}

function registersOf(redis: RedisClient, bench: Bench, options: object = {}): Registers {
  return new Registers({ redis, keys, source: bench, localTier: { positions: bench.outbox }, ...options })
}

/** CPU nanoseconds of one call: the best of several rounds over all keys. */
function cpuNs(call: (index: number) => unknown): number {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round += 1) {
    const begun = process.cpuUsage()
    for (let index = 0; index < BALANCES; index += 1) call(index)
    const { user, system } = process.cpuUsage(begun)
    best = Math.min(best, ((user + system) * 1_000) / BALANCES)
  }
  return best
}

/** The same for calls that answer later: all keys one after the other, as a request would read them. */
async function cpuNsAwaited(call: (index: number) => unknown, rounds: number): Promise<number> {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds; round += 1) {
    const begun = process.cpuUsage()
    for (let index = 0; index < BALANCES; index += 1) await call(index)
    const { user, system } = process.cpuUsage(begun)
    best = Math.min(best, ((user + system) * 1_000) / BALANCES)
  }
  return best
}

/** A hit of ours beside a hit of each library that holds values in memory, in one run. */
async function hitsBesidePeers(balances: BalanceCache, peekNs: number, socketPath: string): Promise<void> {
  const rows = [{ name: 'BalanceCache.peek', ns: peekNs }]
  const ref = accountRef(0)
  const refs = Array.from({ length: BALANCES }, (_, index) => accountRef(index))
  const getNs = await cpuNsAwaited((index) => balances.get(refs[index] ?? ref), 20)
  rows.push({ name: 'BalanceCache.get, awaited', ns: getNs })
  for (const peer of await heldPeers(socketPath)) {
    const names = refs.map((each) => keys.balance(each) as string)
    for (const name of names) await peer.hold(name, { debit: 123_456_789_012n, credit: 98_765_432_109n })
    const read = (index: number): unknown => peer.read(names[index] ?? '')
    if ((await read(1)) === undefined) throw new RangeError(`${peer.name} holds nothing`)
    const ns = read(1) instanceof Promise ? await cpuNsAwaited(read, 20) : cpuNs(read)
    rows.push({ name: peer.name, ns })
    peer.close?.()
  }
  const figures = rows.map(({ name, ns }) => ({
    name,
    ns: Math.round(ns),
    peeks: rounded(ns / peekNs, 1),
  }))
  console.table(figures)
  console.log(JSON.stringify({ bench: 'local-tier-hits', balances: BALANCES, figures }))
}

/** Reads until all rows are held and trusted. */
async function hold(balances: BalanceCache): Promise<void> {
  const refs = Array.from({ length: BALANCES }, (_, index) => accountRef(index))
  for (let round = 0; round < 200; round += 1) {
    for (let from = 0; from < BALANCES; from += 1_000) await balances.getMany(refs.slice(from, from + 1_000))
    if (refs.every((ref) => balances.peek(ref) !== undefined)) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new RangeError('the rows were not held')
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

function usedBytes(): number {
  collectGarbage()
  return process.memoryUsage().heapUsed
}

/** From the acknowledged commit to the other process's memory, by the fast path and by the relay. */
async function seenAfterMs(
  bench: Bench,
  writer: Registers,
  reader: BalanceCache,
): Promise<readonly number[]> {
  const times: number[] = []
  for (let index = 0; index < 2_000; index += 1) {
    const ref = accountRef(index % BALANCES)
    const image = bench.commit({ companyId: COMPANY, family: 'balance', parts: [ref.account, '2026'] })
    const begunMs = performance.now()
    void writer.apply({ epoch: EPOCH, images: [image] })
    while ((reader.peek(ref)?.version ?? 0) < image.version && performance.now() < begunMs + 2_000) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    times.push(performance.now() - begunMs)
  }
  return times
}

async function readMs(balances: BalanceCache, index: number): Promise<number> {
  const begunMs = performance.now()
  await balances.get(accountRef(index))
  return performance.now() - begunMs
}

async function main(): Promise<void> {
  await using server = await openPrivateRedis()
  const options = { path: server.socketPath }
  const [relayRedis, readerRedis, writerRedis] = [
    await connectRedis(options),
    await connectRedis(options),
    await connectRedis(options),
  ]
  const bench = new Bench()
  const relay = new OutboxRelay({ redis: relayRedis, keys, outbox: bench.outbox, pollMs: 10 })
  relay.start()
  const usedBefore = await redisBytes(readerRedis)
  const heapBefore = usedBytes()
  const observer = { localTierDrop: ({ reason }: { reason: string }) => console.log('dropped:', reason) }
  const patient = {
    observer,
    redisDeadlineMs: 1_000,
    localTier: { positions: bench.outbox, maxStalenessMs: 10_000 },
  }
  const registers = registersOf(readerRedis, bench, patient)
  const balances = new BalanceCache({ registers, source: bench })
  await hold(balances)
  const l1Bytes = (usedBytes() - heapBefore) / BALANCES
  const redisBytesEach = ((await redisBytes(readerRedis)) - usedBefore) / BALANCES
  const writer = registersOf(writerRedis, bench, { localTier: undefined, redisDeadlineMs: 1_000 })

  const refs = Array.from({ length: BALANCES }, (_, index) => accountRef(index))
  const map = new Map(refs.map((ref) => [ref.account, ref]))
  let misses = 0
  const figures: Record<string, number> = {
    mapGetNs: cpuNs((index) => {
      if (!map.has(refs[index]?.account ?? '')) misses += 1
    }),
    twoClocksNs: cpuNs(() => performance.now() + Date.now()),
    peekNs: cpuNs((index) => {
      if (balances.peek(refs[index] ?? accountRef(0)) === undefined) misses += 1
    }),
    misses,
    l1BytesPerBalance: l1Bytes,
    redisBytesPerBalance: redisBytesEach,
  }
  await hitsBesidePeers(balances, figures['peekNs'] ?? Number.NaN, server.socketPath)
  const times = await seenAfterMs(bench, writer, balances)
  figures['seenP50Ms'] = percentile(times, 0.5)
  figures['seenP99Ms'] = percentile(times, 0.99)
  Object.assign(figures, await hitsWhileWritten(bench, writer, balances))

  const bounded = registersOf(readerRedis, bench)
  const cold = new BalanceCache({ registers: bounded, source: bench })
  await cold.get(accountRef(1))
  server.pause()
  figures['frozenFirstMs'] = await readMs(cold, 2)
  figures['frozenNextMs'] = percentile(await series(() => readMs(cold, 3)), 0.5)
  server.resume()
  await server.kill()
  figures['deadFirstMs'] = await readMs(cold, 4)
  figures['deadNextMs'] = percentile(await series(() => readMs(cold, 5)), 0.5)
  for (const part of [registers, writer, bounded, relay]) await part.close()
  for (const redis of [relayRedis, readerRedis, writerRedis]) await closeRedis(redis)
  console.table(figures)
  console.log(JSON.stringify({ bench: 'local-tier', balances: BALANCES, figures }))
}

/** The share of reads answered from memory while every balance is being written. */
async function hitsWhileWritten(bench: Bench, writer: Registers, reader: BalanceCache) {
  let [hits, reads] = [0, 0]
  for (let index = 0; index < 5_000; index += 1) {
    const account = String(10_000 + (index % 500))
    const image = bench.commit({ companyId: COMPANY, family: 'balance', parts: [account, '2026'] })
    await writer.apply({ epoch: EPOCH, images: [image] })
    const { source } = await reader.get(accountRef((index * 7) % 500))
    reads += 1
    if (source === 'l1') hits += 1
  }
  return { hitRateWhileWritten: hits / reads }
}

async function series(read: () => Promise<number>): Promise<readonly number[]> {
  const times: number[] = []
  for (let index = 0; index < 50; index += 1) times.push(await read())
  return times
}

async function redisBytes(redis: RedisClient): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1] ?? Number.NaN)
}

await main()
