/**
 * What a balance cache does when things go wrong, beside the caches that Node services use: all in one run, each on a
 * redis-server of its own, with four processes' worth of instances.
 *
 * The schedules are those of a ledger: a load that is overtaken by a commit, a push that is missed while connections are
 * made again, a Redis that stops answering or is gone, a loader that fails, a cold row on four instances, and a row that is
 * read while it is written without a pause. Peers do what their documentation says after a commit: they delete the entry.
 */

import { openPrivatePostgres } from '@kerp/postgres/testing'
import { openPrivateRedis, type PrivateRedis } from '@kerp/redis/testing'
import { rounded } from './figures.js'
import { kerpContestant } from './race-kerp.js'
import { RACE_PEERS } from './race-peers.js'
import type { Contestant, RaceProcess, RaceWorld } from './race-world.js'

const PROCESSES = 4
const HANG_MS_MAX = Number(process.env['BENCH_RACE_HANG_MS'] ?? '3000')
const WRITES = Number(process.env['BENCH_RACE_WRITES'] ?? '200')
/** Twice what ours promises by default, so that a bound of a second is certainly over. */
const HEALED_MS = 2_000

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** A contestant at work on one schedule. */
interface Race {
  readonly server: PrivateRedis
  readonly world: RaceWorld
  readonly processes: readonly RaceProcess[]
}

type Figure = string | number

function two(processes: readonly RaceProcess[]): readonly [RaceProcess, RaceProcess] {
  const [one, other] = processes
  if (one === undefined || other === undefined) throw new Error('two processes are needed')
  return [one, other]
}

function verdict(read: readonly (string | undefined)[], right: string): string {
  return read.every((value) => value === right) ? 'right' : `wrong: ${read.join(', ')} for ${right}`
}

async function staleSet({ world, processes }: Race): Promise<Figure> {
  const [one, other] = two(processes)
  await world.commit('row')
  let release: () => void = () => undefined
  const held = new Promise<void>((resolve) => (release = resolve))
  world.hesitate = () => held
  const slow = one.read('row')
  await sleep(300)
  world.hesitate = () => Promise.resolve()
  const right = await world.commit('row')
  await other.announce('row')
  release()
  await slow
  await sleep(HEALED_MS)
  return verdict([await one.read('row'), await other.read('row')], right)
}

async function missedPush({ server, world, processes }: Race): Promise<Figure> {
  const [one, other] = two(processes)
  await world.commit('row')
  for (let reads = 0; reads < 3; reads += 1) {
    await one.read('row')
    await other.read('row')
    await sleep(200)
  }
  const admin = server.client()
  await admin.client('KILL', 'TYPE', 'pubsub')
  const right = await world.commit('row')
  await one.announce('row').catch(() => undefined)
  await sleep(HEALED_MS)
  admin.disconnect()
  return verdict([await one.read('row'), await other.read('row')], right)
}

async function coldLoads({ world, processes }: Race, loadMs: number): Promise<Figure> {
  await world.commit('cold')
  world.loads = 0
  world.hesitate = () => sleep(loadMs)
  await Promise.all(processes.flatMap((one) => Array.from({ length: 250 }, () => one.read('cold'))))
  return world.loads
}

async function failingLoads({ world, processes }: Race): Promise<Figure> {
  await world.commit('broken')
  world.loads = 0
  world.failing = true
  world.hesitate = () => sleep(10)
  await Promise.allSettled(processes.flatMap((one) => Array.from({ length: 25 }, () => one.read('broken'))))
  return world.loads
}

/** Of reads between writes, the share that cost no load. */
async function hitRate({ world, processes }: Race): Promise<Figure> {
  const [one, other] = two(processes)
  await world.commit('hot')
  await one.read('hot')
  await other.read('hot')
  world.loads = 0
  let reads = 0
  for (let write = 0; write < WRITES; write += 1) {
    await world.commit('hot')
    await one.announce('hot')
    for (let read = 0; read < 2; read += 1) {
      await Promise.all([one.read('hot'), other.read('hot')])
      reads += 2
    }
  }
  return `${Math.round(100 * (1 - world.loads / reads))} %`
}

