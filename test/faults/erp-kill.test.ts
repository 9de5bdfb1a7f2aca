import { sleep, STEPS, systemClock } from '@kerp/core'
import { seededRandom } from '@kerp/core/testing'
import { openPrivatePostgres, type PrivatePostgres } from '@kerp/postgres/testing'
import { createRedis } from '@kerp/redis'
import { openPrivateRedis } from '@kerp/redis/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, sql } from '../erp/erp-database.js'
import { type Answer, type CompanyClient, type ErpProcess, fieldOf, startErp } from '../erp/erp-process.js'
import type { VoucherBody } from '../erp/vouchers.js'
import { StreamReader, upTo } from '../pubsub/stream-reader.js'

const SEEDS = process.env['KERP_TEST_FULL'] === '1' ? 20 : 1
const POSTERS = 8
const VOUCHERS_MAX = 4_000
const BUSY = 503
const ATTEMPTS_MAX = 10
const ACCOUNTS = ['11010', '11020', '11210', '12010', '21010', '21210', '41010', '51010']
/** How often the app passes a step before it dies, at most: relays pass theirs all the time, batches are fewer. */
const PASSES_MAX: Readonly<Record<string, number>> = {
  http: 60,
  posting: 12,
  apply: 40,
  relay: 40,
  events: 20,
}

let postgres: PrivatePostgres
beforeAll(async () => {
  postgres = await openPrivatePostgres({ settings: { max_connections: 200 } })
})
afterAll(() => postgres.close())

/** A balanced voucher of two to five lines over few accounts, so that many vouchers meet on each. */
function voucherOf(seed: number, index: number): VoucherBody {
  const random = seededRandom(seed * 100_003 + index)
  const pick = (): string => ACCOUNTS[Math.floor(random.fraction() * ACCOUNTS.length)] ?? ''
  const amounts = Array.from(
    { length: 1 + Math.floor(random.fraction() * 4) },
    () => 1 + Math.floor(random.fraction() * 999),
  )
  const total = amounts.reduce((sum, amount) => sum + amount, 0)
  return {
    id: `v-${index}`,
    date: '2026-01-31',
    fiscalYear: 2026,
    lines: [
      { account: pick(), debit: String(total) },
      ...amounts.map((amount) => ({ account: pick(), credit: String(amount) })),
    ],
  }
}

interface History {
  /** How many vouchers were sent; their ids are `v-0`, `v-1`, … */
  readonly sent: number
  /** What the client was told before the app died, by index. */
  readonly acknowledged: ReadonlyMap<number, string>
}

/** A relay runs before the first request: an app that dies that early has acknowledged nothing. */
async function dieAt(
  failPoint: string,
  env: Readonly<Record<string, string>>,
  seed: number,
): Promise<History> {
  const dying = await startErp({ ...env, FAIL_POINT: failPoint }).catch((error: unknown) => {
    if (String(error).includes('(SIGKILL)')) return undefined
    throw error
  })
  if (dying === undefined) return { sent: 0, acknowledged: new Map() }
  return workUntilDead(dying, await dying.as('c1'), seed)
}

/** Posts and reads at once until the app is gone. */
async function workUntilDead(erp: ErpProcess, client: CompanyClient, seed: number): Promise<History> {
  const acknowledged = new Map<number, string>()
  let sent = 0
  let dead = false
  const post = async (): Promise<void> => {
    while (!dead && sent < VOUCHERS_MAX) {
      const index = sent
      sent += 1
      const answer = await client.post('/vouchers', voucherOf(seed, index)).catch(() => undefined)
      if (answer === undefined) return
      expect([201, BUSY], answer.text).toContain(answer.status)
      if (answer.status === 201) acknowledged.set(index, answer.text)
    }
  }
  const read = async (): Promise<void> => {
    while (!dead) {
      const answer = await client
        .get(`/balances?fiscalYear=2026&accounts=${ACCOUNTS.join(',')}`)
        .catch(() => undefined)
      if (answer === undefined) return
    }
  }
  const posted = Promise.all(Array.from({ length: POSTERS }, post)).then(async () => {
    // A step that was never reached must fail the test, not hold it up.
    await Promise.race([erp.ended, sleep(systemClock, 2_000)])
    if (sent >= VOUCHERS_MAX) await erp.stop()
  })
  await Promise.all([posted, read(), erp.ended.then(() => (dead = true))])
  return { sent, acknowledged }
}

/** As every client does, says it again to an app that says that it is too busy now. */
async function postPatiently(client: CompanyClient, voucher: VoucherBody): Promise<Answer> {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await client.post('/vouchers', voucher)
    if (answer.status !== BUSY || attempt === ATTEMPTS_MAX) return answer
  }
}

