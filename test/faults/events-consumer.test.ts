import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { closeRedis, connectRedis } from '@kerp/redis'
import { openPrivateRedis } from '@kerp/redis/testing'
import { migrate } from '@kerp/postgres'
import { openPrivatePostgres } from '@kerp/postgres/testing'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { argsOf } from '../support/programs.js'
import { eventWorld, until } from '../pubsub/event-world.js'

const FULL = process.env['KERP_TEST_FULL'] === '1'
const KILLS = FULL ? 200 : 6
const SCRIPT = fileURLToPath(new URL('events-child.ts', import.meta.url))
const ROOT = fileURLToPath(new URL('../..', import.meta.url))

async function startChild(args: readonly string[]): Promise<ChildProcess> {
  const argv = [...(await argsOf(SCRIPT)), ...args]
  const child = spawn(process.execPath, argv, { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  await once(child, 'message')
  return child
}

test('a consumer that is killed between each effect and its acknowledgement has each effect once', async () => {
  await using server = await openPrivateRedis()
  await using database = await openPrivatePostgres()
  const pool = new pg.Pool({ connectionString: database.url, max: 4 })
  pool.on('error', () => undefined)
  onTestFinished(() => pool.end())
  await migrate(pool)
  await pool.query('CREATE TABLE effect (event text NOT NULL)')
  const redis = await connectRedis({ path: server.socketPath }, 10_000, {})
  onTestFinished(() => closeRedis(redis))
  const { companyId, publish, publishMany } = eventWorld(redis)
  const ids = [...(await publishMany(KILLS)), 'last']
  await publish('last')
  const start = () => startChild([server.socketPath, database.url, companyId])
  const effects = async () => (await pool.query<{ event: string }>('SELECT event FROM effect')).rows

  let kills = 0
  let next = start()
  for (;;) {
    const child = await next
    const exit = once(child, 'exit')
    // The next one starts while this one works.
    if (kills < KILLS) next = start()
    child.send('go')
    if (kills === KILLS) {
      await until(
        'the last effect',
        async () => (await effects()).some(({ event }) => event === 'last'),
        60_000,
      )
      child.kill('SIGKILL')
      await exit
      break
    }
    const [, signal] = (await exit) as [number | null, string | null]
    expect(signal).toBe('SIGKILL')
    kills += 1
  }
  expect((await effects()).map(({ event }) => event)).toEqual(ids)
})
