import { createServer } from 'node:net'
import { openPrivatePostgres, type PrivatePostgres } from '@kerp/postgres/testing'
import { openPrivateRedis, type PrivateRedis } from '@kerp/redis/testing'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase } from '../erp/erp-database.js'
import { type Answer, type CompanyClient, type ErpProcess, fieldOf, startErp } from '../erp/erp-process.js'
import { saleOf } from '../erp/vouchers.js'

let postgres: PrivatePostgres
beforeAll(async () => {
  postgres = await openPrivatePostgres()
})
afterAll(() => postgres.close())

const running: ErpProcess[] = []
const servers: (PrivateRedis | PrivatePostgres)[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((erp) => erp.stop()))
  await Promise.all(servers.splice(0).map((server) => server.close()))
})

async function start(env: Readonly<Record<string, string>>): Promise<CompanyClient & { erp: ErpProcess }> {
  const erp = await startErp(env)
  running.push(erp)
  return { ...(await erp.as('c1')), erp }
}

async function privateRedis(): Promise<PrivateRedis> {
  const redis = await openPrivateRedis({ tcp: true })
  servers.push(redis)
  return redis
}

const balanceOf = (answer: Answer): unknown => fieldOf(answer.body, 'balances', 0, 'balance')
const sourceOf = (answer: Answer): unknown => fieldOf(answer.body, 'balances', 0, 'source')
const READ = '/balances?accounts=11210&fiscalYear=2026'

/** Posts one after the other until it is told to stop; every answer is kept. */
function postUntil(client: CompanyClient, prefix: string): { stop: () => Promise<readonly Answer[]> } {
  const answers: Answer[] = []
  const flag = { stopped: false }
  const work = (async () => {
    while (!flag.stopped)
      answers.push(await client.post('/vouchers', saleOf(`${prefix}-${answers.length}`, '10')))
  })()
  return {
    stop: async () => {
      flag.stopped = true
      await work
      return answers
    },
  }
}

describe('Without Redis', () => {
  it('a server that starts posts, reads and audits from the database, and uses Redis as soon as it comes', async () => {
    const redis = await privateRedis()
    await redis.kill()
    const client = await start({ DATABASE_URL: await freshDatabase(postgres.url), REDIS_URL: redis.url })
    expect((await client.post('/vouchers', saleOf('first', '10'))).status).toBe(201)
    const read = await client.get(READ)
    expect([read.status, balanceOf(read), sourceOf(read)]).toEqual([200, '10', 'database'])
    expect(fieldOf((await client.get('/audit')).body, 'ok')).toBe(true)
    expect((await client.erp.send('/healthz')).status).toBe(200)
    const ready = await client.erp.send('/readyz')
    expect([ready.status, fieldOf(ready.body, 'degraded')]).toEqual([200, true])
    await redis.restart()
    await expect.poll(async () => sourceOf(await client.get(READ)), { timeout: 20_000 }).not.toBe('database')
    expect(balanceOf(await client.get(READ))).toBe('10')
    expect(fieldOf((await client.erp.send('/readyz')).body, 'degraded')).toBe(false)
  })

  it('killed, emptied and started again while posting goes on, no post fails and no balance is wrong', async () => {
    const redis = await privateRedis()
    const client = await start({ DATABASE_URL: await freshDatabase(postgres.url), REDIS_URL: redis.url })
    const posting = postUntil(client, 'kill')
    await expect.poll(async () => sourceOf(await client.get(READ)), { timeout: 20_000 }).not.toBe('database')
    for (let round = 0; round < 3; round += 1) {
      await redis.kill()
      expect((await client.get(READ)).status).toBe(200)
      await redis.restart()
      await expect
        .poll(async () => sourceOf(await client.get(READ)), { timeout: 20_000 })
        .not.toBe('database')
    }
    const answers = await posting.stop()
    expect(answers.filter(({ status }) => status !== 201)).toEqual([])
    const total = String(answers.length * 10)
    const atLeast = await client.get(`${READ}&atLeast=11210:${answers.length}`)
    expect(balanceOf(atLeast)).toBe(total)
    await expect.poll(async () => balanceOf(await client.get(READ)), { timeout: 10_000 }).toBe(total)
    expect(fieldOf((await client.get('/audit')).body, 'ok')).toBe(true)
  })

  it('frozen, reads and posts go on', async () => {
    const redis = await privateRedis()
    const client = await start({ DATABASE_URL: await freshDatabase(postgres.url), REDIS_URL: redis.url })
    await client.post('/vouchers', saleOf('warm', '10'))
    await expect.poll(async () => sourceOf(await client.get(READ)), { timeout: 20_000 }).not.toBe('database')
    redis.pause()
    const answers: Answer[] = []
    for (let index = 0; index < 10; index += 1) {
      answers.push(await client.post('/vouchers', saleOf(`frozen-${index}`, '10')))
      const read = await client.get(`${READ}&atLeast=11210:${index + 2}`)
      expect([read.status, balanceOf(read)]).toEqual([200, String((index + 2) * 10)])
    }
    redis.resume()
    expect(answers.every(({ status }) => status === 201)).toBe(true)
    await expect.poll(async () => sourceOf(await client.get(READ)), { timeout: 20_000 }).not.toBe('database')
    await expect.poll(async () => balanceOf(await client.get(READ)), { timeout: 10_000 }).toBe('110')
  })
})

