/**
 * Events: `Publisher` and `Subscriber` beside ioredis's plain PUBLISH/SUBSCRIBE, which loses what nobody hears, and plain
 * XADD/XREAD, which has no channel; all in one run, on one private server.
 *
 * Latency at 1,000 events/s in one process; what one process publishes at the most, each event awaited and in goes of a
 * thousand; CPU of Redis for each event of a batch of 16; CPU of a process that only reads.
 */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createKeys } from '@kerp/keys'
import { erpEvents, Publisher, Subscriber } from '@kerp/pubsub'
import { connectRedis } from '@kerp/redis'
import { openPrivateRedis } from '@kerp/redis/testing'
import { Redis } from 'ioredis'
import { percentile } from './figures.js'

const LATENCY_MS = Number(process.env['BENCH_ROUND_MS'] ?? '5000')
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? '3')
const EVENTS = 60_000
const IN_FLIGHT = 8_000
const PAYLOAD = { level: 'info', message: 'x'.repeat(150) } as const

/** Of the server's cost: events of one batch, and how many companies have a batch on its way. */
const BATCH = 16
const BATCHES = 8

/** Of the batched throughput: events of one go, and how many goes are on their way. */
const TOGETHER = 1_000
const GOES = 4

await using server = await openPrivateRedis()
const redis = await connectRedis({ path: server.socketPath }, 10_000, {})
const plain = new Redis(server.socketPath)
const keys = createKeys()
const publisher = new Publisher({ redis, keys, events: erpEvents, deadlineMs: 60_000 })
const subscriber = new Subscriber({ redis, keys, events: erpEvents })
let companies = 0
let lastId = 0

/** What the other two write: the same envelope, made by hand. */
function encoded(): string {
  const id = `e-${(lastId += 1)}`
  const timestamp = new Date().toISOString()
  return JSON.stringify({ id, type: 'events:notification', timestamp, companyId: 'bench', payload: PAYLOAD })
}

function pipelined(
  count: number,
  add: (pipeline: ReturnType<Redis['pipeline']>) => unknown,
): Promise<unknown> {
  const pipeline = plain.pipeline()
  for (let index = 0; index < count; index += 1) add(pipeline)
  return pipeline.exec()
}

interface Way {
  readonly name: string
  readonly key: 'ours' | 'pubsub' | 'xread'
  readonly publish: (companyId: string) => Promise<unknown>
  /** As many as are asked for in one go: a pipeline, or `publishMany`. */
  readonly publishMany: (companyId: string, count: number) => Promise<unknown>
}

const WAYS: readonly Way[] = [
  {
    name: 'ioredis PUBLISH, SUBSCRIBE',
    key: 'pubsub',
    publish: (id) => plain.publish(`bench:${id}`, encoded()),
    publishMany: (id, count) => pipelined(count, (pipeline) => pipeline.publish(`bench:${id}`, encoded())),
  },
  {
    name: 'ioredis XADD, XREAD',
    key: 'xread',
    publish: (id) => plain.xadd(`bench:${id}`, 'MAXLEN', '~', 10_000, '*', 'e', encoded()),
    publishMany: (id, count) =>
      pipelined(count, (pipeline) =>
        pipeline.xadd(`bench:${id}`, 'MAXLEN', '~', 10_000, '*', 'e', encoded()),
      ),
  },
  {
    name: 'Publisher, Subscriber',
    key: 'ours',
    publish: (companyId) => publisher.publish({ companyId, type: 'events:notification', payload: PAYLOAD }),
    publishMany: (companyId, count) => {
      const event = { companyId, type: 'events:notification', payload: PAYLOAD } as const
      return publisher.publishMany(Array.from({ length: count }, () => event))
    },
  },
]

function nextCompany(): string {
  companies += 1
  return `bench-${companies}`
}

/** Hears in this process; returns how that is ended. */
async function hear(way: Way, companyId: string, onEvent: () => void): Promise<() => Promise<unknown>> {
  if (way.key === 'ours') {
    const onEvents = ({ events }: { readonly events: readonly unknown[] }): void => events.forEach(onEvent)
    const subscription = subscriber.subscribe({ companyId, from: 'now' }, { onEvents })
    await subscription.started
    return () => subscription.close()
  }
  const reader = new Redis(server.socketPath)
  if (way.key === 'pubsub') {
    reader.on('message', (_channel, text) => {
      JSON.parse(text)
      onEvent()
    })
    await reader.subscribe(`bench:${companyId}`)
    return () => {
      reader.disconnect()
      return Promise.resolve()
    }
  }
  let isReading = true
  const loop = async (): Promise<void> => {
    let last = '0-0'
    while (isReading) {
      const reply = await reader.xread('COUNT', 1_000, 'BLOCK', 100, 'STREAMS', `bench:${companyId}`, last)
      for (const [id, fields] of reply?.[0]?.[1] ?? []) {
        last = id
        JSON.parse(fields[1] ?? '')
        onEvent()
      }
    }
    reader.disconnect()
  }
  const looping = loop()
  return () => {
    isReading = false
    return looping
  }
}

