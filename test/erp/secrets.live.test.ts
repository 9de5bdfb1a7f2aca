import { inspect } from 'node:util'
import { createMetrics } from '@kerp/metrics'
import { closeRedis, createRedis, redisCommand, whenReady } from '@kerp/redis'
import { openPrivateRedis } from '@kerp/redis/testing'
import { Registry } from 'prom-client'
import { expect, inject, it } from 'vitest'
import { freshDatabase } from './erp-database.js'
import { type Answer, fieldOf, startErp } from './erp-process.js'
import { saleOf } from './vouchers.js'

const PASSWORD = 'canary-password-7f3a91'
const SECRET = 'canary-secret-5d20c4e8'
const AMOUNT = '98765432123'

it('a password, a token and an amount are in no log, error, metric, trace or inspected object of a run with faults', async () => {
  const server = await openPrivateRedis({ tcp: true })
  const admin = createRedis({ url: server.url }, {})
  await whenReady(admin, 10_000)
  await admin.config('SET', 'requirepass', PASSWORD)
  const url = server.url.replace('//', `//:${PASSWORD}@`)
  const erp = await startErp({
    DATABASE_URL: await freshDatabase(inject('databaseUrl')),
    REDIS_URL: url,
    AUTH_SECRET: SECRET,
    NODE_OPTIONS: '--import tsx --import ./test/support/print-spans.ts',
  })
  const won = await erp.as('c1')
  const told: string[] = []
  const post = async (id: string, body: unknown): Promise<number> => {
    const { status, text } = await won.post('/vouchers', body)
    if (status >= 400) told.push(`${id}: ${text}`)
    return status
  }
  expect(await post('sound', saleOf('canary-1', AMOUNT))).toBeLessThan(300)
  await post('conflict', saleOf('canary-1', '1'))
  const [first, ...rest] = saleOf('canary-2', AMOUNT).lines
  const withDebit = (debit: unknown): unknown => ({
    ...saleOf('canary-2', '1'),
    lines: [{ ...first, debit }, ...rest],
  })
  for (const wrong of [`${AMOUNT}.5`, `-${AMOUNT}`, Number(AMOUNT), `${AMOUNT}1`, `+${AMOUNT}`, [AMOUNT]]) {
    expect(await post(`the amount ${typeof wrong}`, withDebit(wrong))).toBe(422)
  }
  const session = (company: string, user: string): Promise<Answer> =>
    erp.send('/session', { method: 'POST', body: { company, user } })
  const ticket = String(fieldOf((await session('c1', 'kim')).body, 'ticket'))
  for (const secret of [won.token, ticket]) {
    told.push(
      (await session('c1', secret)).text,
      (await session(secret, 'kim')).text,
      (await erp.send(`/${secret}`)).text,
      (await erp.send(`/companies/${secret}/audit`)).text,
      (await won.get(`/vouchers/${secret}`)).text,
      (await won.get(`/balances?fiscalYear=2026&accounts=${secret}`)).text,
      (
        await won.post('/stock/adjust', {
          movementId: secret,
          item: secret,
          warehouse: secret,
          quantity: secret,
        })
      ).text,
      (await won.post('/vouchers', { ...saleOf(secret, '1'), date: secret })).text,
    )
  }

  const registry = new Registry()
  const metrics = createMetrics({ registry })
  const own = createRedis({ url, observer: metrics.observer }, {})
  await whenReady(own, 10_000)
  const calls = [
    () => redisCommand(own, 'hget', ['key', AMOUNT], { observer: metrics.observer, effect: 'none' }),
    () => redisCommand(own, 'incrby', ['key', `x${AMOUNT}`], { observer: metrics.observer }),
    () => redisCommand(own, 'auth', [SECRET], { observer: metrics.observer }),
  ]
  const fail = async (): Promise<void> => {
    for (const call of calls) {
      await call().catch((error: unknown) => told.push(inspect(error, { depth: 12, showHidden: true })))
    }
  }
  await fail()
  await server.close()
  await fail()
  await post('without Redis', saleOf('canary-3', AMOUNT))
  told.push((await erp.send('/readyz')).text, (await erp.send('/metrics')).text, await registry.metrics())
  told.push(inspect(metrics, { depth: 12 }))
  await Promise.all([closeRedis(own), closeRedis(admin), metrics.close()])
  await erp.stop()
  const printed = erp.output()
  told.push(printed)
  // Spans of what succeeded, of what was refused and of a Redis that is gone are among what was printed.
  for (const traced of [
    "name: 'Vouchers.post'",
    "'error.type': 'VOUCHER_CONFLICT'",
    "'error.type': 'error'",
  ]) {
    expect([traced, printed.includes(traced)]).toStrictEqual([traced, true])
  }
  expect(told.length).toBeGreaterThan(8)
  // Cut short they are no use to anybody, and still say whose they are.
  const beginnings = [won.token, ticket].map((text) => text.slice(0, 24))
  for (const canary of [PASSWORD, SECRET, AMOUNT, ...beginnings]) {
    expect(told.filter((text) => text.includes(canary))).toStrictEqual([])
  }
})
