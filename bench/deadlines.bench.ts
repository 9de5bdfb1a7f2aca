/**
 * Whether calls settle by their own deadline + 50 ms while Redis or PostgreSQL swallows what is sent to it, swallows its
 * answers, or is suspended with open connections: public calls, begun before and during the fault, one of each kind
 * every 50 ms. The control says how late a bare timer of this process was meanwhile: what the machine adds.
 */

import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { KerpError } from '@kerp/core'
import { migrate } from '@kerp/postgres'
import { openPrivatePostgres, type PrivatePostgres } from '@kerp/postgres/testing'
import { closeRedis, connectRedis } from '@kerp/redis'
import { openPrivateRedis } from '@kerp/redis/testing'
import pg from 'pg'
import { type FaultPlan, type FaultProxy, openFaultProxy } from '../test/support/fault-proxy.js'
import { type DeadlineCall, DeadlineCalls } from './deadline-calls.js'
import { percentile, rounded } from './figures.js'
import { timerLateness } from './timer-lateness.js'

const EVERY_MS = 50
const BEFORE_MS = 500
const DURING_MS = Number(process.env['DEADLINE_MS'] ?? '2000')
const GRACE_MS = 50
/** Whoever has not settled by then never will, in ms after the fault's last call began. */
const NEVER_MS = 12_000

/** How one call ended. */
interface Ended {
  readonly call: DeadlineCall
  readonly fault: string
  /** When it began, from the fault's beginning, in ms. */
  readonly atMs: number
  readonly elapsedMs: number
  /** `ok`, the code of a typed error, or the name of another one. */
  readonly how: string
}

const POSTGRES_SOCKET = '.s.PGSQL.5432'
await using server = await openPrivateRedis()
await using postgres = await openPrivatePostgres()
await using toRedis = await openFaultProxy(server.socketPath)
await using toDatabase = await openFaultProxy(`${postgres.socketDir}/${POSTGRES_SOCKET}`, POSTGRES_SOCKET)
const url = new URL(postgres.url)
url.searchParams.set('host', dirname(toDatabase.socketPath))
const pool = new pg.Pool({ connectionString: url.href, max: 12 })
pool.on('error', () => undefined)
await migrate(pool)
const redis = await connectRedis({ path: toRedis.socketPath }, 5_000, {})

interface Fault {
  readonly name: string
  readonly begin: () => unknown
  readonly end: () => unknown
}

const HOLES: readonly FaultPlan['blackhole'][] = ['requests', 'replies', 'both']
const faults: readonly Fault[] = [
  ...HOLES.map((hole) => ({
    name: `Redis: ${hole} swallowed`,
    begin: () => (toRedis.plan.blackhole = hole),
    end: () => healed(toRedis),
  })),
  { name: 'Redis suspended', begin: () => server.pause(), end: () => server.resume() },
  ...HOLES.map((hole) => ({
    name: `PostgreSQL: ${hole} swallowed`,
    begin: () => (toDatabase.plan.blackhole = hole),
    end: () => healed(toDatabase),
  })),
  {
    name: 'PostgreSQL suspended',
    begin: () => signalAll(postgres, 'SIGSTOP'),
    end: () => signalAll(postgres, 'SIGCONT'),
  },
]

/** A connection whose bytes were swallowed never goes on as if nothing had been: a real one ends, too. */
function healed(proxy: FaultProxy): void {
  proxy.heal()
  proxy.cut()
}

/** The server and every process of it. */
async function signalAll({ pid }: PrivatePostgres, signal: NodeJS.Signals): Promise<void> {
  process.kill(pid, signal)
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  for (const child of children.split(' ').map(Number)) if (child > 0) process.kill(child, signal)
}

/** How often a call of each kind was begun. */
let begun = 0
/** When the fault of now begins. */
let faultMs = 0

async function callsUntil(endMs: number, fault: string, into: Promise<Ended>[]): Promise<void> {
  while (performance.now() < endMs) {
    begun += 1
    for (const call of kinds) {
      const ending = timed(call, fault)
      if (ending !== undefined) into.push(ending)
    }
    await wait(EVERY_MS)
  }
}

