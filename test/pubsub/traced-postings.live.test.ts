/** One trace from who posts to who handles, on a real PostgreSQL and a real Redis, however the postings are coalesced. */

import { trace } from '@opentelemetry/api'
import type { EventTracing } from '@kerp/core'
import { activeTraceparent, eventTracing } from '@kerp/core/tracing'
import { EventLog, type LedgerOptions } from '@kerp/postgres'
import { Consumer, erpEvents, EventRelay, Subscriber } from '@kerp/pubsub'
import { closeRedis, connectRedis, type RedisClient } from '@kerp/redis'
import { openPrivateRedis, type PrivateRedis } from '@kerp/redis/testing'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest'
import { twoLines } from '../postgres/own-database.js'
import { adjustment, type OwnStock, ownStock } from '../postgres/own-stock.js'
import { freshCompany } from '../support/fresh-company.js'
import { registerTracing } from '../support/spans.js'
import { keys, Record, until } from './event-world.js'

let database: OwnStock
let server: PrivateRedis
let redis: RedisClient
const exporter = registerTracing()
const tracing = eventTracing()
const tracer = trace.getTracer('test')

beforeAll(async () => {
  database = await ownStock(inject('databaseUrl'))
  server = await openPrivateRedis()
  redis = await connectRedis({ path: server.socketPath }, 10_000, {})
})
afterEach(() => exporter.reset())
afterAll(async () => {
  await closeRedis(redis)
  await server.close()
  await database.close()
})

interface Traced {
  readonly spanId: string
  readonly traceparent: string
}

/** Does it in a span of its own; answers with that span. */
async function inSpan(name: string, call: () => Promise<unknown>): Promise<Traced> {
  return tracer.startActiveSpan(name, async (span) => {
    await call()
    span.end()
    const { traceId, spanId } = span.spanContext()
    return { spanId, traceparent: `00-${traceId}-${spanId}-01` }
  })
}

const logOf = (options: { readonly tracing?: EventTracing }): EventLog =>
  new EventLog({ pool: database.pool, ...options })

/** Type, what it is about, and trace of each event of a company, in the order of the log. */
async function logged(companyId: string): Promise<readonly (readonly [string, string, unknown])[]> {
  const log = logOf({})
  while ((await log.advance({ limit: 1_000 })).isMore);
  const { events } = await log.read({ companyId, after: '0', limit: 1_000 })
  return events.map(({ type, payload, traceparent }) => {
    const { id, account, item } = payload as { id?: string; account?: string; item?: string }
    return [type.replace('events:', ''), id ?? account ?? item ?? '', traceparent]
  })
}

function ledgerAndStock(options: Pick<LedgerOptions, 'tracing'> = {}) {
  return { ledger: database.ledger(options), stock: database.stock(options) }
}