/** From before the call of publish to the handler, at 1,000 events/s. */
async function latency(way: Way): Promise<{ readonly p50Ms: number; readonly p99Ms: number }> {
  const companyId = nextCompany()
  const begun: number[] = []
  const latencies: number[] = []
  const stop = await hear(way, companyId, () => {
    latencies.push(performance.now() - (begun[latencies.length] ?? Number.NaN))
  })
  const startMs = performance.now()
  while (performance.now() - startMs < LATENCY_MS) {
    while (begun.length < performance.now() - startMs) {
      begun.push(performance.now())
      void way.publish(companyId)
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
  while (latencies.length < begun.length) await new Promise((resolve) => setTimeout(resolve, 5))
  await stop()
  return { p50Ms: percentile(latencies, 0.5), p99Ms: percentile(latencies, 0.99) }
}

/** As many events as one process gets rid of, thousands in flight. */
async function throughput(way: Way): Promise<number> {
  const companyId = nextCompany()
  const startMs = performance.now()
  let left = EVENTS
  const caller = async (): Promise<void> => {
    while (left > 0) {
      left -= 1
      await way.publish(companyId)
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, caller))
  return (EVENTS / (performance.now() - startMs)) * 1_000
}

/** The same in goes of a thousand; and the CPU of this process and of the server for each event. */
async function batched(
  way: Way,
): Promise<{ readonly perSecond: number; readonly node: number; readonly redis: number }> {
  const companyId = nextCompany()
  const redisBefore = await redisMicroseconds()
  const before = process.cpuUsage()
  const startMs = performance.now()
  let left = EVENTS
  const caller = async (): Promise<void> => {
    while (left > 0) {
      left -= TOGETHER
      await way.publishMany(companyId, TOGETHER)
    }
  }
  await Promise.all(Array.from({ length: GOES }, caller))
  const perSecond = (EVENTS / (performance.now() - startMs)) * 1_000
  const { user, system } = process.cpuUsage(before)
  const redis = ((await redisMicroseconds()) - redisBefore) / EVENTS
  return { perSecond, node: (user + system) / EVENTS, redis }
}

async function redisMicroseconds(): Promise<number> {
  const info = await plain.info('cpu')
  const seconds = (name: string): number => Number(new RegExp(`${name}:([\\d.]+)`).exec(info)?.[1])
  return (seconds('used_cpu_user') + seconds('used_cpu_sys')) * 1_000_000
}

/**
 * CPU of the server for each event, of batches of 16 with one subscriber elsewhere. Several companies have a batch on its
 * way, so that the server is not put to sleep and woken for each: that would cost more than the batch.
 */
async function redisCost(way: Way): Promise<number> {
  const before = await redisMicroseconds()
  let left = EVENTS
  const company = async (): Promise<void> => {
    const companyId = nextCompany()
    while (left > 0) {
      left -= BATCH
      await Promise.all(Array.from({ length: BATCH }, () => way.publish(companyId)))
    }
  }
  await Promise.all(Array.from({ length: BATCHES }, company))
  return ((await redisMicroseconds()) - before) / EVENTS
}

/** CPU of a process that only reads, for each event after the first third, sixty-four published at once. */
async function readerCost(way: Way): Promise<number> {
  const companyId = nextCompany()
  const count = EVENTS
  const script = fileURLToPath(new URL('events-reader.ts', import.meta.url))
  const args = [server.socketPath, way.key, companyId, String(count)]
  const reader = fork(script, args, { execArgv: [...process.execArgv] })
  await once(reader, 'message')
  const done = once(reader, 'message')
  for (let sent = 0; sent < count; sent += 64) {
    await Promise.all(Array.from({ length: 64 }, () => way.publish(companyId)))
  }
  const [{ microseconds, seen }] = (await done) as [{ microseconds: number; seen: number }]
  return microseconds / seen
}

interface Round {
  readonly perSecond: number
  readonly batched: Awaited<ReturnType<typeof batched>>
  readonly redis: number
  readonly reader: number
  readonly p50Ms: number
  readonly p99Ms: number
}

const roundsOf = new Map<Way, Round[]>()
for (const way of WAYS) await throughput(way)
for (let round = 0; round < ROUNDS; round += 1) {
  // Each way in each round, so that what else the machine does meets all of them.
  for (const way of WAYS) {
    const rounds = roundsOf.get(way) ?? []
    rounds.push({
      perSecond: await throughput(way),
      batched: await batched(way),
      redis: await redisCost(way),
      reader: await readerCost(way),
      ...(await latency(way)),
    })
    roundsOf.set(way, rounds)
  }
}

const figures: object[] = []
for (const [way, rounds] of roundsOf) {
  const best = (pick: (round: Round) => number): number => Math.min(...rounds.map(pick))
  figures.push({
    name: way.name,
    p50Ms: Number(best(({ p50Ms }) => p50Ms).toFixed(3)),
    p99Ms: Number(best(({ p99Ms }) => p99Ms).toFixed(2)),
    eventsPerSecond: Math.round(-best(({ perSecond }) => -perSecond)),
    batchedPerSecond: Math.round(-best((round) => -round.batched.perSecond)),
    batchedNodeMicroseconds: Number(best((round) => round.batched.node).toFixed(1)),
    batchedRedisMicroseconds: Number(best((round) => round.batched.redis).toFixed(1)),
    redisMicroseconds: Number(best(({ redis: cost }) => cost).toFixed(1)),
    readerMicroseconds: Number(best(({ reader }) => reader).toFixed(1)),
  })
}
await subscriber.close()
await publisher.close()
plain.disconnect()
redis.disconnect()
console.table(figures)
console.log(JSON.stringify({ bench: 'events', eventBytes: 250, rounds: ROUNDS, figures }))