function timed(call: DeadlineCall, fault: string): Promise<Ended> | undefined {
  const beganMs = performance.now()
  const end = (how: string): Ended => ({
    call,
    fault,
    atMs: beganMs - faultMs,
    elapsedMs: performance.now() - beganMs,
    how,
  })
  const running = call.begin(begun)
  return running?.then(
    () => end('ok'),
    (error: unknown) => end(error instanceof KerpError ? error.code : String(error)),
  )
}

async function during(fault: Fault): Promise<readonly Ended[]> {
  const running: Promise<Ended>[] = []
  faultMs = performance.now() + BEFORE_MS
  await callsUntil(faultMs, fault.name, running)
  await fault.begin()
  await callsUntil(performance.now() + DURING_MS, fault.name, running)
  const settled: Ended[] = []
  const all = Promise.all(running.map((ending) => ending.then((ended) => void settled.push(ended))))
  await Promise.race([all, wait(NEVER_MS)])
  never += running.length - settled.length
  await fault.end()
  await all
  const healedMs = performance.now()
  while (!(await calls.isWell().catch(() => false))) {
    if (performance.now() - healedMs > NEVER_MS) throw new Error(`Not well again after: ${fault.name}.`)
    await wait(50)
  }
  await calls.refill()
  return settled
}

let never = 0
const ended: Ended[] = []
await using calls = new DeadlineCalls(redis, pool)
await calls.open()
const kinds = calls.all()
const lateness = timerLateness()
for (const fault of faults) ended.push(...(await during(fault)))
const late = lateness.stop()

function row(name: string, of: readonly Ended[]): object {
  const over = of.map(({ call, elapsedMs }) => elapsedMs - call.deadlineMs)
  const inTime = over.filter((overMs) => overMs <= GRACE_MS).length
  const how = new Map<string, number>()
  for (const one of of) how.set(one.how, (how.get(one.how) ?? 0) + 1)
  return {
    name,
    calls: of.length,
    'in time %': rounded((100 * inTime) / of.length, 3),
    'p50 ms': rounded(
      percentile(
        of.map(({ elapsedMs }) => elapsedMs),
        0.5,
      ),
      1,
    ),
    'worst over deadline ms': rounded(Math.max(...over), 1),
    ended: [...how].map(([code, count]) => `${code} ${count}`).join(', '),
  }
}

console.log(
  `Calls of each kind every ${EVERY_MS} ms, ${BEFORE_MS} ms before and ${DURING_MS} ms into each fault`,
)
const byCall = kinds.map(({ name, deadlineMs }) =>
  row(
    `${name} (${deadlineMs} ms)`,
    ended.filter(({ call }) => call.name === name),
  ),
)
console.table(byCall)
const byFault = faults.map(({ name }) =>
  row(
    name,
    ended.filter(({ fault }) => fault === name),
  ),
)
console.table(byFault)
const bareTimer = { p99Ms: rounded(percentile(late, 0.99), 1), worstMs: rounded(Math.max(...late), 1) }
console.log(
  `not settled ${NEVER_MS} ms after the last call began: ${never}; a bare timer was late by p99 ` +
    `${bareTimer.p99Ms} ms, at most ${bareTimer.worstMs} ms`,
)
console.log(JSON.stringify({ bench: 'deadlines', byCall, byFault, neverSettled: never, bareTimer }))
const tooLate = ended.filter(({ call, elapsedMs }) => elapsedMs > call.deadlineMs + GRACE_MS)
for (const { call, fault, atMs, elapsedMs, how } of tooLate) {
  const words = `begun ${rounded(atMs, 0)} ms after the fault, ${rounded(elapsedMs, 0)} ms`
  console.log(`late: ${call.name} (${call.deadlineMs} ms), ${fault}, ${words}: ${how}`)
}
const untyped = ended.filter(({ how }) => how !== 'ok' && !/^[A-Z_]+$/.test(how))
if (untyped.length > 0) throw new Error(`Errors of no type: ${untyped.map(({ how }) => how).join(', ')}`)
await closeRedis(redis)
