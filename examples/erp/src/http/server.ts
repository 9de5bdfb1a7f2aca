/** The HTTP server: JSON in and out, one shape of error, and who may enter a company's routes. */

import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { type Company, findCompany } from '../companies.js'
import { type Session, type Sessions, withoutTokens } from '../session.js'
import { errorAnswer } from './error-answer.js'
import {
  ForbiddenError,
  HostRefusedError,
  MalformedRequestError,
  NotFoundError,
  RateLimitedError,
  UnauthorizedError,
} from './errors.js'
import { type Fields, objectOf, textField } from './fields.js'
import { BODY_BYTES_MAX, readJsonBody } from './json-body.js'
import type { RateLimits } from './rate-limits.js'

/** A server to register routes on; it does not listen yet. */
export type HttpServer = FastifyInstance

/** An id may be long and percent-encoded: refusing it is the routes' work, and they name the field. */
const HEADER_BYTES_MAX = 131_072
const KEEP_ALIVE_MS = 60_000
/** How long a client may take to send one request, body included. */
const REQUEST_MS_MAX = 30_000

/** What a server needs to know. */
export interface HttpServerOptions {
  /** Hears of errors that no route foresaw. */
  readonly log: (line: string) => void
  /** Whether a request's `Host` is one of ours; another is answered 403 before anything else. */
  readonly allowHost: (host: string | undefined) => boolean
}

/** Makes the server. */
export function createServer({ log, allowHost }: HttpServerOptions): HttpServer {
  const server = fastify({
    bodyLimit: BODY_BYTES_MAX,
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: REQUEST_MS_MAX,
    forceCloseConnections: 'idle',
    http: { maxHeaderSize: HEADER_BYTES_MAX },
    routerOptions: { maxParamLength: HEADER_BYTES_MAX },
    clientErrorHandler: (_error: Error, socket: Socket) => refuseConnection(socket),
    frameworkErrors: (error: unknown, _request: FastifyRequest, reply: FastifyReply) => {
      const answer = errorAnswer(asOurs(error))
      void reply.code(answer.status).send(answer.body)
    },
  })
  server.addHook('onRequest', (request, _reply, done) => {
    if (allowHost(request.headers.host)) done()
    else done(new HostRefusedError())
  })
  server.removeAllContentTypeParsers()
  server.addContentTypeParser(
    ['application/json', 'application/*+json'],
    (request: FastifyRequest, payload: IncomingMessage) =>
      readJsonBody(payload, request.headers['content-length']),
  )
  server.addContentTypeParser('*', () =>
    Promise.reject(new MalformedRequestError('The body must be sent as application/json.')),
  )
  server.setErrorHandler((thrown, _request, reply) => {
    const error = asOurs(thrown)
    const answer = errorAnswer(error)
    if (answer.status === 500) log(withoutTokens(describe(error)))
    // Fastify would give the connection up after a bad body; Node skips what is left of it, so it stays usable.
    reply.removeHeader('connection')
    if (error instanceof RateLimitedError) reply.header('retry-after', String(error.retryAfterS))
    void reply.code(answer.status).send(answer.body)
  })
  server.setNotFoundHandler((request) => {
    throw new NotFoundError(`There is no route ${request.method} ${pathOf(request)}.`, 'ROUTE_NOT_FOUND')
  })
  return server
}

/** Who may enter a company's routes, and when. */
export interface CompanyGate {
  readonly sessions: Sessions
  readonly limits: RateLimits
  /** Throws as long as the app cannot answer. */
  readonly requireReady: () => void
}

/**
 * Puts routes below `/companies/:company`, behind the gate: 401 without a token of ours, 403 with another
 * company's, 429 when a user calls a route too often. Who is refused is answered before the body is read.
 */
export function companyRoutes(
  server: HttpServer,
  { sessions, limits, requireReady }: CompanyGate,
  register: (routes: HttpServer) => void,
): void {
  server.register(
    (routes, _options, done) => {
      routes.addHook('onRequest', async (request) => {
        const session = sessionOf(request, sessions)
        if (session === undefined) throw new UnauthorizedError()
        if (session.companyId !== pathFields(request)['company']) throw new ForbiddenError()
        await limits.admit({ ...session, endpoint: endpointOf(request) })
        requireReady()
      })
      register(routes)
      done()
    },
    { prefix: '/companies/:company' },
  )
}

/** The company of the path, for routes of `companyRoutes`. */
export function companyOf(request: FastifyRequest): Company {
  const company = findCompany(textField(pathFields(request), 'company'))
  if (company === undefined) throw new NotFoundError('There is no such company.', 'COMPANY_NOT_FOUND')
  return company
}

/** The named parts of the path. */
export function pathFields(request: FastifyRequest): Fields {
  return objectOf(request.params, 'path')
}

/** The query's fields; a field that was given twice is a list. */
export function queryFields(request: FastifyRequest): Fields {
  return objectOf(request.query, 'query')
}

/** The body's fields. @throws {InvalidInputError} `INVALID_INPUT` unless it is an object. */
export function bodyFields(request: FastifyRequest): Fields {
  return objectOf(request.body, 'body')
}

/** Who asks, or undefined without a token of ours. */
export function sessionOf(request: FastifyRequest, sessions: Sessions): Session | undefined {
  const token = /^Bearer ([\w.-]+)$/.exec(request.headers.authorization ?? '')?.[1]
  return token === undefined ? undefined : sessions.verify(token)
}

/** Method and pattern of the route, without the company: `POST.vouchers.id.approve`. */
function endpointOf({ method, routeOptions }: FastifyRequest): string {
  const [, , , ...parts] = (routeOptions.url ?? '').split('/')
  return [method, ...parts].join('.').replaceAll(':', '')
}

/** What is no HTTP has no request to answer: one answer in our shape, and the connection ends. */
function refuseConnection(socket: Socket): void {
  const { body } = errorAnswer(new MalformedRequestError('This is not a request of HTTP/1.1.'))
  const text = JSON.stringify(body)
  const head = [
    'HTTP/1.1 400 Bad Request',
    'content-type: application/json; charset=utf-8',
    'connection: close',
  ]
  if (!socket.writable) return
  socket.end(`${head.join('\r\n')}\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`)
}

/** Fastify's own refusals (a bad escape in the path, an unknown media type) in our words. */
function asOurs(error: unknown): unknown {
  const status: unknown =
    typeof error === 'object' && error !== null ? Reflect.get(error, 'statusCode') : undefined
  if (typeof status !== 'number' || status < 400 || status >= 500) return error
  return new MalformedRequestError('The request is not one that this server can read.')
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

const PATH_SHOWN_MAX = 100

function pathOf(request: FastifyRequest): string {
  return (request.url.split('?')[0] ?? '').slice(0, PATH_SHOWN_MAX)
}