describe('The trace of a posting', () => {
  it('is that of its own caller, also in a transaction with postings of others', async () => {
    const { ledger } = ledgerAndStock({ tracing })
    const companyId = freshCompany()
    const post = (id: string, credit: string) => (): Promise<unknown> =>
      ledger.post(twoLines(companyId, id, 1_000n, { credit }))
    const [first, second] = await Promise.all([
      inSpan('first', post('V-1', '4101')),
      inSpan('second', post('V-2', '4102')),
      post('V-3', '4103')(),
    ])
    const { rows } = await database.pool.query('SELECT DISTINCT xid FROM kerp.outbox WHERE company = $1', [
      companyId,
    ])
    expect(rows).toHaveLength(1)
    const told = await logged(companyId)
    const made = told.filter(([type]) => type === 'voucher:created').map(([, ...facts]) => facts)
    expect(made).toEqual([
      ['V-1', first.traceparent],
      ['V-2', second.traceparent],
      ['V-3', undefined],
    ])
    // An image is the state after the last voucher on its row; cash was on all three.
    const images = new Map(told.flatMap(([type, ...facts]) => (type === 'balance:updated' ? [facts] : [])))
    expect(['4101', '4102', '4103', '1101'].map((account) => images.get(account))).toEqual([
      first.traceparent,
      second.traceparent,
      undefined,
      undefined,
    ])
  })

  it('is that of reversals, approvals, work in the host’s transaction, movements and reservations', async () => {
    const { ledger, stock } = ledgerAndStock({ tracing })
    const log = logOf({ tracing })
    const companyId = freshCompany()
    const client = await database.pool.connect()
    onTestFinished(() => client.release())
    const within = async (work: () => Promise<unknown>): Promise<void> => {
      await client.query('BEGIN')
      await work()
      await client.query('COMMIT')
    }
    const reservationId = 'R-1'
    const lines = [{ item: 'A', warehouse: 'W1', quantity: 1_000n }]
    const about = { companyId, type: 'events:notification', payload: { level: 'info', message: 'x' } }
    const works: readonly (() => Promise<unknown>)[] = [
      () => ledger.post(twoLines(companyId, 'V-1')),
      () => ledger.approve(companyId, 'V-1'),
      () => ledger.reverse(companyId, 'V-1', { id: 'V-2' }),
      () => within(() => ledger.postWithin(client, twoLines(companyId, 'V-3'))),
      () => stock.adjust(adjustment(companyId, 'M-1', 9_000n)),
      () => within(() => stock.adjustWithin(client, adjustment(companyId, 'M-2', 9_000n))),
      () => stock.transfer({ companyId, movementId: 'M-3', item: 'A', from: 'W1', to: 'W2', quantity: 1n }),
      () => stock.reserve({ companyId, reservationId, lines, ttlMs: 60_000 }),
      () => stock.confirm({ companyId, reservationId }),
      () => log.append(about),
      () => within(() => log.appendWithin(client, about)),
    ]
    const spans: Traced[] = []
    for (const [index, work] of works.entries()) spans.push(await inSpan(`work ${index}`, work))
    const traces = (await logged(companyId)).map(([, , traceparent]) => traceparent)
    const inOrder = traces.filter((traceparent, index) => traceparent !== traces[index - 1])
    expect(inOrder).toEqual(spans.map(({ traceparent }) => traceparent))
  })

  it('goes through the relay to the handlers of consumers and subscribers, and says nothing of the voucher', async () => {
    const { ledger } = ledgerAndStock({ tracing })
    const companyId = freshCompany()
    const parts = { redis, keys, events: erpEvents, tracing }
    const relay = new EventRelay({ redis, keys, source: logOf({}), backoffMsMax: 200 })
    const subscriber = new Subscriber({ ...parts, tailMs: 100 })
    const inside: (string | undefined)[] = []
    const consumer = new Consumer({
      ...parts,
      group: 'g',
      types: ['events:voucher:created'],
      companies: [companyId],
      pollMs: 20,
      handler: () => Promise.resolve(inside.push(activeTraceparent())),
    })
    onTestFinished(async () => {
      await consumer.close()
      await subscriber.close()
      await relay.close()
    })
    const record = new Record()
    await subscriber.subscribe({ companyId, from: 'beginning' }, record).started
    consumer.start()
    relay.start()
    const secret = { memo: 'customer-17', amount: 98_765_432_123n }
    const voucher = twoLines(companyId, 'V-secret', secret.amount)
    const posting = await inSpan('posting', () =>
      ledger.post({ ...voucher, lines: voucher.lines.map((line) => ({ ...line, memo: secret.memo })) }),
    )
    await record.has(3)
    await until('the consumer’s event', () => inside.length > 0)
    const below = () =>
      exporter.getFinishedSpans().filter((span) => span.parentSpanContext?.spanId === posting.spanId)
    await until('the spans of both', () => below().length >= 2)
    expect(inside.map((each) => each?.slice(0, 35))).toEqual([posting.traceparent.slice(0, 35)])
    const heard = record.batches.flatMap(({ events }) => events)
    expect(new Set(heard.map(({ traceparent }) => traceparent))).toEqual(new Set([posting.traceparent]))
    const traceIds = exporter.getFinishedSpans().map((span) => span.spanContext().traceId)
    expect(new Set(traceIds)).toEqual(new Set([posting.traceparent.slice(3, 35)]))
    const told = exporter
      .getFinishedSpans()
      .map(({ name, attributes, events, links }) => ({ name, attributes, events, links }))
    for (const given of [companyId, 'V-secret', '1101', String(secret.amount), secret.memo]) {
      expect([given, JSON.stringify(told).includes(given)]).toEqual([given, false])
    }
  })

  it('is written nowhere when nobody asked for it, and costs a posting nothing when its port fails', async () => {
    const companyId = freshCompany()
    const { ledger, stock } = ledgerAndStock()
    await inSpan('untraced', async () => {
      await ledger.post(twoLines(companyId, 'V-1'))
      await ledger.approve(companyId, 'V-1')
      await stock.adjust(adjustment(companyId, 'M-1', 9_000n))
      await logOf({}).append({ companyId, type: 'events:notification', payload: {} })
    })
    const failing = {
      traceparent: (): string => {
        throw new Error('the tracer is gone')
      },
    }
    await database.ledger({ tracing: failing }).post(twoLines(companyId, 'V-2'))
    await database.ledger({ tracing: { traceparent: () => 'x' } }).post(twoLines(companyId, 'V-3'))
    const written = await database.one(
      "SELECT count(*)::int || '/' || count(traceparent) FROM kerp.outbox WHERE company = $1",
      [companyId],
    )
    expect(written).toBe('12/0')
  })
})