/** The first read of a row that was never read, and the next five, in ms each. */
async function withoutRedis(race: Race, harm: (server: PrivateRedis) => unknown): Promise<Figure> {
  const [one] = two(race.processes)
  for (const key of ['r0', 'r1', 'r2', 'r3', 'r4', 'r5']) await race.world.commit(key)
  await harm(race.server)
  const timed = async (key: string): Promise<number | string> => {
    const beginMs = performance.now()
    const answer = one.read(key).then(
      () => true,
      () => 'error',
    )
    const ended = await Promise.race([answer, sleep(HANG_MS_MAX)])
    if (ended === undefined) return `> ${HANG_MS_MAX}`
    return ended === true ? rounded(performance.now() - beginMs, 1) : 'error'
  }
  const first = await timed('r0')
  if (typeof first === 'string') return first
  const next: number[] = []
  for (const key of ['r1', 'r2', 'r3', 'r4', 'r5']) {
    const took = await timed(key)
    if (typeof took === 'string') return `${first}, then ${took}`
    next.push(took)
  }
  return `${first}, then ${next.sort((a, b) => a - b)[2] ?? 0}`
}

/** Of these, those whose titles are in `USUAL` run with the usual deadlines. */
const SCHEDULES: readonly (readonly [string, (race: Race) => Promise<Figure>])[] = [
  ['load overtaken by a commit', staleSet],
  ['push missed, subscribers cut', missedPush],
  ['loads of a cold row, 4 × 250 reads', (race) => coldLoads(race, 10)],
  ['the same, each load 200 ms', (race) => coldLoads(race, 200)],
  ['loads by a failing loader, 100 reads', failingLoads],
  ['hits while written without a pause', hitRate],
  ['frozen Redis, ms', (race) => withoutRedis(race, (server) => server.pause())],
  ['dead Redis, ms', (race) => withoutRedis(race, (server) => server.kill())],
]

const USUAL: readonly string[] = ['frozen Redis, ms', 'dead Redis, ms']

async function run(contestant: Contestant, [title, schedule]: (typeof SCHEDULES)[number]): Promise<Figure> {
  const server = await openPrivateRedis({ tcp: true })
  const world = await contestant.open(server.url, { patient: !USUAL.includes(title) })
  const processes: RaceProcess[] = []
  try {
    for (let index = 0; index < PROCESSES; index += 1) processes.push(await world.start())
    // What processes need to get going is not what is compared.
    for (let round = 0; round < 3; round += 1) {
      await Promise.all(processes.map((one) => one.read('seen')))
      await sleep(400)
    }
    return await schedule({ server, world, processes })
  } catch (error) {
    return `error: ${String(error).slice(0, 60)}`
  } finally {
    // What hangs on a server that is gone is not waited for.
    const closing = Promise.allSettled([...processes.map((one) => one.close()), world.close()])
    await Promise.race([closing, sleep(1_000)])
    await server.close()
  }
}

async function main(): Promise<void> {
  await using postgres = await openPrivatePostgres({ settings: { max_connections: 200 } })
  const contestants = [kerpContestant(postgres.url, '@kerp/balance-cache'), ...RACE_PEERS]
  const only = process.env['BENCH_RACE_ONLY']
  const table: Record<string, Record<string, Figure>> = {}
  for (const contestant of contestants) {
    if (only !== undefined && !contestant.name.includes(only)) continue
    const figures: Record<string, Figure> = {}
    for (const schedule of SCHEDULES) figures[schedule[0]] = await run(contestant, schedule)
    table[contestant.name] = figures
    console.log(contestant.name, figures)
  }
  console.log(JSON.stringify({ bench: 'balance-race', table }))
}

// Peers leave errors of their connections unheard; that must not end the others' run.
process.on('unhandledRejection', () => undefined)
process.on('uncaughtException', () => undefined)
// ioredis writes what nobody listens to there, for each attempt to reach a server that is gone.
console.error = () => undefined
await main()
process.exit()
