/** `POST /demo/faults`: breaks the app's own Redis on purpose, and tells how long it took to serve again. */

import type { BalanceCache } from '@kerp/balance-cache'
import { InvalidInputError, KerpError } from '@kerp/core'
import type { RedisClient } from '@kerp/redis'
import type { PrivateRedis } from '@kerp/redis/testing'
import type { OutboxRelay } from '@kerp/registers'
import type { FastifyRequest } from 'fastify'
import { UnauthorizedError } from './http/errors.js'
import { textField } from './http/fields.js'
import { bodyFields, type HttpServer, sessionOf } from './http/server.js'
import { isServedFromCache } from './served.js'
import type { Sessions } from './session.js'

/** What is broken, and what shows that it works again. */
export interface FaultRoutesOptions {
  /** Undefined unless this process started it. */
  readonly server: PrivateRedis | undefined
  /** Who may break it; undefined lets everybody who reaches the app. */
  readonly sessions: Sessions | undefined
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
  const { sessions } = options
  const onRequest = (request: FastifyRequest, _reply: unknown, done: (error?: Error) => void): void => {
    if (sessions === undefined || sessionOf(request, sessions) !== undefined) done()
    else done(new UnauthorizedError())
  }
  http.post('/demo/faults', { onRequest }, async (request) => {
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

type Served = Pick<FaultRoutesOptions, 'redis' | 'balances' | 'relay'>

/** Redis answers, the relay has passed, and no read falls back to the database. */
async function served({ redis, balances, relay }: Served): Promise<void> {
  const endMs = performance.now() + RECOVERY_MS_MAX
  while (performance.now() < endMs) {
    const isServed = await isServedNow({ redis, balances, relay }).catch(() => false)
    if (isServed) return
    await wait(LOOK_EVERY_MS)
  }
}

async function isServedNow({ redis, balances, relay }: Served): Promise<boolean> {
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
