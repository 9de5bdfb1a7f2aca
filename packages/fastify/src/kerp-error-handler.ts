/** The errors of this library as answers of Fastify. */

import { BODY_HEADERS, errorAnswer } from '@kerp/realtime'
import type { FastifyReply, FastifyRequest } from 'fastify'

/**
 * Answers the errors of this library as `errorAnswer` of `@kerp/realtime` says; every other one goes on to the handler
 * of the scope above, and in the end to Fastify's own. What is answered with 500 is logged with the request's logger.
 *
 * @example
 * import fastify from 'fastify'
 * const app = fastify({ logger: true })
 * app.setErrorHandler(kerpErrorHandler)
 */
export function kerpErrorHandler(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const answer = errorAnswer(error)
  if (answer === undefined) {
    void reply.send(error)
    return
  }
  if (answer.status === 500) request.log.error(error)
  for (const name of BODY_HEADERS) reply.removeHeader(name)
  void reply.code(answer.status).send(answer.body)
}
