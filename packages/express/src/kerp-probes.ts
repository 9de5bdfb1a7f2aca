/** The probes as middleware of Express, or of anything else that passes Node's request and response on. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { isProbePath, type Realtime } from '@kerp/realtime'

/** Middleware: answers, or calls `next`. */
export type ProbeHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void

/**
 * Answers `GET` and `HEAD` of `/healthz`, `/readyz` and `/metrics` below where it is mounted, and passes on the rest.
 *
 * Nothing of Express is imported: versions 4 and 5, connect and Nest's `app.use` take it alike. `start` and `close` of
 * `realtime` are called by the host, which knows when its server listens and when the last request has left.
 *
 * @example
 * import express from 'express'
 * const app = express()
 * app.use(kerpProbes(new Realtime({ redis, pool })))
 */
export function kerpProbes(realtime: Pick<Realtime, 'probe'>): ProbeHandler {
  return (request, response, next) => {
    const path = request.url?.split('?', 1)[0] ?? ''
    const isRead = request.method === 'GET' || request.method === 'HEAD'
    if (!isRead || !isProbePath(path)) next()
    else
      realtime
        .probe(path)
        .then(async ({ status, contentType, body }) => {
          response.writeHead(status, { 'content-type': contentType })
          if (request.method === 'HEAD') response.end()
          else await pipeline(Readable.from(body), response)
        })
        .catch(next)
  }
}
