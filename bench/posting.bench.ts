/**
 * Posting two-line vouchers onto one hot account, fsync on: one transaction per voucher against the ledger.
 *
 * The baseline does the same work with the same guarantees (idempotency key, row locks in order, versions, lines
 * with running totals, outbox) in one transaction per voucher, on 16 connections, with prepared statements. Every
 * round runs all contestants on the same server, interleaved; the figures are medians of the rounds.
 */

import { anyAccount, Ledger, migrate, type Voucher } from '@kerp/postgres'
import { openPrivatePostgres } from '@kerp/postgres/testing'
import pg from 'pg'
import { median, percentile, rounded } from './figures.js'
import { Baseline } from './posting-baseline.js'

interface Contestant {
  readonly name: string
  readonly inFlight: number
  readonly post: (voucher: Voucher) => Promise<unknown>
}

interface Measured {
  readonly name: string
  readonly inFlight: number
  readonly vouchersPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? '5')
const ROUND_MS = Number(process.env['BENCH_ROUND_MS'] ?? '2000')
const CONNECTIONS = 16
const OTHER_ACCOUNTS = 100

let lastVoucher = 0

function nextVoucher(): Voucher {
  lastVoucher += 1
  const amount = BigInt(1_000 + (lastVoucher % 977))
  return {
    companyId: 'bench',
    id: `V-2026-${lastVoucher}`,
    date: '2026-01-05',
    fiscalYear: 2026,
    lines: [
      { account: '1101', debit: amount },
      { account: `4${1_000 + (lastVoucher % OTHER_ACCOUNTS)}`, credit: amount },
    ],
  }
}

/** Keeps `inFlight` postings running for one round. */
async function runRound({
  inFlight,
  post,
}: Contestant): Promise<{ perSecond: number; latenciesMs: number[] }> {
  const latenciesMs: number[] = []
  const startMs = performance.now()
  const endMs = startMs + ROUND_MS
  const caller = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const beginMs = performance.now()
      await post(nextVoucher())
      latenciesMs.push(performance.now() - beginMs)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, caller))
  return { perSecond: (latenciesMs.length / (performance.now() - startMs)) * 1_000, latenciesMs }
}

async function measure(contestants: readonly Contestant[]): Promise<Measured[]> {
  const rounds = new Map<Contestant, { perSecond: number; latenciesMs: number[] }[]>()
  for (const contestant of contestants) await runRound(contestant)
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const contestant of contestants) {
      const done = rounds.get(contestant) ?? []
      rounds.set(contestant, [...done, await runRound(contestant)])
    }
  }
  return [...rounds].map(([{ name, inFlight }, done]) => {
    const latencies = done.flatMap((round) => round.latenciesMs)
    return {
      name,
      inFlight,
      vouchersPerSecond: Math.round(median(done.map((round) => round.perSecond))),
      p50Ms: rounded(percentile(latencies, 0.5)),
      p99Ms: rounded(percentile(latencies, 0.99)),
    }
  })
}

async function main(): Promise<void> {
  await using server = await openPrivatePostgres({ settings: { max_connections: 60 } })
  const pool = new pg.Pool({ connectionString: server.url, max: 20 })
  const baselinePool = new pg.Pool({ connectionString: server.url, max: CONNECTIONS })
  await migrate(pool)
  const ledger = new Ledger({ pool, accounts: anyAccount })
  const baseline = new Baseline(baselinePool)
  const post = (voucher: Voucher): Promise<unknown> => ledger.post(voucher)
  const measured = await measure([
    { name: 'one transaction per voucher', inFlight: CONNECTIONS, post: (voucher) => baseline.post(voucher) },
    { name: 'Ledger.post', inFlight: CONNECTIONS, post },
    { name: 'Ledger.post', inFlight: 256, post },
    { name: 'Ledger.post', inFlight: 2_000, post },
  ])
  const audit = await ledger.audit('bench')
  await ledger.close()
  await pool.end()
  await baselinePool.end()
  const base = measured[0]?.vouchersPerSecond ?? Number.NaN
  const figures = measured.map((line) => ({
    ...line,
    ratio: rounded(line.vouchersPerSecond / base, 1),
  }))
  console.table(figures)
  console.log(`audit: ${audit.vouchers} vouchers, ${audit.differencesTotal} differences`)
  console.log(JSON.stringify({ bench: 'posting', fsync: 'on', rounds: ROUNDS, roundMs: ROUND_MS, figures }))
  if (!audit.ok) process.exitCode = 1
}

await main()
