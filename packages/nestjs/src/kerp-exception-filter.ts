/** The errors of this library as answers of Nest's HTTP routes. */

import type { ServerResponse } from 'node:http'
import { KerpError } from '@kerp/core'
import { BODY_HEADERS, errorAnswer } from '@kerp/realtime'
import { type ArgumentsHost, Catch, type ExceptionFilter, Logger } from '@nestjs/common'

/** What a response of Express and a reply of Fastify have in common. */
type HttpReply = (ServerResponse | { readonly raw: ServerResponse }) & {
  removeHeader(name: string): unknown
  status(code: number): { send(body: object): unknown }
}

/**
 * Answers the errors of this library as `errorAnswer` of `@kerp/realtime` says, on Express and on Fastify. What is
 * answered with 500 is logged with Nest's `Logger`. Nest keeps every other error, and those of microservices and
 * GraphQL; a gateway of WebSockets, which is not answered, needs a filter of its own.
 *
 * @example
 * import { NestFactory } from '@nestjs/core'
 * const app = await NestFactory.create(KerpModule.forRoot(new Realtime({ redis, pool })))
 * app.useGlobalFilters(new KerpExceptionFilter())
 */
@Catch(KerpError)
export class KerpExceptionFilter implements ExceptionFilter<KerpError> {
  readonly #logger = new Logger('KerpExceptionFilter')

  catch(error: KerpError, host: ArgumentsHost): void {
    const type = host.getType()
    if (type === 'http') this.#answer(error, host.switchToHttp().getResponse<HttpReply>())
    // Nest takes the call of a filter for the answer of a gateway, and would say nothing itself.
    else if (type === 'ws') this.#logger.error(error)
  }

  #answer(error: KerpError, reply: HttpReply): void {
    const answer = errorAnswer(error)
    if (answer === undefined) return
    if (answer.status === 500) this.#logger.error(error)
    const raw = 'raw' in reply ? reply.raw : reply
    if (raw.headersSent) {
      // A body that ends in its middle must not look whole.
      if (!raw.writableEnded) raw.destroy()
      return
    }
    for (const name of BODY_HEADERS) reply.removeHeader(name)
    reply.status(answer.status).send(answer.body)
  }
}
