/**
 * One hot item, 50 callers, durable in PostgreSQL (fsync on): `Stock` against a lock with read-modify-write.
 *
 * All contestants run in turn in every round, on the same servers; the figures are medians of the rounds. After the
 * run each figure must be what its movements add up to.
 */

import { createKeys } from '@kerp/keys'
import { Locks, Stock } from '@kerp/inventory-lock'
import { anyWarehouse, migrate, Outbox, RegisterRows, StockLedger } from '@kerp/postgres'
import { openPrivatePostgres } from '@kerp/postgres/testing'
import { openPrivateRedis } from '@kerp/redis/testing'
import { OutboxRelay, Registers } from '@kerp/registers'
import pg from 'pg'
import { percentile, rounded } from './figures.js'
import { bareLock, lockRowAndWrite, makeHandStock, readModifyWrite } from './stock-baseline.js'

interface Contestant {
  readonly name: string
  readonly move: (id: string) => Promise<unknown>
}

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? '5')
const ROUND_MS = Number(process.env['BENCH_ROUND_MS'] ?? '2000')
const CALLERS = 50
const CONNECTIONS = 16
const OPENING = 1_000_000_000n
const PLACE = { companyId: 'bench', item: 'A', warehouse: 'W1' }

let lastMovement = 0

/** Keeps all callers moving for one round. */
async function runRound({ move }: Contestant): Promise<{ perSecond: number; latenciesMs: number[] }> {
  const latenciesMs: number[] = []
  const startMs = performance.now()
  const endMs = startMs + ROUND_MS
  const caller = async (): Promise<void> => {
    while (performance.now() < endMs) {
      lastMovement += 1
      const id = `M-2026-${lastMovement}`
      const beginMs = performance.now()
      await move(id)
      latenciesMs.push(performance.now() - beginMs)
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, caller))
  return { perSecond: (latenciesMs.length / (performance.now() - startMs)) * 1_000, latenciesMs }
}

async function measure(contestants: readonly Contestant[]): Promise<readonly object[]> {
  const rounds = new Map(
    contestants.map((contestant) => [contestant, [] as Awaited<ReturnType<typeof runRound>>[]]),
  )
  for (const contestant of contestants) await runRound(contestant)
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [contestant, done] of rounds) done.push(await runRound(contestant))
  }
  const measured = [...rounds].map(([{ name }, done]) => {
    const latencies = done.flatMap((round) => round.latenciesMs)
    const perSecond = percentile(
      done.map((round) => round.perSecond),
      0.5,
    )
    return { name, perSecond, p50Ms: percentile(latencies, 0.5), p99Ms: percentile(latencies, 0.99) }
  })
  const base = measured[0]?.perSecond ?? Number.NaN
  return measured.map(({ name, perSecond, p50Ms, p99Ms }) => ({
    name,
    movementsPerSecond: Math.round(perSecond),
    p50Ms: rounded(p50Ms),
    p99Ms: rounded(p99Ms),
    ratio: rounded(perSecond / base, 1),
  }))
}

/** Differences of the hand-written figure; ours are the audit's. */
async function handDifference(pool: pg.Pool): Promise<bigint> {
  const { rows } = await pool.query<{ difference: string }>(`
SELECT (on_hand - ${OPENING} - (SELECT coalesce(sum(quantity), 0) FROM hand_movement))::text AS difference
FROM hand_stock`)
  return BigInt(rows[0]?.difference ?? 'NaN')
}

async function main(): Promise<void> {
  await using server = await openPrivatePostgres({ settings: { max_connections: 100 } })
  await using redisServer = await openPrivateRedis()
  const redis = redisServer.client()
  const pool = new pg.Pool({ connectionString: server.url, max: 20 })
  const handPool = new pg.Pool({ connectionString: server.url, max: CONNECTIONS })
  for (const one of [pool, handPool]) one.on('error', (error) => console.error(error.message))
  await migrate(pool)
  await makeHandStock(handPool)
  const keys = createKeys()
  const source = new RegisterRows({ pool })
  const ledger = new StockLedger({ pool, warehouses: anyWarehouse })
  const registers = new Registers({ redis, keys, source })
  const stock = new Stock({ store: ledger, registers, source })
  const relay = new OutboxRelay({ redis, keys, outbox: new Outbox({ pool }) })
  const locks = new Locks({ redis, keys })
  await ledger.adjust({ ...PLACE, movementId: 'opening', quantity: OPENING })
  relay.start()
  await relay.caughtUp()
  await stock.get(PLACE)

  const resource = { companyId: 'bench', type: 'stock', id: 'A' }
  const figures = await measure([
    {
      name: 'SET NX PX + read-modify-write',
      move: (id) => bareLock(redis, 'lock:{bench}:bare', () => readModifyWrite(handPool, id, -1n)),
    },
    {
      name: 'Locks.withLock + read-modify-write',
      move: (id) => locks.withLock(resource, { waitMs: 60_000 }, () => readModifyWrite(handPool, id, -1n)),
    },
    { name: 'one transaction each, row lock', move: (id) => lockRowAndWrite(handPool, id, -1n) },
    {
      name: 'Stock.adjust, levels in Redis',
      move: (movementId) => stock.adjust({ ...PLACE, movementId, quantity: -1n }),
    },
    {
      name: 'StockLedger.adjust alone',
      move: (movementId) => ledger.adjust({ ...PLACE, movementId, quantity: -1n }),
    },
  ])
  await relay.caughtUp()
  const audit = await ledger.audit('bench')
  const cached = await stock.audit('bench')
  const byHand = await handDifference(handPool)
  await relay.close()
  await locks.close()
  await ledger.close()
  redis.disconnect()
  await pool.end()
  await handPool.end()
  console.table(figures)
  const words = `${audit.movements} movements, ${audit.differencesTotal} differences`
  console.log(`audit: ${words}; cached: ${JSON.stringify(cached)}; by hand off by ${byHand}`)
  const facts = { callers: CALLERS, fsync: 'on', rounds: ROUNDS, roundMs: ROUND_MS }
  console.log(JSON.stringify({ bench: 'stock', ...facts, figures }))
  if (!audit.ok || cached.different + cached.behind > 0) process.exitCode = 1
}

await main()
