/**
 * A thousand clients: the hub beside ws as most people use it and socket.io, in one run; what an idle connection
 * and one that reads nothing cost; and how soon a posted voucher changes the number on the page of the reference app.
 *
 * Server and clients are processes of their own. CPU is that of the server's process; latency is from the making of an
 * event to the moment a client's process has it, for a sample of clients. How late a timer of an idle process was
 * meanwhile says how much of it is the machine's, on one that others use as well.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { percentile, rounded } from './figures.js'
import { measurePage } from './live-page.js'
import { timerLateness } from './timer-lateness.js'

const CLIENTS = Number(process.env['BENCH_CLIENTS'] ?? '1000')
const MS = Number(process.env['BENCH_ROUND_MS'] ?? '5000')
const IDLE_FIRST = 1_000
const IDLE_MORE = 3_000
const SETTLE_MS = 1_000

type Dialect = 'kerp' | 'ws' | 'socket.io'

interface Case {
  readonly contestant: string
  readonly dialect: Dialect
  readonly perSecond: number
  readonly clients?: number
  /** So many of them read nothing, and the kernel has taken all that it takes for them before it begins. */
  readonly stalled?: number
}

/** What plain broadcasting can do at all, for everybody; and what batching makes possible. */
const CASES: readonly Case[] = [
  { contestant: 'kerp, at once', dialect: 'kerp', perSecond: 30 },
  { contestant: 'ws, one string', dialect: 'ws', perSecond: 30 },
  { contestant: 'ws, JSON for each', dialect: 'ws', perSecond: 30 },
  { contestant: 'socket.io', dialect: 'socket.io', perSecond: 30 },
  { contestant: 'kerp, 50 ms', dialect: 'kerp', perSecond: 1_000 },
]

const HEALTHY = { contestant: 'kerp, 50 ms', dialect: 'kerp', perSecond: 200 } as const
const STALLED: readonly Case[] = [
  { ...HEALTHY, clients: 100 },
  { ...HEALTHY, clients: 600, stalled: 500 },
]
/** More than the kernel's buffers of a connection take. */
const FILLING = { perSecond: 100, ms: 12_000, padding: 10_000 } as const

function answer<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as T))
    child.once('exit', (code) => reject(new Error(`a process of the bench ended with ${code ?? 'a signal'}`)))
  })
}

function start(file: string, args: readonly string[]): ChildProcess {
  const path = new URL(file, import.meta.url)
  return fork(path, [...args], { execArgv: [...process.execArgv, '--expose-gc'] })
}

async function sizeOf(server: ChildProcess): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
  const told = answer<{ rssBytes: number }>(server)
  server.send('size')
  return (await told).rssBytes
}

async function measure({ contestant, dialect, perSecond, ...rest }: Case): Promise<object> {
  const { clients: count = CLIENTS, stalled = 0 } = rest
  const server = start('./live-server.ts', [contestant])
  const { port } = await answer<{ port: number }>(server)
  const clients = start('./live-clients.ts', [String(port), String(count), dialect, String(stalled)])
  await answer(clients)
  const beforeBytes = await sizeOf(server)
  if (stalled > 0) {
    const filled = answer(server)
    server.send(FILLING)
    await filled
  }
  const grownBytes = (await sizeOf(server)) - beforeBytes
  const done = answer<{ sent: number; cpuMicros: number }>(server)
  clients.send({ begin: true })
  const lateness = timerLateness()
  server.send({ perSecond, ms: MS, padding: 0 })
  const { sent, cpuMicros } = await done
  const heard = answer<{ counted: number; agesMs: number[]; cpuMicros: number }>(clients)
  clients.send({})
  const { counted, agesMs, cpuMicros: clientMicros } = await heard
  const late = lateness.stop()
  server.kill('SIGKILL')
  clients.kill('SIGKILL')
  return {
    contestant,
    'events/s': perSecond,
    ...(count === CLIENTS ? {} : { healthy: count - stalled, stalled }),
    ...(stalled > 0 ? { 'KB for each that is stalled': rounded(grownBytes / stalled / 1_000, 1) } : {}),
    'delivered %': rounded((100 * counted) / (sent * (count - stalled))),
    'p50 ms': rounded(percentile(agesMs, 0.5), 1),
    'p99 ms': rounded(percentile(agesMs, 0.99), 1),
    'idle timer late p99 ms': rounded(percentile(late, 0.99), 1),
    'µs CPU per delivered event': rounded(cpuMicros / counted, 3),
    'server, % of a core': rounded(cpuMicros / MS / 10),
    'clients, % of a core': rounded(clientMicros / MS / 10),
  }
}

/** By the connections after the first thousand, as those also pay for code that runs for the first time. */
async function measureIdle({ contestant, dialect }: Case): Promise<object> {
  const server = start('./live-server.ts', [contestant])
  const { port } = await answer<{ port: number }>(server)
  const join = async (count: number): Promise<ChildProcess> => {
    const clients = start('./live-clients.ts', [String(port), String(count), dialect])
    await answer(clients)
    return clients
  }
  const first = await join(IDLE_FIRST)
  await sizeOf(server)
  const firstBytes = await sizeOf(server)
  const more = await join(IDLE_MORE)
  await sizeOf(server)
  const bytes = (await sizeOf(server)) - firstBytes
  for (const child of [server, first, more]) child.kill('SIGKILL')
  return { contestant, 'KB per idle connection': rounded(bytes / IDLE_MORE / 1_000, 1) }
}

async function inTurn(cases: readonly Case[], look: (one: Case) => Promise<object>): Promise<object[]> {
  const found: object[] = []
  for (const one of cases) found.push(await look(one))
  console.table(found)
  return found
}

const figures = await inTurn(CASES, measure)
const idle = await inTurn(
  CASES.filter(({ contestant }) => !/each|at once/.test(contestant)),
  measureIdle,
)
const stalled = await inTurn(STALLED, measure)
const page = await measurePage(500)
console.table([page])
console.log(JSON.stringify({ bench: 'live', clients: CLIENTS, figures, idle, stalled, page }))