async function checkHistory(
  databaseUrl: string,
  client: CompanyClient,
  seed: number,
  history: History,
): Promise<void> {
  // Every voucher is sent again with its id, as every client does that does not know what became of it. What was
  // acknowledged is there and still what it was; what was not happens once.
  let next = 0
  const sendAgain = async (): Promise<void> => {
    while (next < history.sent) {
      const index = next
      next += 1
      const again = await postPatiently(client, voucherOf(seed, index))
      const known = history.acknowledged.get(index)
      if (known !== undefined) expect([again.status, again.text], `voucher v-${index}`).toEqual([200, known])
      else expect([200, 201], `voucher v-${index}: ${again.text}`).toContain(again.status)
    }
  }
  await Promise.all(Array.from({ length: POSTERS }, sendAgain))
  const expected = new Map<string, { debit: bigint; credit: bigint; version: number }>()
  for (let index = 0; index < history.sent; index += 1) {
    const { lines } = voucherOf(seed, index)
    for (const account of new Set(lines.map((line) => line.account))) {
      const row = expected.get(account) ?? { debit: 0n, credit: 0n, version: 0 }
      for (const line of lines.filter((candidate) => candidate.account === account)) {
        row.debit += BigInt(line.debit ?? 0)
        row.credit += BigInt(line.credit ?? 0)
      }
      row.version += 1
      expected.set(account, row)
    }
  }
  const rows = await sql(
    databaseUrl,
    'SELECT account, debit::text, credit::text, version::text FROM kerp.balance',
  )
  const inBooks = new Map(rows.map((row) => [row['account'], row]))
  expect(inBooks.size).toBe(expected.size)
  for (const [account, row] of expected) {
    expect(inBooks.get(account)).toMatchObject({
      debit: String(row.debit),
      credit: String(row.credit),
      version: String(row.version),
    })
  }
  const path = `/balances?fiscalYear=2026&accounts=${[...expected.keys()].join(',')}`
  const cached = await settled(client, path, expected)
  for (const balance of fieldOf(cached.body, 'balances') as readonly unknown[]) {
    const row = expected.get(String(fieldOf(balance, 'account')))
    expect(balance).toMatchObject({
      debit: String(row?.debit),
      credit: String(row?.credit),
      version: row?.version,
    })
  }
  const audit = await client.get('/audit')
  expect(audit.body).toMatchObject({ ok: true })
}

/** Reads until Redis answers every balance in its last version. */
async function settled(
  client: CompanyClient,
  path: string,
  expected: ReadonlyMap<string, { readonly version: number }>,
): Promise<Answer> {
  let last: Answer | undefined
  await expect
    .poll(
      async () => {
        last = await client.get(path)
        const balances = fieldOf(last.body, 'balances') as readonly unknown[]
        return balances.filter(
          (balance) =>
            fieldOf(balance, 'source') === 'database' ||
            fieldOf(balance, 'version') !== expected.get(String(fieldOf(balance, 'account')))?.version,
        )
      },
      { timeout: 30_000, interval: 20 },
    )
    .toEqual([])
  if (last === undefined) throw new Error('nothing was read')
  return last
}

/** Every event of the company once and in order, also those that were committed and not published when the app died. */
async function checkEvents(databaseUrl: string, redisUrl: string): Promise<void> {
  const [head] = await sql(databaseUrl, `SELECT position::text FROM kerp.event_head WHERE company = 'c1'`)
  const count = Number(head?.['position'] ?? '0')
  const redis = createRedis({ url: redisUrl })
  const reader = new StreamReader(redis, 'c1')
  try {
    await expect.poll(() => reader.read().then((seen) => seen.length), { timeout: 30_000 }).toBe(count)
    expect(reader.seen).toEqual(upTo(count))
    expect(reader.again).toBe(0)
  } finally {
    redis.disconnect()
  }
}

/** Steps on the way of a voucher; a short run takes every second one. */
const VOUCHER_STEPS = process.env['KERP_TEST_FULL'] === '1' ? STEPS : STEPS.filter((_, at) => at % 2 === 0)

function passOf(step: (typeof STEPS)[number], seed: number): number {
  const max = PASSES_MAX[step.split('.')[0] ?? ''] ?? 1
  return 1 + Math.floor(seededRandom(seed * 7_919 + STEPS.indexOf(step)).fraction() * max)
}

describe.each(VOUCHER_STEPS)('Killed at the step %s', (step) => {
  it.each(Array.from({ length: SEEDS }, (_, index) => index + 1))(
    'the app comes back with every balance right and every event published, nothing lost and nothing twice (seed %i)',
    async (seed) => {
      await using redis = await openPrivateRedis()
      const env = { DATABASE_URL: await freshDatabase(postgres.url), REDIS_URL: redis.url }
      const failPoint = `${step}:${passOf(step, seed)}`
      const history = await dieAt(failPoint, env, seed)
      expect(history.sent, `${failPoint} was never reached`).toBeLessThan(VOUCHERS_MAX)
      const erp = await startErp(env)
      try {
        await checkHistory(env.DATABASE_URL, await erp.as('c1'), seed, history)
        await checkEvents(env.DATABASE_URL, env.REDIS_URL)
      } finally {
        await erp.stop()
      }
    },
  )
})
