/** The errors of this library as answers of Express, or of anything else that passes errors to middleware. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { BODY_HEADERS, errorAnswer } from '@kerp/realtime'

/** Middleware for errors: answers, or calls `next` with the error. */
export type ErrorMiddleware = (
  error: unknown,
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void

/**
 * Answers the errors of this library as `errorAnswer` of `@kerp/realtime` says, and passes on every other one. It
 * stands after the routes. Express 4 passes the rejections of async routes on only if they call `next`.
 *
 * `log` hears each error that is answered with 500, for whose inside the answer points to the log: `console.error`, or
 * that of the host.
 *
 * @example
 * import express from 'express'
 * const app = express()
 * app.use('/balances', express.Router())
 * app.use(kerpErrors(console.error))
 */
export function kerpErrors(log: (error: unknown) => void): ErrorMiddleware {
  return (error, _request, response, next) => {
    const answer = errorAnswer(error)
    if (answer === undefined || response.headersSent) {
      next(error)
      return
    }
    if (answer.status === 500) log(error)
    const body = JSON.stringify(answer.body)
    for (const name of BODY_HEADERS) response.removeHeader(name)
    response.statusCode = answer.status
    response.setHeader('content-type', 'application/json; charset=utf-8')
    response.setHeader('content-length', Buffer.byteLength(body))
    response.end(body)
  }
}
