/** Two real databases whose services were given one Redis, and no namespaces. */

import { recordingObserver } from '@kerp/core/testing'
import { createKeys, type Keys } from '@kerp/keys'
import { anyAccount, anyWarehouse, databaseEpoch } from '@kerp/postgres'
import { Realtime } from '@kerp/realtime'
import { parseWatermark } from '@kerp/registers'
import { Redis } from 'ioredis'
import { expect, inject, onTestFinished, test } from 'vitest'
import { type OwnDatabase, ownDatabase, twoLines } from '../postgres/own-database.js'
import { until } from '../registers/world.js'
import { freshCompany } from '../support/fresh-company.js'

const PROCESSES = 3
const ROUNDS = 40

interface Service {
  readonly realtime: Realtime
  readonly observer: ReturnType<typeof recordingObserver>
}

async function database(): Promise<OwnDatabase> {
  const own = await ownDatabase(inject('databaseUrl'))
  onTestFinished(() => own.close())
  return own
}

function service({ pool }: OwnDatabase, keys: Keys, background: boolean, localTier?: false): Service {
  const redis = new Redis({ path: inject('redisSocket') })
  const observer = recordingObserver()
  const realtime = new Realtime({
    ...{ redis, pool, keys, observer, background, localTier },
    accounts: anyAccount,
    warehouses: anyWarehouse,
    logger: false,
  })
  onTestFinished(async () => {
    await realtime.close()
    redis.disconnect()
  })
  realtime.start()
  return { realtime, observer }
}

test('two databases on one Redis without a namespace: no read answers the balance of the other, and both say what to do', async () => {
  const [ours, theirs] = [await database(), await database()]
  const keys = createKeys({ namespace: freshCompany() })
  const companyId = freshCompany()
  const ref = { companyId, account: '1101', fiscalYear: 2026 }
  await ours.ledger().post(twoLines(companyId, 'V-1', 1_000n))
  const first = service(ours, keys, true)
  await first.realtime.relay.caughtUp()
  await theirs.ledger().post(twoLines(companyId, 'V-1', 7n))
  const second = service(theirs, keys, true)
  const readers = [first, second].flatMap((relaying, side) => [
    { relaying, expected: side === 0 ? 1_000n : 7n, realtime: relaying.realtime },
    ...Array.from({ length: PROCESSES }, (_, at) => ({
      relaying,
      expected: side === 0 ? 1_000n : 7n,
      realtime: service(side === 0 ? ours : theirs, keys, false, at === 0 ? false : undefined).realtime,
    })),
  ])
  let wrong = 0
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { realtime, expected } of readers) {
      const peeked = realtime.balances.peek(ref)?.debit ?? expected
      const [one, many] = await Promise.all([realtime.balances.get(ref), realtime.balances.getMany([ref])])
      if (peeked !== expected) wrong += 1
      for (const { debit } of [one, ...many]) if (debit !== expected) wrong += 1
    }
  }
  expect(wrong).toBe(0)
  await until(() => second.realtime.relay.foreign !== undefined)
  const redis = new Redis({ path: inject('redisSocket') })
  const watermark = parseWatermark((await redis.get(keys.watermark(companyId))) ?? undefined)
  redis.disconnect()
  expect(watermark?.epoch).toBe(await databaseEpoch(ours.pool))
  expect(first.realtime.relay.foreign).toBeUndefined()
  expect(first.observer.of('registerForeign')).toEqual([])
  expect(second.observer.of('registerForeign')).toEqual([
    expect.objectContaining({ companyId, registersEpoch: watermark?.epoch }),
  ])
  const report = await second.realtime.health()
  expect(report).toMatchObject({ ready: true, degraded: true })
  const causes = report.causes.filter(({ cause }) => cause.startsWith('another database has its rows'))
  expect(causes.map(({ part }) => part)).toEqual(['relay', 'trust'])
  expect(causes[0]?.fix).toContain('createKeys({ namespace })')
  expect((await first.realtime.health()).causes).toEqual([])
})
