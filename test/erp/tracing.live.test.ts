import { Agent } from 'node:http'
import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import type { InMemorySpanExporter, ReadableSpan } from '@opentelemetry/sdk-trace-base'
import { afterAll, expect, inject, it } from 'vitest'
import { readConfig } from '../../examples/erp/src/config.js'
import { openErp } from '../../examples/erp/src/main.js'
import { openTracing } from '../../examples/erp/src/tracing.js'
import { registerTracing } from '../support/spans.js'
import { freshDatabase } from './erp-database.js'
import { clientOf, refusalIn } from './erp-process.js'
import { GIVEN, useEveryRoute } from './every-route.js'
import { saleOf } from './vouchers.js'

const agent = new Agent({ keepAlive: true })
afterAll(() => agent.destroy())

const PATIENCE = { timeout: 20_000, interval: 50 }

/** Names of the spans of handlers that go on with what a span began. */
function handledBelow(exporter: InMemorySpanExporter, parent: ReadableSpan | undefined): readonly string[] {
  return exporter
    .getFinishedSpans()
    .filter(({ kind, parentSpanContext }) => {
      const isBelow = parentSpanContext?.spanId === parent?.spanContext().spanId
      return parent !== undefined && isBelow && SpanKind[kind] === 'CONSUMER'
    })
    .map(({ name }) => name)
}

it('Spans stand around what is posted, read, moved and relayed, and hold nothing of what was given', async () => {
  const part = { post: () => 1 }
  expect((await openTracing()).around(part, 'Part', ['post'])).toBe(part)
  const exporter = registerTracing()
  const databaseUrl = await freshDatabase(inject('databaseUrl'))
  await using erp = await openErp(readConfig({ PORT: '0', DATABASE_URL: databaseUrl }), {
    say: () => undefined,
  })
  const client = clientOf(erp.url, agent)
  const won = await useEveryRoute(client)
  const refused = await won.post('/vouchers', saleOf('one', '7'))
  expect(refusalIn(refused)).toEqual([409, 'VOUCHER_CONFLICT'])
  await erp.relay.caughtUp()
  while (!(await erp.eventRelay.tick()).ok);

  const spans = exporter.getFinishedSpans()
  const named = (name: string): typeof spans => spans.filter((span) => span.name === name)
  for (const name of [
    ...['Vouchers.post', 'Vouchers.reverse', 'Vouchers.approve', 'Ledger.post', 'BalanceCache.apply'],
    ...['BalanceCache.getMany', 'Stock.adjust', 'Stock.transfer', 'Stock.reserve', 'Stock.confirm'],
    ...[
      'Stock.cancel',
      'Payroll.start',
      'Payroll.finish',
      'OutboxRelay.tick',
      'EventRelay.tick',
      'redis apply-registers',
    ],
  ]) {
    expect([name, named(name).length > 0]).toEqual([name, true])
  }
  const [posting] = named('Vouchers.post')
  const below = spans.filter((span) => span.parentSpanContext?.spanId === posting?.spanContext().spanId)
  const posted = named('Ledger.post').find(
    (span) => span.parentSpanContext?.spanId === posting?.spanContext().spanId,
  )
  await expect.poll(() => handledBelow(exporter, posted), PATIENCE).toContain('events:voucher:created')
  await expect.poll(() => handledBelow(exporter, named('Payroll.start')[0])).toContain('Payroll.finish')
  expect(below.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['Ledger.post', 'BalanceCache.apply']) as string[],
  )
  const failed = named('Vouchers.post').filter(({ status }) => SpanStatusCode[status.code] === 'ERROR')
  expect(failed.map(({ attributes }) => attributes)).toEqual([{ 'error.type': 'VOUCHER_CONFLICT' }])

  const told = spans.map(({ name, attributes, events, status }) => ({ name, attributes, events, status }))
  const text = JSON.stringify(told)
  for (const given of [...Object.values(GIVEN), '11210', 'c1', 'W1', '2026-01', '{c1}', won.token]) {
    expect([given, text.includes(given)]).toEqual([given, false])
  }
  const keys = new Set(told.flatMap(({ attributes }) => Object.keys(attributes)))
  expect([...keys].sort()).toEqual(['db.operation.name', 'db.system.name', 'error.type', 'moved'])
})
