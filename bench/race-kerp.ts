/** Ours in the race: balances of a real PostgreSQL, with the in-process tier and one relay. */

import { BalanceCache } from '@kerp/balance-cache'
import type { RegisterImages, RegisterSource } from '@kerp/core'
import { createKeys } from '@kerp/keys'
import { anyAccount, Ledger, migrate, Outbox, RegisterRows } from '@kerp/postgres'
import { closeRedis, connectRedis } from '@kerp/redis'
import { OutboxRelay, Registers } from '@kerp/registers'
import pg from 'pg'
import type { Contestant, RaceProcess, RaceWorld } from './race-world.js'

const DATE = '2026-01-05'

/** A fresh company for each world, on one database. */
export function kerpContestant(databaseUrl: string, name: string): Contestant {
  return { name, open: (redisUrl, { patient }) => openWorld(databaseUrl, redisUrl, patient) }
}

let companies = 0

async function openWorld(databaseUrl: string, redisUrl: string, patient: boolean): Promise<RaceWorld> {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 12 })
  pool.on('error', () => undefined)
  await migrate(pool)
  companies += 1
  const companyId = `race-${companies}-${process.pid}`
  const ledger = new Ledger({ pool, accounts: anyAccount })
  const [keys, outbox] = [createKeys(), new Outbox({ pool })]
  const relayRedis = await connectRedis({ url: redisUrl })
  const relay = new OutboxRelay({ redis: relayRedis, keys, outbox, heartbeatMs: 100 })
  const posted = new Map<string, RegisterImages>()
  let vouchers = 0
  const world: RaceWorld = {
    redisUrl,
    loads: 0,
    hesitate: () => Promise.resolve(),
    failing: false,
    start: () => startProcess(world, { pool, companyId, posted, patient }),
    async commit(key) {
      vouchers += 1
      const lines = [
        { account: key, debit: 1n },
        { account: 'other', credit: 1n },
      ]
      const images = await ledger.post({
        companyId,
        id: `v${vouchers}`,
        date: DATE,
        fiscalYear: 2026,
        lines,
      })
      posted.set(key, images)
      return images.images.find(({ ref }) => ref.parts[0] === key)?.fields[0] ?? ''
    },
    async close() {
      await relay.close()
      await closeRedis(relayRedis)
      await ledger.close()
      await pool.end()
    },
  }
  await world.commit('seen')
  relay.start()
  await relay.caughtUp({ deadlineMs: 30_000 })
  return world
}

/** What a process needs of its world. */
interface Common {
  readonly pool: pg.Pool
  readonly companyId: string
  /** The last images of each row, as whoever committed them got them. */
  readonly posted: ReadonlyMap<string, RegisterImages>
  readonly patient: boolean
}

const PATIENT_REDIS_MS = 1_000

async function startProcess(
  world: RaceWorld,
  { pool, companyId, posted, patient }: Common,
): Promise<RaceProcess> {
  const redis = await connectRedis({ url: world.redisUrl })
  const rows = new RegisterRows({ pool })
  const source: RegisterSource = {
    list: (listing) => rows.list(listing),
    async load(id, refs) {
      world.loads += 1
      const loaded = await rows.load(id, refs)
      await world.hesitate()
      if (world.failing) throw new Error('the database is down')
      return loaded
    },
  }
  const localTier = { positions: new Outbox({ pool }) }
  const deadlines = patient ? { redisDeadlineMs: PATIENT_REDIS_MS } : {}
  const registers = new Registers({ redis, keys: createKeys(), source, localTier, ...deadlines })
  const cache = new BalanceCache({ registers, source })
  const ref = (account: string) => ({ companyId, account, fiscalYear: 2026 })
  return {
    async read(key) {
      const balance = cache.peek(ref(key)) ?? (await cache.get(ref(key)))
      return String(balance.debit)
    },
    announce(key) {
      const images = posted.get(key)
      return images === undefined ? Promise.resolve() : cache.apply(images)
    },
    async close() {
      await registers.close()
      await closeRedis(redis)
    },
  }
}
