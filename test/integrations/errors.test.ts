/** Errors that routes throw, as each framework answers them with our handler in it. */

import 'reflect-metadata'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import { ClosedError, InsufficientStockError, KerpError } from '@kerp/core'
import { kerpErrors } from '@kerp/express'
import { kerpErrorHandler } from '@kerp/fastify'
import { KerpExceptionFilter } from '@kerp/nestjs'
import { Controller, Get, type INestApplication, Logger, Module, Param, Res } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import express from 'express'
import fastify from 'fastify'
import { describe, expect, test } from 'vitest'

const row = { item: 'A', warehouse: 'W1', requested: 3_000n, available: 0n, onHand: 0n, reserved: 0n }

const closed = new ClosedError('Ledger')

const THROWN: Readonly<Record<string, Error>> = {
  closed,
  stock: new InsufficientStockError('c1', [row]),
  unsuitable: new KerpError('canary-inside', { code: 'DATABASE_UNSUITABLE', retryable: false }),
  foreign: new TypeError('canary-foreign'),
}

/** Throws what the path names. */
function fail(name: string): never {
  throw THROWN[name] ?? new Error('a name that is none')
}

/** A server, and what our handler logged in it. */
interface Running {
  readonly url: string
  readonly logged: readonly string[]
  readonly close: () => Promise<unknown>
}

/** `handled`: with our handler in it. */
type Open = (handled: boolean) => Promise<Running>

async function openExpress(handled: boolean): Promise<Running> {
  const logged: string[] = []
  const app = express()
  app.set('env', 'test')
  app.get('/begun', (_request, response) => {
    response.write('a body that')
    fail('closed')
  })
  app.get('/csv', (_request, response) => {
    response.set({ 'content-type': 'text/csv', 'content-encoding': 'br', 'content-length': '7' })
    fail('closed')
  })
  app.get('/:name', async ({ params: { name } }) => {
    await Promise.resolve()
    fail(name)
  })
  if (handled) app.use(kerpErrors((error) => logged.push(String(error))))
  const server = createServer(app)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    logged,
    close: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    },
  }
}

async function openFastify(handled: boolean): Promise<Running> {
  const logged: string[] = []
  const stream = new Writable({
    write(line, _encoding, done) {
      logged.push(String(line))
      done()
    },
  })
  const app = fastify({ logger: { level: 'error', stream } })
  if (handled) app.setErrorHandler(kerpErrorHandler)
  app.get('/csv', (_request, reply) => {
    reply.headers({ 'content-type': 'text/csv', 'content-encoding': 'br', 'content-length': '7' })
    fail('closed')
  })
  app.get<{ Params: { name: string } }>('/:name', ({ params: { name } }) => fail(name))
  return { url: await app.listen({ port: 0 }), logged, close: () => app.close() }
}

/** Routes that fail. */
@Controller()
class FailingController {
  @Get('begun')
  begun(@Res() response: ServerResponse | { readonly raw: ServerResponse }): never {
    const raw = 'raw' in response ? response.raw : response
    raw.write('a body that')
    return fail('closed')
  }

  @Get('csv')
  csv(@Res({ passthrough: true }) response: { header(name: string, value: string): unknown }): never {
    response.header('content-type', 'text/csv')
    response.header('content-encoding', 'br')
    response.header('content-length', '7')
    return fail('closed')
  }

  @Get(':name')
  get(@Param('name') name: string): never {
    return fail(name)
  }
}

/** The service. */
@Module({ controllers: [FailingController] })
class FailingModule {}

async function openNest(app: INestApplication, handled: boolean): Promise<Running> {
  const logged: string[] = []
  Logger.overrideLogger({ log: () => {}, warn: () => {}, error: (thrown) => logged.push(String(thrown)) })
  if (handled) app.useGlobalFilters(new KerpExceptionFilter())
  await app.listen(0, '127.0.0.1')
  return { url: await app.getUrl(), logged, close: () => app.close() }
}

Logger.overrideLogger(false)

