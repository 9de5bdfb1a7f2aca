/** Guarded balances of a table without versions: what is read while writers post at once, are killed, and Redis forgets. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { seededRandom } from '@kerp/core/testing'
import { ttlPolicy } from '@kerp/keys'
import { openPrivatePostgres, type PrivatePostgres } from '@kerp/postgres/testing'
import { openPrivateRedis, type PrivateRedis } from '@kerp/redis/testing'
import type { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openPool } from '../postgres/own-database.js'
import { freshCompany } from '../support/fresh-company.js'
import { argsOf } from '../support/programs.js'
import { GuardedHost, MOMENTS, TABLE } from './guarded-host.js'

const SCRIPT = fileURLToPath(new URL('guarded-child.ts', import.meta.url))
const ACCOUNTS = Array.from({ length: 24 }, (_, index) => String(1_101 + index))
const KILLS = process.env['KERP_TEST_FULL'] === '1' ? 40 : 3
const WRITERS = 3
const PATIENCE = { timeout: 30_000, interval: 20 }
const SEED = 20_260_111

let pool: ReturnType<typeof openPool>
let postgres: PrivatePostgres
let server: PrivateRedis
const clients: Redis[] = []

beforeAll(async () => {
  postgres = await openPrivatePostgres()
  pool = openPool(postgres.url, 12)
  await pool.query(TABLE)
  server = await openPrivateRedis()
}, 60_000)

afterAll(async () => {
  for (const client of clients) client.disconnect()
  await server.close()
  await pool.end()
  await postgres.close()
})

/** A client that outlives the server that it talks to. */
function openClient(): Redis {
  const client = server.client({ maxRetriesPerRequest: 0, retryStrategy: () => 20 })
  client.on('error', () => undefined)
  clients.push(client)
  return client
}

/** A fresh company of the host. */
async function openHost(...[options]: [ConstructorParameters<typeof GuardedHost>[3]?]): Promise<GuardedHost> {
  const host = new GuardedHost(pool, openClient(), freshCompany(), options)
  await host.open(ACCOUNTS)
  return host
}

/** A writer that is ready to begin. */
async function startWriter(host: GuardedHost, moment = ''): Promise<ChildProcess> {
  const values = [server.socketPath, postgres.url, host.companyId, ACCOUNTS.join(','), moment]
  const args = [...(await argsOf(SCRIPT)), ...values]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  await once(child, 'message')
  return child
}

/** Reads all accounts, and holds each against the table before and after; answers how many came from Redis. */
async function readTruly(host: GuardedHost): Promise<number> {
  const before = await host.table(ACCOUNTS)
  const read = await host.balances.getMany(ACCOUNTS.map((account) => host.ref(account)))
  const after = await host.table(ACCOUNTS)
  const wrong = read.filter(({ debit, credit }, index) => {
    const [least, most] = [before[index] ?? [0n, 0n], after[index] ?? [0n, 0n]]
    return debit < least[0] || debit > most[0] || credit < least[1] || credit > most[1]
  })
  expect(wrong).toEqual([])
  return read.filter(({ source }) => source === 'redis').length
}

const cached = async (host: GuardedHost, account: string): Promise<readonly [bigint, string]> => {
  const { debit, source } = await host.balances.get(host.ref(account))
  return [debit, source]
}

test(`every read shows each commit that was there before it began, while ${WRITERS} processes post and are killed at any moment (seed ${SEED})`, async () => {
  const host = await openHost()
  const random = seededRandom(SEED)
  let [posted, hits, reads] = [0, 0, 0]
  let isOver = false
  const begin = async (): Promise<ChildProcess> => {
    const child = await startWriter(host)
    child.on('message', () => (posted += 1))
    child.send('post')
    return child
  }
  const kill = async (): Promise<void> => {
    const writers = await Promise.all(Array.from({ length: WRITERS }, begin))
    for (let kills = 0; kills < KILLS; kills += 1) {
      const dying = writers.shift()
      const soFar = posted
      await expect.poll(() => posted > soFar + 20 * random.fraction(), PATIENCE).toBe(true)
      dying?.kill('SIGKILL')
      writers.push(await begin())
    }
    for (const writer of writers) writer.kill('SIGKILL')
    isOver = true
  }
  const read = async (): Promise<void> => {
    while (!isOver) {
      hits += await readTruly(host)
      reads += ACCOUNTS.length
    }
  }
  await Promise.all([kill(), read(), read()])
  console.log(`${posted} postings, ${reads} balances read, ${hits} of them from Redis`)
  expect(hits).toBeGreaterThan(100)
  // What the dead had marked is cached again.
  await expect.poll(async () => (await readTruly(host)) === ACCOUNTS.length, PATIENCE).toBe(true)
}, 300_000)

test.each(MOMENTS)(
  'of a writer that is killed %s nothing is cached before the database has settled it',
  async (moment) => {
    const host = await openHost()
    const [from = '', to = ''] = ACCOUNTS
    await cached(host, to)
    expect(await cached(host, to)).toEqual([0n, 'redis'])
    const writer = await startWriter(host, moment)
    writer.send('post')
    await once(writer, 'exit')
    const isCommitted = moment === 'after COMMIT was answered'
    const right = isCommitted ? 1n : 0n
    expect(await cached(host, to)).toEqual([right, 'database'])
    await expect.poll(async () => (await cached(host, to))[1], PATIENCE).toBe('redis')
    expect(await cached(host, to)).toEqual([right, 'redis'])
    expect(await host.table([from, to])).toEqual([
      [0n, right],
      [right, 0n],
    ])
  },
)

test('a write without a guard, and one whose mark Redis forgot, are seen when the TTL is over', async () => {
  const host = await openHost({ ttl: ttlPolicy({ balance: 1_500 }) })
  const [unguarded = '', forgotten = '', other = ''] = ACCOUNTS
  await cached(host, unguarded)
  await pool.query('UPDATE gl_balance SET dr = 7 WHERE tenant = $1 AND acct = $2', [
    host.companyId,
    unguarded,
  ])
  expect(await cached(host, unguarded)).toEqual([0n, 'redis'])
  const lost = host.post(other, forgotten, async (at) => {
    if (at === 'between confirming and COMMIT') {
      await openClient().flushall()
      await cached(host, forgotten)
    }
    // As if its process had died: nobody tells how it ended.
    if (at === 'after COMMIT was answered') throw new Error('dead')
  })
  await expect(lost).rejects.toThrow('dead')
  expect(await cached(host, forgotten)).toEqual([0n, 'redis'])
  await expect.poll(async () => (await cached(host, unguarded))[0], PATIENCE).toBe(7n)
  await expect.poll(async () => (await cached(host, forgotten))[0], PATIENCE).toBe(1n)
})

test('without Redis the database answers, and a guard refuses before the host has begun', async () => {
  const host = await openHost({ redisDeadlineMs: 25, guardDeadlineMs: 100 })
  const [from = '', to = ''] = ACCOUNTS
  await host.post(from, to)
  await server.kill()
  expect(await cached(host, to)).toEqual([1n, 'database'])
  await expect(host.post(from, to)).rejects.toMatchObject({ retryable: true })
  expect(await host.table([to])).toEqual([[1n, 0n]])
  await server.restart()
  await expect.poll(async () => (await cached(host, to))[1], PATIENCE).toBe('redis')
  await host.post(from, to)
  expect(await cached(host, to)).toEqual([2n, 'database'])
})
