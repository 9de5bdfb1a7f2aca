/**
 * What metrics cost: one update beside prom-client's own with the same labels, full metrics on a pipelined GET, and how
 * long a scrape of 50,000 series holds the event loop. All contestants run in turn in every round; of single updates
 * the fastest round counts, as the machine is shared, of everything else the median.
 */

import { createMetrics } from '@kerp/metrics'
import { openPrivateRedis } from '@kerp/redis/testing'
import { createRedis, whenReady } from '@kerp/redis'
import { Counter, Histogram, Registry } from 'prom-client'
import { median, rounded } from './figures.js'

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? '400')
// So few that a round fits between two turns of the scheduler.
const CALLS = 5_000
const PIPELINE = 200
const GETS = 10_000

const registry = new Registry()
const metrics = createMetrics({ registry })
const { observer } = metrics
const theirs = new Registry()
const labelNames = ['operation', 'status']
const counter = new Counter({ name: 'a_total', help: 'a', labelNames, registers: [theirs] })
const histogram = new Histogram({
  name: 'a_seconds',
  help: 'a',
  labelNames: ['operation'],
  registers: [theirs],
})

const requests = [
  { type: 'balance', result: 'hit', count: 1 },
  { type: 'inventory', result: 'miss', count: 1 },
] as const
const reads = [
  { type: 'balance', elapsedMs: 0.4 },
  { type: 'inventory', elapsedMs: 3 },
] as const
const labels = [
  { operation: 'get', status: 'ok' },
  { operation: 'set', status: 'error' },
]
const operations = [{ operation: 'get' }, { operation: 'set' }]

type Update = (index: number) => void
let called = 0
const updates: Readonly<Record<string, Update>> = {
  'the loop alone': (index) => {
    const request = requests[index & 1]
    if (request !== undefined) called += request.count
  },
  'labelled counter, ours': (index) => {
    const request = requests[index & 1]
    if (request !== undefined) observer.cacheRequest(request)
  },
  'labelled counter, prom-client': (index) => counter.inc(labels[index & 1] ?? {}),
  'histogram, ours': (index) => {
    const read = reads[index & 1]
    if (read !== undefined) observer.cacheRead(read)
  },
  'histogram, prom-client': (index) => histogram.observe(operations[index & 1] ?? {}, 0.0004 * (index & 15)),
}

function fastestNs(): Readonly<Record<string, number>> {
  const best: Record<string, number> = {}
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, update] of Object.entries(updates)) {
      const begunMs = performance.now()
      for (let index = 0; index < CALLS; index += 1) update(index)
      const ns = ((performance.now() - begunMs) * 1e6) / CALLS
      best[name] = Math.min(best[name] ?? Number.POSITIVE_INFINITY, ns)
    }
  }
  return best
}

/** Client CPU of one GET in µs, by who counts and times it. */
async function cpuOfGets(): Promise<Readonly<Record<string, number>>> {
  const server = await openPrivateRedis()
  const redis = createRedis({ url: server.url })
  await whenReady(redis, 10_000)
  await redis.set('key', 'value')
  const ours = (begunMs: number): void =>
    observer.redisOperation({ operation: 'get', status: 'ok', elapsedMs: performance.now() - begunMs })
  const prom = (begunMs: number): void => {
    counter.inc({ operation: 'get', status: 'ok' })
    histogram.observe({ operation: 'get' }, (performance.now() - begunMs) / 1_000)
  }
  const contestants = { none: undefined, ours, 'prom-client': prom }
  const found: Record<string, number[]> = { none: [], ours: [], 'prom-client': [] }
  for (let round = 0; round < 25; round += 1) {
    for (const [name, ended] of Object.entries(contestants)) {
      const before = process.cpuUsage()
      for (let sent = 0; sent < GETS; sent += PIPELINE) {
        const calls: Promise<unknown>[] = []
        for (let index = 0; index < PIPELINE; index += 1) {
          const begunMs = performance.now()
          const call = redis.get('key')
          calls.push(ended === undefined ? call : call.then(() => ended(begunMs)))
        }
        await Promise.all(calls)
      }
      const { user, system } = process.cpuUsage(before)
      found[name]?.push((user + system) / GETS)
    }
  }
  redis.disconnect()
  await server.close()
  return Object.fromEntries(Object.entries(found).map(([name, values]) => [name, median(values)]))
}

