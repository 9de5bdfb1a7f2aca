import { sleep, systemClock } from '@kerp/core'
import { LiveClient, type LiveSocket } from '@kerp/live/browser'
import { anyAccount, EventLog, Ledger } from '@kerp/postgres'
import { openPrivatePostgres, type PrivatePostgres } from '@kerp/postgres/testing'
import { openPrivateRedis, type PrivateRedis } from '@kerp/redis/testing'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { WebSocket } from 'ws'
import { freshDatabase } from '../erp/erp-database.js'
import { type ErpProcess, fieldOf, startErp } from '../erp/erp-process.js'

const FULL = process.env['KERP_TEST_FULL'] === '1'
const CLIENTS = FULL ? 200 : 40
const KILLS = FULL ? 10 : 3
/** Three events each: 500 in a second. */
const VOUCHERS_PER_SECOND = 167
/** Fewer events than a hub keeps, so that nobody may be reset however long a restart takes. */
const VOUCHERS = 1_500
const UP_MS = 1_500

let postgres: PrivatePostgres
let redis: PrivateRedis
let databaseUrl: string
beforeAll(async () => {
  postgres = await openPrivatePostgres({ settings: { max_connections: 100 } })
  redis = await openPrivateRedis()
  databaseUrl = await freshDatabase(postgres.url)
})
afterAll(async () => {
  await redis.close()
  await postgres.close()
})

interface Screen {
  readonly client: LiveClient
  readonly ids: string[]
  snapshots: number
}

function openScreen(erp: () => ErpProcess): Screen {
  const screen: Screen = {
    ids: [],
    snapshots: 0,
    client: new LiveClient({
      url: `${erp().url.replace('http', 'ws')}/live`,
      backoffMs: 100,
      backoffMsMax: 1_000,
      ticket: async () => {
        const body = { company: 'c1', user: 'screen' }
        const opened = await erp().send('/session', { method: 'POST', body })
        return String(fieldOf(opened.body, 'ticket'))
      },
      connect: (url, protocols) =>
        new WebSocket(url, [...protocols], { origin: erp().url }) as unknown as LiveSocket,
    }),
  }
  screen.client.subscribe('events', {
    snapshot: () => void (screen.snapshots += 1),
    apply: (events) => void screen.ids.push(...events.map((event) => String(fieldOf(event, 'id')))),
  })
  screen.client.start()
  return screen
}

/** Posts into the database, whether or not an app runs, as many as are allowed by now. */
async function postUntil(ledger: Ledger, allowed: () => number): Promise<number> {
  let posted = 0
  const begunMs = systemClock.monotonicMs()
  while (posted < VOUCHERS) {
    const inTime = Math.floor(((systemClock.monotonicMs() - begunMs) * VOUCHERS_PER_SECOND) / 1_000)
    const due = Math.min(inTime, allowed())
    const vouchers = Array.from({ length: Math.min(50, Math.max(0, due - posted)) }, (_, index) => ({
      companyId: 'c1',
      id: `live-${posted + index}`,
      date: '2026-01-31',
      fiscalYear: 2026,
      lines: [
        { account: `A${(posted + index) % 40}`, debit: 100n },
        { account: `B${(posted + index) % 40}`, credit: 100n },
      ],
    }))
    await Promise.all(vouchers.map((voucher) => ledger.post(voucher)))
    posted += vouchers.length
    await sleep(systemClock, 10)
  }
  return posted
}

describe('Clients of a server that is killed', () => {
  it('end with exactly the events that were committed, in order, without a snapshot', async () => {
    const env = { DATABASE_URL: databaseUrl, REDIS_URL: redis.url }
    let erp = await startErp(env)
    const port = new URL(erp.url).port
    const screens = Array.from({ length: CLIENTS }, () => openScreen(() => erp))
    const all = (check: (screen: Screen) => void): Promise<void> =>
      vi.waitFor(() => screens.forEach(check), { timeout: 90_000, interval: 100 })
    await all(({ client }) => expect(client.state).toBe('live'))

    const pool = new Pool({ connectionString: databaseUrl, max: 4 })
    pool.on('error', () => undefined)
    const ledger = new Ledger({ pool, accounts: anyAccount })
    let kill = 0
    const posting = postUntil(ledger, () => Math.ceil((VOUCHERS * (kill + 1)) / (KILLS + 1)))
    for (; kill < KILLS; kill += 1) {
      await sleep(systemClock, UP_MS)
      await erp.kill()
      erp = await startErp({ ...env, PORT: port })
    }
    expect(await posting).toBe(VOUCHERS)

    const log = new EventLog({ pool })
    while ((await log.advance({ limit: 10_000 })).isMore);
    const { position } = await log.audit('c1')
    const committed = Array.from({ length: Number(position) }, (_, index) => String(index + 1))
    await all(({ ids, snapshots }) => expect([snapshots, ids.length]).toEqual([1, committed.length]))
    for (const { ids, snapshots } of screens) {
      expect(ids).toEqual(committed)
      expect(snapshots).toBe(1)
    }
    for (const { client } of screens) client.close()
    await erp.stop()
    await ledger.close()
    await pool.end()
  })
})