const FRAMEWORKS: readonly { readonly name: string; readonly open: Open }[] = [
  { name: 'Express', open: openExpress },
  { name: 'Fastify', open: openFastify },
  {
    name: 'NestJS on Express',
    open: async (handled) => openNest(await NestFactory.create(FailingModule), handled),
  },
  {
    name: 'NestJS on Fastify',
    open: async (handled) => openNest(await NestFactory.create(FailingModule, new FastifyAdapter()), handled),
  },
]

interface Answer {
  readonly status: number
  readonly type: string | null
  readonly text: string
}

/** What is answered for one name after the other, and what was logged meanwhile. */
async function answersOf(
  open: Open,
  handled: boolean,
  ...names: readonly string[]
): Promise<{ readonly answers: readonly Answer[]; readonly logged: readonly string[] }> {
  const { url, logged, close } = await open(handled)
  try {
    const answers: Answer[] = []
    for (const name of names) {
      const response = await fetch(`${url}/${name}`)
      const type = response.headers.get('content-type')
      answers.push({ status: response.status, type, text: await response.text() })
    }
    return { answers, logged }
  } finally {
    await close()
  }
}

describe.each(FRAMEWORKS)('with $name', ({ open }) => {
  test('an error of the library is answered with its status and its code, and not logged', async () => {
    const { answers, logged } = await answersOf(open, true, 'closed', 'stock')
    const [closed, stock] = answers
    expect(closed?.type).toMatch(/^application\/json/)
    expect(JSON.parse(closed?.text ?? '')).toEqual({
      error: { code: 'CLOSED', message: 'Ledger is closed.', retryable: false },
    })
    expect(JSON.parse(stock?.text ?? '')).toMatchObject({
      error: { code: 'INSUFFICIENT_STOCK', shortages: [{ item: 'A', requested: '3', available: '0' }] },
    })
    expect([closed?.status, stock?.status, logged]).toEqual([503, 409, []])
  })

  test('what the route has said of another body does not hold for the answer', async () => {
    const { answers } = await answersOf(open, true, 'csv')
    expect(answers[0]?.status).toBe(503)
    expect(answers[0]?.type).toMatch(/^application\/json/)
    expect(JSON.parse(answers[0]?.text ?? '')).toMatchObject({ error: { code: 'CLOSED' } })
  })

  test('what only an operator can repair is in the log and not in the answer', async () => {
    const { answers, logged } = await answersOf(open, true, 'unsuitable')
    const error = { code: 'INTERNAL', message: expect.any(String) as unknown, retryable: false }
    expect(answers[0]?.status).toBe(500)
    expect(JSON.parse(answers[0]?.text ?? '')).toEqual({ error })
    expect(answers[0]?.text).not.toContain('canary')
    expect(logged).toEqual([expect.stringContaining('canary-inside')])
  })

  test('an error that is not of the library is answered as without the handler', async () => {
    const handled = await answersOf(open, true, 'foreign')
    const own = await answersOf(open, false, 'foreign')
    expect(own.answers[0]?.status).toBe(500)
    expect(handled.answers).toEqual(own.answers)
  })
})

test.each(FRAMEWORKS.filter(({ name }) => name !== 'Fastify'))(
  'with $name, a body that was begun before the error does not look whole',
  async ({ open }) => {
    await expect(answersOf(open, true, 'begun')).rejects.toThrow(/^terminated$|^fetch failed$/)
  },
)

/** What the filter logs of an error where there is no HTTP; it must not touch what would be the response. */
function filtered(type: string): readonly unknown[] {
  const logged: unknown[] = []
  Logger.overrideLogger({ log: () => {}, warn: () => {}, error: (thrown) => logged.push(thrown) })
  const host = new ExecutionContextHost([])
  host.setType(type)
  new KerpExceptionFilter().catch(closed, host)
  return logged
}

test('in NestJS an error of a microservice or of GraphQL is left to Nest, and one of a gateway is logged', () => {
  expect(filtered('rpc')).toEqual([])
  expect(filtered('graphql')).toEqual([])
  expect(filtered('ws')).toEqual([closed])
})