/** The most CPU between two turns of the event loop during a scrape, in ms; not time, as the machine is shared. */
async function holdOf(scrape: () => Promise<number>): Promise<{ holdMs: number; lines: number }> {
  let longest = 0
  let isDone = false
  let lastMs = cpuMs()
  const turn = (): void => {
    const nowMs = cpuMs()
    longest = Math.max(longest, nowMs - lastMs)
    lastMs = nowMs
    if (!isDone) setImmediate(turn)
  }
  setImmediate(turn)
  const lines = await scrape()
  isDone = true
  return { holdMs: Math.max(longest, cpuMs() - lastMs), lines }
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

async function scrapes(): Promise<object> {
  for (let index = 0; index < 256; index += 1) {
    const name = `name${index}`
    observer.redisOperation({ operation: name, status: 'ok', elapsedMs: 1 })
    observer.cacheRead({ type: name, elapsedMs: 1 })
    observer.cacheLoad({ type: name, ok: true, elapsedMs: 1 })
    observer.poolJob({ pool: name, outcome: 'done', waitMs: 1, runMs: 1 })
  }
  const big = createMetrics({
    registry: new Registry(),
    latencyBuckets: Array.from({ length: 40 }, (_, index) => (index + 1) / 1_000),
  })
  for (let index = 0; index < 256; index += 1) {
    const name = `name${index}`
    big.observer.redisOperation({ operation: name, status: 'ok', elapsedMs: 1 })
    big.observer.cacheRead({ type: name, elapsedMs: 1 })
    big.observer.cacheLoad({ type: name, ok: true, elapsedMs: 1 })
    big.observer.poolJob({ pool: name, outcome: 'done', waitMs: 1, runMs: 1 })
  }
  const inPieces = async (): Promise<number> => {
    let lines = 0
    // As a socket takes them: counting is left to the end.
    const pieces: string[] = []
    for await (const piece of big.exposition()) pieces.push(piece)
    lines = pieces.length
    return lines
  }
  const atOnce = async (): Promise<number> => (await registry.metrics()).split('\n').length
  await inPieces()
  const ours: { holdMs: number; lines: number }[] = []
  for (let round = 0; round < 15; round += 1) ours.push(await holdOf(inPieces))
  const registryHold = await holdOf(atOnce)
  await big.close()
  return {
    'pieces of 50,400 lines': ours[0]?.lines,
    'hold ms, fastest': rounded(Math.min(...ours.map(({ holdMs }) => holdMs))),
    'hold ms, median': rounded(median(ours.map(({ holdMs }) => holdMs))),
    'lines of registry.metrics()': registryHold.lines,
    'its hold ms': rounded(registryHold.holdMs, 1),
  }
}

async function seriesAtStart(): Promise<number> {
  const fresh = createMetrics({ registry: new Registry() })
  let text = ''
  for await (const piece of fresh.exposition()) text += piece
  await fresh.close()
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Set(lines.map((line) => line.replace(/ .*$/, '').replace(/le="[^"]*",?/, ''))).size
}

const seriesBefore = await seriesAtStart()
console.log(`series at the start, buckets as one: ${seriesBefore}`)
const nanoseconds = Object.entries(fastestNs()).map(([name, ns]) => ({
  name,
  nsPerUpdate: rounded(ns, 1),
}))
console.table(nanoseconds)
const cpu = await cpuOfGets()
const base = cpu['none'] ?? Number.NaN
const gets = Object.entries(cpu).map(([name, micros]) => ({
  name,
  cpuMicrosPerGet: rounded(micros),
  morePercent: Math.round((micros / base - 1) * 100),
}))
console.table(gets)
if (called === 0) throw new Error('the loop was not run')
const scrape = await scrapes()
console.table(scrape)
await metrics.close()
console.log(JSON.stringify({ bench: 'metrics', seriesBefore, updates: nanoseconds, gets, scrape }))
