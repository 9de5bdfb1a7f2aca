/**
 * A thousand clients: the hub beside ws as most people use it and socket.io, in one run.
 *
 * Server and clients are processes of their own. CPU is that of the server's process; latency is from the making of an
 * event to the moment a client's process has it, for a sample of clients.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { percentile, rounded } from './lock-figures.js'

const CLIENTS = Number(process.env['BENCH_CLIENTS'] ?? '1000')
const MS = Number(process.env['BENCH_ROUND_MS'] ?? '5000')

interface Case {
  readonly contestant: string
  readonly dialect: 'kerp' | 'ws' | 'socket.io'
  readonly perSecond: number
}

/** What plain broadcasting can do at all, for everybody; and what batching makes possible. */
const CASES: readonly Case[] = [
  { contestant: 'kerp, at once', dialect: 'kerp', perSecond: 30 },
  { contestant: 'ws, one string', dialect: 'ws', perSecond: 30 },
  { contestant: 'ws, JSON for each', dialect: 'ws', perSecond: 30 },
  { contestant: 'socket.io', dialect: 'socket.io', perSecond: 30 },
  { contestant: 'kerp, 50 ms', dialect: 'kerp', perSecond: 1_000 },
]

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

async function measure({ contestant, dialect, perSecond }: Case): Promise<object> {
  const server = start('./live-server.ts', [contestant])
  const { port } = await answer<{ port: number }>(server)
  const size = async (): Promise<number> => {
    const told = answer<{ rssBytes: number }>(server)
    server.send({})
    return (await told).rssBytes
  }
  const emptyBytes = await size()
  const clients = start('./live-clients.ts', [String(port), String(CLIENTS), dialect])
  await answer(clients)
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  const idleBytes = await size()
  const done = answer<{ sent: number; cpuMicros: number }>(server)
  clients.send({ begin: true })
  server.send({ perSecond, ms: MS })
  const { sent, cpuMicros } = await done
  const heard = answer<{ counted: number; agesMs: number[]; cpuMicros: number }>(clients)
  clients.send({})
  const { counted, agesMs, cpuMicros: clientMicros } = await heard
  server.kill('SIGKILL')
  clients.kill('SIGKILL')
  return {
    contestant,
    'events/s': perSecond,
    'delivered %': rounded((100 * counted) / (sent * CLIENTS)),
    'p50 ms': rounded(percentile(agesMs, 0.5), 1),
    'p99 ms': rounded(percentile(agesMs, 0.99), 1),
    'µs CPU per delivered event': rounded(cpuMicros / counted, 3),
    'CPU of one core, server %': rounded(cpuMicros / MS / 10),
    'clients %': rounded(clientMicros / MS / 10),
    'KB per idle connection': rounded((idleBytes - emptyBytes) / CLIENTS / 1_000, 1),
  }
}

const figures: object[] = []
for (const one of CASES) figures.push(await measure(one))
console.table(figures)
console.log(JSON.stringify({ bench: 'live', clients: CLIENTS, figures }))
