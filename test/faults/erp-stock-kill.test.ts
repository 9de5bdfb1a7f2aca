import { sleep, STOCK_STEPS, systemClock } from '@kerp/core'
import { seededRandom } from '@kerp/core/testing'
import { openPrivatePostgres, type PrivatePostgres } from '@kerp/postgres/testing'
import { openPrivateRedis } from '@kerp/redis/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, sql } from '../erp/erp-database.js'
import { type Answer, type CompanyClient, type ErpProcess, fieldOf, startErp } from '../erp/erp-process.js'

const FULL = process.env['KERP_TEST_FULL'] === '1'
const SEEDS = FULL ? 20 : 1
/** All steps in the full run; else those around the one moment that decides. */
const KILL_STEPS = FULL ? STOCK_STEPS : (['stock.written', 'stock.committing', 'stock.committed'] as const)
const MOVERS = 8
const REQUESTS_MAX = 4_000
const ATTEMPTS_MAX = 20
const ITEMS = ['A', 'B', 'C']
const WAREHOUSES = ['W1', 'W2', 'W3']
const OPENING = 40
/** How often the app passes the step before it dies, at most. */
const PASSES_MAX = 40

let postgres: PrivatePostgres
beforeAll(async () => {
  postgres = await openPrivatePostgres({ settings: { max_connections: 200 } })
})
afterAll(() => postgres.close())

interface Request {
  readonly path: string
  readonly body: Readonly<Record<string, unknown>>
}

/** Few rows, so that many movements meet on each, and not enough goods for all of them. */
function requestOf(seed: number, index: number): Request {
  const random = seededRandom(seed * 100_003 + index)
  const pick = (list: readonly string[]): string => list[Math.floor(random.fraction() * list.length)] ?? ''
  const quantity = (): string => String((1 + Math.floor(random.fraction() * 20_000)) / 1_000)
  const dice = random.fraction()
  const item = pick(ITEMS)
  if (dice < 0.5) {
    const sign = random.fraction() < 0.5 ? '-' : ''
    const body = { movementId: `m-${index}`, item, warehouse: pick(WAREHOUSES), quantity: sign + quantity() }
    return { path: '/stock/adjust', body }
  }
  if (dice < 0.8) {
    const from = pick(WAREHOUSES)
    const to = pick(WAREHOUSES.filter((warehouse) => warehouse !== from))
    return {
      path: '/stock/transfer',
      body: { movementId: `m-${index}`, item, from, to, quantity: quantity() },
    }
  }
  const lines = [1, 2].map(() => ({ item: pick(ITEMS), warehouse: pick(WAREHOUSES), quantity: quantity() }))
  return { path: '/stock/reserve', body: { reservationId: `r-${index}`, ttlSeconds: 3_600, lines } }
}

interface History {
  readonly sent: number
  /** What was acknowledged before the app died, by index. */
  readonly acknowledged: ReadonlyMap<number, string>
}

async function open(env: Readonly<Record<string, string>>): Promise<void> {
  const erp = await startErp(env)
  const client = await erp.as('c1')
  for (const item of ITEMS) {
    for (const warehouse of WAREHOUSES) {
      const movementId = `opening-${item}-${warehouse}`
      await client.post('/stock/adjust', { movementId, item, warehouse, quantity: String(OPENING) })
    }
  }
  await erp.stop()
}

/** Moves and reads at once until the app is gone. */
async function workUntilDead(erp: ErpProcess, client: CompanyClient, seed: number): Promise<History> {
  const acknowledged = new Map<number, string>()
  let sent = 0
  let dead = false
  const move = async (): Promise<void> => {
    while (!dead && sent < REQUESTS_MAX) {
      const index = sent
      sent += 1
      const { path, body } = requestOf(seed, index)
      const answer = await client.post(path, body).catch(() => undefined)
      if (answer === undefined) return
      expect([200, 409, 503], answer.text).toContain(answer.status)
      if (answer.status === 200) acknowledged.set(index, answer.text)
    }
  }
  const read = async (): Promise<void> => {
    while (!dead) {
      if ((await client.get(`/stock?item=${ITEMS[0] ?? ''}`).catch(() => undefined)) === undefined) return
    }
  }
  const moved = Promise.all(Array.from({ length: MOVERS }, move)).then(async () => {
    // A step that was never reached must fail the test, not hold it up.
    await Promise.race([erp.ended, sleep(systemClock, 5_000)])
    if (sent >= REQUESTS_MAX) await erp.stop()
  })
  await Promise.all([moved, read(), erp.ended.then(() => (dead = true))])
  return { sent, acknowledged }
}

/** As every client does, says it again to an app that says that it is too busy now. */
async function postPatiently(client: CompanyClient, { path, body }: Request): Promise<Answer> {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await client.post(path, body)
    if (answer.status !== 503 || attempt === ATTEMPTS_MAX) return answer
  }
}

/** Everything is sent again: what was acknowledged is still what it was, the rest happens once or is refused. */
async function checkHistory(
  databaseUrl: string,
  client: CompanyClient,
  seed: number,
  { sent, acknowledged }: History,
): Promise<void> {
  const expected = new Map(ITEMS.map((item) => [item, BigInt(OPENING * 1_000 * WAREHOUSES.length)]))
  let next = 0
  const sendAgain = async (): Promise<void> => {
    while (next < sent) {
      const index = next
      next += 1
      const request = requestOf(seed, index)
      const again = await postPatiently(client, request)
      const known = acknowledged.get(index)
      if (known !== undefined) expect([again.status, again.text], `request ${index}`).toEqual([200, known])
      else expect([200, 409], `request ${index}: ${again.text}`).toContain(again.status)
      if (again.status !== 200 || request.path !== '/stock/adjust') continue
      const item = String(request.body['item'])
      const change = BigInt(Math.round(Number(request.body['quantity']) * 1_000))
      expected.set(item, (expected.get(item) ?? 0n) + change)
    }
  }
  await Promise.all(Array.from({ length: MOVERS }, sendAgain))
  const rows = await sql(
    databaseUrl,
    `SELECT item, sum(on_hand)::text AS on_hand FROM kerp.stock WHERE company = 'c1' GROUP BY item`,
  )
  expect(new Map(rows.map((row) => [row['item'], row['on_hand']]))).toEqual(
    new Map([...expected].map(([item, onHand]) => [item, String(onHand)])),
  )
  const audit = await client.get('/audit')
  expect(fieldOf(audit.body, 'ok'), audit.text).toBe(true)
}

describe.each(KILL_STEPS)('Killed at the step %s', (step) => {
  it.each(Array.from({ length: SEEDS }, (_, index) => index + 1))(
    'the app comes back with every movement done once or not at all, and all goods there (seed %i)',
    async (seed) => {
      await using redis = await openPrivateRedis()
      const env = { DATABASE_URL: await freshDatabase(postgres.url), REDIS_URL: redis.url }
      await open(env)
      const random = seededRandom(seed * 7_919 + STOCK_STEPS.indexOf(step))
      const failPoint = `${step}:${1 + Math.floor(random.fraction() * PASSES_MAX)}`
      const dying = await startErp({ ...env, FAIL_POINT: failPoint })
      const history = await workUntilDead(dying, await dying.as('c1'), seed)
      expect(history.sent, `${failPoint} was never reached`).toBeLessThan(REQUESTS_MAX)
      const erp = await startErp(env)
      try {
        await checkHistory(env.DATABASE_URL, await erp.as('c1'), seed, history)
      } finally {
        await erp.stop()
      }
    },
  )
})
