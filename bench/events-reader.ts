/** A process that only reads events, in one of three ways, and tells what each cost it: its own CPU and nothing else's. */

import { createKeys } from '@kerp/keys'
import { erpEvents, Subscriber } from '@kerp/pubsub'
import { connectRedis } from '@kerp/redis'
import { Redis } from 'ioredis'

const [socketPath = '', way = '', companyId = '', wanted = '0'] = process.argv.slice(2)
const count = Number(wanted)

/** Read first and not measured: until then the code is being compiled. */
const WARM_UP = count / 3

let seen = 0
let warm = 0
let before = process.cpuUsage()

function saw(events: number): void {
  seen += events
  if (warm === 0 && seen >= WARM_UP) {
    warm = seen
    before = process.cpuUsage()
  }
  if (seen < count) return
  const { user, system } = process.cpuUsage(before)
  process.send?.({ microseconds: user + system, seen: seen - warm })
  process.exit()
}

/** What every receiver does with an event. */
function read(text: string): void {
  if (typeof (JSON.parse(text) as { id?: unknown }).id === 'string') saw(1)
}

async function readWithXread(redis: Redis): Promise<void> {
  let last = '0-0'
  for (;;) {
    const reply = await redis.xread('COUNT', 1_000, 'BLOCK', 1_000, 'STREAMS', `bench:${companyId}`, last)
    for (const [id, fields] of reply?.[0]?.[1] ?? []) {
      last = id
      read(fields[1] ?? '')
    }
  }
}

if (way === 'ours') {
  const redis = await connectRedis({ path: socketPath }, 10_000, {})
  const subscriber = new Subscriber({ redis, keys: createKeys(), events: erpEvents })
  await subscriber.subscribe({ companyId, from: 'now' }, { onEvents: ({ events }) => saw(events.length) })
    .started
} else if (way === 'pubsub') {
  const redis = new Redis(socketPath)
  redis.on('message', (_channel, text) => read(text))
  await redis.subscribe(`bench:${companyId}`)
} else {
  void readWithXread(new Redis(socketPath))
}
process.send?.('ready')
