import { openPrivateRedis } from '@kerp/redis/testing'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { freshDatabase } from './erp-database.js'
import { type ErpProcess, fieldOf, startErp } from './erp-process.js'

const PER_MINUTE = 20

/** Sends it with its own token, and answers with what a client that was sent away goes by. */
async function call(erp: ErpProcess, user: string, path: string, company = 'c1') {
  const opened = await erp.send('/session', { method: 'POST', body: { company, user } })
  const authorization = `Bearer ${String(fieldOf(opened.body, 'token'))}`
  const answer = await fetch(`${erp.url}/companies/${company}${path}`, { headers: { authorization } })
  return { status: answer.status, retryAfter: answer.headers.get('retry-after'), body: await answer.json() }
}

/** Statuses of as many calls as may be made in a minute, and of two more. */
async function callAll(erps: readonly ErpProcess[], user: string): Promise<readonly number[]> {
  const statuses: number[] = []
  for (let n = 0; n < PER_MINUTE + 2; n += 1) {
    const erp = erps[n % erps.length]
    if (erp !== undefined) statuses.push((await call(erp, user, STOCK)).status)
  }
  return statuses
}

const STOCK = '/stock?item=A'
const ONE_TOO_MANY = [...Array.from({ length: PER_MINUTE }, () => 200), 429, 429]

let redis: Awaited<ReturnType<typeof openPrivateRedis>>
let erps: readonly [ErpProcess, ErpProcess]
beforeAll(async () => {
  redis = await openPrivateRedis({ tcp: true })
  const DATABASE_URL = await freshDatabase(inject('databaseUrl'))
  const env = { DATABASE_URL, REDIS_URL: redis.url, RATE_LIMIT_PER_MINUTE: String(PER_MINUTE) }
  erps = [await startErp(env), await startErp(env)]
}, 120_000)
afterAll(async () => {
  await Promise.all(erps.map((erp) => erp.stop()))
  await redis.close()
})

describe('A user who calls a route too often', () => {
  it('is sent away, counted over all processes, and told when to come back', async () => {
    expect(await callAll(erps, 'kim')).toEqual(ONE_TOO_MANY)
    const { status, retryAfter, body } = await call(erps[0], 'kim', STOCK)
    expect(status).toBe(429)
    expect(body).toMatchObject({ error: { code: 'RATE_LIMITED', retryable: true } })
    expect(Number(retryAfter)).toBeGreaterThanOrEqual(1)
    expect(Number(retryAfter)).toBeLessThanOrEqual(60)
    // Another query of the same route is the same route.
    expect((await call(erps[1], 'kim', '/stock?item=B')).status).toBe(429)
  })

  it('disturbs no other user, route or company, and no probe', async () => {
    expect(await callAll(erps, 'lee')).toEqual(ONE_TOO_MANY)
    expect((await call(erps[0], 'park', STOCK)).status).toBe(200)
    expect((await call(erps[0], 'lee', '/events')).status).toBe(200)
    expect((await call(erps[0], 'lee', STOCK, 'c2')).status).toBe(200)
    expect((await erps[0].send('/healthz')).status).toBe(200)
  })

  it('is counted by each process for itself while Redis is away', async () => {
    await redis.kill()
    const [one, other] = erps
    expect(await callAll([one], 'choi')).toEqual(ONE_TOO_MANY)
    expect((await call(other, 'choi', STOCK)).status).toBe(200)
    await redis.restart()
    await expect
      .poll(async () => (await callAll(erps, `again-${Math.random()}`)).join(), { timeout: 30_000 })
      .toBe(ONE_TOO_MANY.join())
  })
})

describe('An address that opens sessions too often', () => {
  it('is sent away before its body is read, and told when to come back', async () => {
    await using other = await openPrivateRedis({ tcp: true })
    const DATABASE_URL = await freshDatabase(inject('databaseUrl'))
    const erp = await startErp({ DATABASE_URL, REDIS_URL: other.url, SESSION_LIMIT_PER_MINUTE: '3' })
    const open = (body: string): Promise<Response> =>
      fetch(`${erp.url}/session`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    try {
      const statuses: number[] = []
      for (const company of ['c1', 'c2', 'none']) {
        statuses.push((await open(JSON.stringify({ company, user: 'kim' }))).status)
      }
      expect(statuses).toEqual([200, 200, 404])
      // A call that Redis counts too late is counted by the process alone, which comes to its end as well.
      const next = async (): Promise<number> => (await open('{"company":"c1","user":"kim"}')).status
      await expect.poll(next).toBe(429)
      const refused = await open('{')
      expect(refused.status).toBe(429)
      expect(await refused.json()).toMatchObject({ error: { code: 'RATE_LIMITED', retryable: true } })
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
      const client = other.client()
      expect(await client.keys('rate:*')).toEqual(['rate:{anybody}:127.0.0.1:POST.session'])
      client.disconnect()
    } finally {
      await erp.stop()
    }
  })
})
