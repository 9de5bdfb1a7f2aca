/** `POST /demo/faults`: breaks the app's own Redis on purpose, and tells how long it took to serve again. */

import type { BalanceCache } from '@kerp/balance-cache'
import { InvalidInputError, KerpError } from '@kerp/core'
import type { RedisClient } from '@kerp/redis'
import type { PrivateRedis } from '@kerp/redis/testing'
import type { OutboxRelay } from '@kerp/registers'
import { textField } from './http/fields.js'
import { bodyFields, type HttpServer } from './http/server.js'
import { isServedFromCache } from './served.js'

/** What is broken, and what shows that it works again. */
export interface FaultRoutesOptions {
  /** Undefined unless this process started it. */
  readonly server: PrivateRedis | undefined
  readonly redis: RedisClient
  readonly balances: BalanceCache
  readonly relay: OutboxRelay
}

/** There is no Redis here that may be broken, or one is being broken now. */
class FaultRefusedError extends KerpError {
  static override readonly errorName = 'FaultRefusedError'

  constructor(message: string) {
    super(message, { code: 'FAULT_REFUSED', retryable: false })
  }
}

const DOWN_MS = 500
const PAUSED_MS = 5_000
const RECOVERY_MS_MAX = 20_000
const LOOK_EVERY_MS = 10

const FAULTS: Readonly<Record<string, (server: PrivateRedis) => Promise<void>>> = {
  kill: async (server) => {
    await server.kill()
    await wait(DOWN_MS)
    await server.restart()
  },
  pause: async (server) => {
    server.pause()
    await wait(PAUSED_MS)
    server.resume()
  },
  flushall: (server) => command(server, (client) => client.flushall()),
  cut: (server) => command(server, (client) => client.call('CLIENT', 'KILL', 'SKIPME', 'yes')),
}

/** Registers the route. */
export function faultRoutes(http: HttpServer, options: FaultRoutesOptions): void {
  let isBusy = false
  http.post('/demo/faults', async (request) => {
    const kind = textField(bodyFields(request), 'kind')
    const fault = Object.hasOwn(FAULTS, kind) ? FAULTS[kind] : undefined
    if (fault === undefined) {
      throw new InvalidInputError('kind', `one of ${Object.keys(FAULTS).join(', ')}`, kind)
    }
    const { server } = options
    if (server === undefined) throw new FaultRefusedError('This app did not start its Redis itself.')
    if (isBusy) throw new FaultRefusedError('Redis is being broken already.')
    isBusy = true
    try {
      await fault(server)
      const backMs = performance.now()
      await served(options)
      return { recoveredInMs: Math.round(performance.now() - backMs) }
    } finally {
      isBusy = false
    }
  })
}

/** Redis answers, the relay has passed, and no read falls back to the database. */
async function served({ redis, balances, relay }: FaultRoutesOptions): Promise<void> {
  const endMs = performance.now() + RECOVERY_MS_MAX
  while (performance.now() < endMs) {
    const isServed = await isServedNow({ redis, balances, relay }).catch(() => false)
    if (isServed) return
    await wait(LOOK_EVERY_MS)
  }
}

async function isServedNow({ redis, balances, relay }: Omit<FaultRoutesOptions, 'server'>): Promise<boolean> {
  await redis.ping()
  return isServedFromCache({ relay, balances })
}

async function command(
  server: PrivateRedis,
  run: (client: ReturnType<PrivateRedis['client']>) => Promise<unknown>,
): Promise<void> {
  const client = server.client()
  try {
    await run(client)
  } finally {
    client.disconnect()
  }
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
