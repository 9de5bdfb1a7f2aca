/** A private server starts without help, does as it is told, and never outlives its parent. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { RedisMissingError } from '@kerp/redis'
import { findRedisServer, openPrivateRedis } from '@kerp/redis/testing'
import { expect, test } from 'vitest'
import { argsOf } from '../support/programs.js'
import { isAlive } from '../support/is-alive.js'

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5))
}

const isGone = async (path: string): Promise<boolean> =>
  stat(path).then(
    () => false,
    () => true,
  )

test('it keeps nothing on disk and evicts nothing, unless told', async () => {
  await using server = await openPrivateRedis()
  await using other = await openPrivateRedis({
    args: ['--maxmemory', '20mb', '--maxmemory-policy', 'allkeys-lru'],
  })
  const [one, two] = [server.client(), other.client()]
  expect(await one.config('GET', 'maxmemory-policy')).toStrictEqual(['maxmemory-policy', 'noeviction'])
  expect(await one.config('GET', 'appendonly')).toStrictEqual(['appendonly', 'no'])
  expect(await one.config('GET', 'save')).toStrictEqual(['save', ''])
  expect(await one.config('GET', 'port')).toStrictEqual(['port', '0'])
  expect(await two.config('GET', 'maxmemory-policy')).toStrictEqual(['maxmemory-policy', 'allkeys-lru'])
  one.disconnect()
  two.disconnect()
})

test('close ends the process and removes the directory, also while it is paused, and twice', async () => {
  const server = await openPrivateRedis({ tcp: true })
  server.pause()
  await server.close()
  await server.close()
  expect(isAlive(server.pid)).toBe(false)
  expect(await isGone(dirname(server.socketPath))).toBe(true)
})

test('a restart comes back on the same socket and port, with or without what was there', async () => {
  await using server = await openPrivateRedis({ tcp: true, args: ['--appendonly', 'yes'] })
  const { pid, url } = server
  const redis = server.client()
  redis.on('error', () => undefined)
  await redis.set('k', 'v')
  await server.kill()
  expect(isAlive(pid)).toBe(false)
  await server.restart({ keepData: true })
  expect(server.pid).not.toBe(pid)
  expect(server.url).toBe(url)
  // The client finds its way back in its own time.
  const read = (): Promise<unknown> => redis.get('k').catch(String)
  await expect.poll(read, { timeout: 20_000 }).toBe('v')
  await server.restart()
  await expect.poll(read, { timeout: 20_000 }).toBeNull()
  redis.disconnect()
})

test('a paused server answers nobody until it is resumed', async () => {
  await using server = await openPrivateRedis()
  const redis = server.client()
  await redis.ping()
  server.pause()
  const late = redis.ping()
  const first = await Promise.race([late, new Promise((resolve) => setTimeout(resolve, 100, 'silence'))])
  expect(first).toBe('silence')
  server.resume()
  expect(await late).toBe('PONG')
  redis.disconnect()
})

test.each(['SIGKILL', 'SIGTERM'] as const)('a parent that dies by %s takes it along', async (signal) => {
  const args = await argsOf(join(import.meta.dirname, 'open-and-hang.ts'))
  const parent = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [bytes] = (await once(parent.stdout, 'data')) as [Buffer]
  const { pid, socketPath } = JSON.parse(bytes.toString()) as { pid: number; socketPath: string }
  expect(isAlive(pid)).toBe(true)
  parent.kill(signal)
  await once(parent, 'exit')
  await until(() => !isAlive(pid))
  await until(() => isGone(dirname(socketPath)))
})

test('without a server program the error is one sentence that names the package to install', async () => {
  expect(await findRedisServer()).toMatch(/(redis|valkey)-server$/)
  const path = process.env['PATH']
  process.env['PATH'] = '/nowhere'
  try {
    expect(await findRedisServer()).toBeUndefined()
    const attempt = openPrivateRedis()
    await expect(attempt).rejects.toThrow(RedisMissingError)
    await expect(attempt).rejects.toThrow(
      /^No redis-server is on PATH: install it .*apt-get install redis-server/,
    )
  } finally {
    process.env['PATH'] = path
  }
})

test('a server that does not start is reported', async () => {
  const attempt = openPrivateRedis({ args: ['--no-such-setting', 'yes'], startMs: 300 })
  await expect(attempt).rejects.toThrow('did not answer within 300 ms')
})
