/**
 * What a Redis that is away costs: the gap in acknowledged writes when a master behind Sentinels is suspended, beside
 * the time that the Sentinels themselves take to name another one; and reads during five seconds without Redis, with
 * what is cached compared with the database one second after its return.
 */

import { setTimeout as wait } from 'node:timers/promises'
import { createKeys } from '@kerp/keys'
import { erpEvents, Publisher } from '@kerp/pubsub'
import { closeRedis, connectRedis } from '@kerp/redis'
import { openPrivateReplicas, type PrivateReplicas } from '@kerp/redis/testing'
import { rounded } from './figures.js'
import { measureOutage, POST_EVERY_MS, READ_EVERY_MS } from './outage-reads.js'

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? '5')
const WRITERS = 8
const RETRY_MS = 5
const DOWN_AFTER_MS = 1_000
const PATIENCE_MS = 60_000
const keys = createKeys()

/** The gap of one failover, in ms. */
interface Gap {
  readonly gapMs: number
  /** From the suspension to the first Sentinel's word of another master. */
  readonly switchMs: number
  /** From that word to the first write that was acknowledged. */
  readonly afterMs: number
}

/** Publishes events without a pause, each again by its id until it is acknowledged. */
class Writers {
  readonly acknowledgedMs: number[] = []
  isOver = false
  readonly #publisher: Publisher<typeof erpEvents.schemas>

  constructor(publisher: Publisher<typeof erpEvents.schemas>) {
    this.#publisher = publisher
  }

  async run(writer: number): Promise<void> {
    for (let n = 0; !this.isOver; n += 1) {
      const id = `e-${writer}-${n}`
      while (!(await this.#publish(`c${writer}`, id))) await wait(RETRY_MS)
      this.acknowledgedMs.push(performance.now())
      await wait(1)
    }
  }

  #publish(companyId: string, id: string): Promise<boolean> {
    const event = { companyId, type: 'events:voucher:approved', payload: { id } } as const
    return this.#publisher.publish({ ...event, id }).then(
      () => true,
      () => false,
    )
  }
}

/** When the first Sentinel said that it switched. */
async function switchHeard(
  replicas: PrivateReplicas,
): Promise<{ readonly atMs: Promise<number>; close(): void }> {
  const clients = replicas.sentinels.map((sentinel) => sentinel.client())
  const atMs = new Promise<number>((resolve) => {
    for (const client of clients) client.on('message', () => resolve(performance.now()))
  })
  await Promise.all(clients.map((client) => client.subscribe('+switch-master')))
  return { atMs, close: () => clients.forEach((client) => client.disconnect()) }
}

async function gapOf(replicas: PrivateReplicas, writers: Writers): Promise<Gap> {
  const [master, heard] = [await replicas.master(), await switchHeard(replicas)]
  await wait(500)
  const suspendedMs = performance.now()
  master.pause()
  const switchedMs = await heard.atMs
  await replicas.replaced(master)
  while ((writers.acknowledgedMs.at(-1) ?? 0) < switchedMs) await wait(1)
  const first = writers.acknowledgedMs.find((atMs) => atMs > switchedMs) ?? Number.NaN
  const last = writers.acknowledgedMs.filter((atMs) => atMs < first).at(-1) ?? Number.NaN
  master.resume()
  heard.close()
  await replicas.linked()
  return { gapMs: first - last, switchMs: switchedMs - suspendedMs, afterMs: first - switchedMs }
}

async function measureGaps(): Promise<readonly Gap[]> {
  await using replicas = await openPrivateReplicas({ downAfterMs: DOWN_AFTER_MS })
  const redis = await connectRedis({ sentinel: replicas.sentinel }, PATIENCE_MS, {})
  const writers = new Writers(new Publisher({ redis, keys, events: erpEvents }))
  const running = Promise.all(Array.from({ length: WRITERS }, (_, writer) => writers.run(writer)))
  const gaps: Gap[] = []
  for (let round = 0; round < ROUNDS; round += 1) gaps.push(await gapOf(replicas, writers))
  writers.isOver = true
  await running
  await closeRedis(redis)
  return gaps
}

console.log(
  `A suspended master behind Sentinels that wait ${DOWN_AFTER_MS} ms; ${WRITERS} callers publish events`,
)
const gaps = (await measureGaps()).map(({ gapMs, switchMs, afterMs }) => ({
  'gap in acknowledged writes, ms': rounded(gapMs, 0),
  'Sentinel took, ms': rounded(switchMs, 0),
  'first write after its word, ms': rounded(afterMs, 0),
}))
console.table(gaps)
console.log(`Reads every ${READ_EVERY_MS} ms and postings every ${POST_EVERY_MS} ms while Redis is away`)
const outages = [await measureOutage('killed'), await measureOutage('suspended')]
console.table(outages)
console.log(JSON.stringify({ bench: 'failover', gaps, outages }))
