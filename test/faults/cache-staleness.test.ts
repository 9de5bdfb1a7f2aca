/**
 * No answer of a cache is older than its bound, whoever stands still: measured on the one monotonic clock of the machine,
 * between the moment in which a commit was acknowledged and the moment before a reader asked.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { openPrivatePostgres, type PrivatePostgres } from '@kerp/postgres/testing'
import { openPrivateRedis } from '@kerp/redis/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { argsOf } from '../support/programs.js'
import { LiveWorld } from '../registers/live-world.js'

const SCRIPT = fileURLToPath(new URL('staleness-child.ts', import.meta.url))
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const MAX_STALENESS_MS = 1_000

let postgres: PrivatePostgres
beforeAll(async () => {
  postgres = await openPrivatePostgres()
})
afterAll(() => postgres.close())

interface Report {
  readonly served: readonly (readonly [number, number])[]
  readonly sources: Readonly<Record<string, number>>
}

async function start(role: string, socketPath: string, companyId: string): Promise<ChildProcess> {
  const args = [...(await argsOf(SCRIPT)), role, socketPath, postgres.url, companyId]
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  await once(child, 'message')
  return child
}

/** The monotonic clock that all processes of the machine share. */
function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** How long after its successor was acknowledged a version was still answered, at most. */
function worstMs({ served }: Report, ackedMs: ReadonlyMap<number, number>): number {
  return Math.max(...served.map(([version, lastMs]) => lastMs - (ackedMs.get(version + 1) ?? lastMs)))
}

/** Runs a fault while balances are posted and read, and says how old the oldest answer was. */
async function underPosting(
  fault: (parts: Parts) => Promise<void>,
): Promise<Report & { readonly worstMs: number }> {
  await using server = await openPrivateRedis()
  await using world = await LiveWorld.open(server.socketPath, postgres.url)
  await world.post('sales', 'cash', 1n)
  const relay = await start('relay', server.socketPath, world.companyId)
  const reader = await start('reader', server.socketPath, world.companyId)
  const ackedMs = new Map<number, number>()
  const flag = { stopped: false }
  const posting = (async () => {
    while (!flag.stopped) {
      const { images } = await world.post('sales', 'cash', 1n)
      const version = images.images.find(({ ref }) => ref.parts[0] === 'cash')?.version ?? 0
      ackedMs.set(version, nowMs())
      await wait(5)
    }
  })()
  try {
    await expect.poll(async () => (await ask(reader)).sources['l1'], { timeout: 20_000 }).toBeGreaterThan(100)
    await fault({ relay, reader, world })
    await wait(500)
    const report = await ask(reader)
    return { ...report, worstMs: worstMs(report, ackedMs) }
  } finally {
    flag.stopped = true
    await posting
    for (const child of [relay, reader]) child.kill('SIGKILL')
  }
}

interface Parts {
  readonly relay: ChildProcess
  readonly reader: ChildProcess
  readonly world: LiveWorld
}

async function ask(reader: ChildProcess): Promise<Report> {
  const answer = once(reader, 'message')
  reader.send('report')
  const [report] = (await answer) as [Report]
  return report
}

test('a reader that was suspended for five seconds answers nothing that is older than the bound', async () => {
  const report = await underPosting(async ({ reader }) => {
    reader.kill('SIGSTOP')
    await wait(5_000)
    reader.kill('SIGCONT')
  })
  expect(report.worstMs).toBeLessThanOrEqual(MAX_STALENESS_MS)
})

test('a relay that is suspended closes the gate of all readers in time, and opens it again', async () => {
  let before = 0
  const report = await underPosting(async ({ relay, reader }) => {
    relay.kill('SIGSTOP')
    await wait(2_500)
    before = (await ask(reader)).sources['l1'] ?? 0
    relay.kill('SIGCONT')
    await expect
      .poll(async () => (await ask(reader)).sources['l1'], { timeout: 20_000 })
      .toBeGreaterThan(before)
  })
  expect(report.worstMs).toBeLessThanOrEqual(MAX_STALENESS_MS)
  expect(report.sources['database']).toBeGreaterThan(0)
})

test('a transaction that stays open holds nothing up', async () => {
  const report = await underPosting(async ({ world, reader }) => {
    const client = await world.pool.connect()
    await client.query('BEGIN')
    await client.query('SELECT pg_current_xact_id()')
    const before = (await ask(reader)).sources['l1'] ?? 0
    await wait(2_000)
    await expect
      .poll(async () => (await ask(reader)).sources['l1'], { timeout: 20_000 })
      .toBeGreaterThan(before)
    await client.query('COMMIT')
    client.release()
  })
  expect(report.worstMs).toBeLessThanOrEqual(MAX_STALENESS_MS)
})