describe('Without PostgreSQL', () => {
  const unavailable = (answer: Answer): unknown => [
    answer.status,
    fieldOf(answer.body, 'error', 'code'),
    fieldOf(answer.body, 'error', 'retryable'),
  ]

  it('a server that starts says 503 and why, and works as soon as the database comes', async () => {
    const redis = await privateRedis()
    const own = await openPrivatePostgres()
    servers.push(own)
    await own.kill()
    const client = await start({ DATABASE_URL: own.url, REDIS_URL: redis.url })
    expect((await client.erp.send('/healthz')).status).toBe(200)
    const ready = await client.erp.send('/readyz')
    const causes = ['the schema is not in place yet', 'the database cannot be reached']
    expect([ready.status, fieldOf(ready.body, 'causes')]).toEqual([503, causes])
    expect(unavailable(await client.post('/vouchers', saleOf('early', '10')))).toEqual([
      503,
      'DATABASE_UNAVAILABLE',
      true,
    ])
    expect(unavailable(await client.get(READ))).toEqual([503, 'DATABASE_UNAVAILABLE', true])
    await own.restart()
    await expect.poll(async () => (await client.erp.send('/readyz')).status, { timeout: 20_000 }).toBe(200)
    expect((await client.post('/vouchers', saleOf('early', '10'))).status).toBe(201)
  })

  it('killed while posting goes on, nothing is pretended, and what was acknowledged is there afterwards', async () => {
    const redis = await privateRedis()
    const own = await openPrivatePostgres()
    servers.push(own)
    const client = await start({ DATABASE_URL: own.url, REDIS_URL: redis.url })
    const posting = postUntil(client, 'cut')
    await expect.poll(async () => sourceOf(await client.get(READ)), { timeout: 20_000 }).not.toBe('database')
    await own.kill()
    const refused = await client.post('/vouchers', saleOf('dark', '10'))
    expect(unavailable(refused)).toEqual([503, 'DATABASE_UNAVAILABLE', true])
    expect(unavailable(await client.get('/trial-balance?fiscalYear=2026'))).toEqual([
      503,
      'DATABASE_UNAVAILABLE',
      true,
    ])
    expect((await client.erp.send('/readyz')).status).toBe(503)
    await own.restart()
    await expect.poll(async () => (await client.erp.send('/readyz')).status, { timeout: 20_000 }).toBe(200)
    const answers = await posting.stop()
    expect(answers.every(({ status }) => status === 201 || status === 503)).toBe(true)
    // Whatever was refused or unknown is sent again with its id, as every client does.
    const again = await Promise.all(
      answers.map((_, index) => client.post('/vouchers', saleOf(`cut-${index}`, '10'))),
    )
    expect(again.every(({ status }) => status === 201 || status === 200)).toBe(true)
    for (const [index, answer] of answers.entries()) {
      if (answer.status === 201) expect(again[index]?.text).toBe(answer.text)
    }
    const total = String(answers.length * 10)
    const read = await client.get(`${READ}&atLeast=11210:${answers.length}`)
    expect(balanceOf(read)).toBe(total)
    expect(fieldOf((await client.get('/audit')).body, 'ok')).toBe(true)
  })

  it('that never answers, a request ends by its deadline all the same', async () => {
    const silent = createServer(() => undefined)
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const address = silent.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const redis = await privateRedis()
    const client = await start({ DATABASE_URL: `postgres://a@127.0.0.1:${port}/none`, REDIS_URL: redis.url })
    expect(unavailable(await client.get(READ))).toEqual([503, 'DATABASE_UNAVAILABLE', true])
    expect((await client.erp.send('/readyz')).status).toBe(503)
    silent.close()
  })
})
