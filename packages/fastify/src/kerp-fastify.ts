/** The Fastify plugin: `fastify.kerp`, started when the server is ready, closed with it, and its probes. */

import { Readable } from 'node:stream'
import { PROBE_PATHS, type Realtime } from '@kerp/realtime'
import type { FastifyInstance } from 'fastify'

declare module 'fastify' {
  interface FastifyInstance {
    /** What was given to `kerpFastify`. */
    readonly kerp: Realtime
  }
}

/** What the plugin takes. */
export interface KerpFastifyOptions {
  /** Started with the server and closed with it; the pool and the Redis clients in it stay the host's. */
  readonly realtime: Realtime
  /** What stands before `/healthz`, `/readyz` and `/metrics`; `false`: no such routes. @defaultValue '' */
  readonly probes?: string | false | undefined
}

/** Marks a plugin as part of the instance that registers it, so that its decorator is seen there. */
const SAME_SCOPE = Symbol.for('skip-override')
const META = Symbol.for('plugin-meta')

/**
 * Decorates the server with `kerp`, starts it before the first request, and closes it after the last one.
 *
 * @example
 * import fastify from 'fastify'
 * const app = fastify()
 * await app.register(kerpFastify, { realtime: new Realtime({ redis, pool }) })
 * app.get('/cash', () => app.kerp.balances.get({ companyId: 'c1', account: '1101', fiscalYear: 2026 }))
 */
export const kerpFastify = Object.assign(register, {
  [SAME_SCOPE]: true,
  [META]: { name: '@kerp/fastify', fastify: '5.x' },
})

function register(app: FastifyInstance, { realtime, probes = '' }: KerpFastifyOptions): Promise<void> {
  app.decorate('kerp', realtime)
  app.addHook('onReady', () => {
    realtime.start()
    return Promise.resolve()
  })
  app.addHook('onClose', () => realtime.close())
  if (probes === false) return Promise.resolve()
  for (const path of PROBE_PATHS) {
    app.get(`${probes}${path}`, { logLevel: 'warn' }, async (_request, reply) => {
      const { status, contentType, body } = await realtime.probe(path)
      return reply.code(status).type(contentType).send(Readable.from(body))
    })
  }
  return Promise.resolve()
}
