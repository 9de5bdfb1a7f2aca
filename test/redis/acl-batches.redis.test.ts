/** A user with the role `batches`: BullMQ distributes chunks, and the server refuses it nothing that it needs. */

import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { BatchChunkRef, BatchRun } from '@kerp/core'
import { aclUser, connectRedis, closeRedis } from '@kerp/redis'
import { openPrivateRedis } from '@kerp/redis/testing'
import type { BatchDriver } from '@kerp/worker-pool'
import { bullmqDriver } from '@kerp/worker-pool/bullmq'
import { describe, expect, it } from 'vitest'
import { until } from '../pubsub/event-world.js'

const PASSWORD = 'a-password-of-this-test'
const CHUNKS = 12

/** Drives the chunks of one run, which are in memory, to their end; the first work on each third one fails. */
async function drive(driver: BatchDriver): Promise<readonly unknown[]> {
  const chunks = Array.from(
    { length: CHUNKS },
    (_, number): BatchChunkRef => ({ companyId: 'c1', runId: 'run', number, fence: '1' }),
  )
  const free = new Map(chunks.map((chunk) => [chunk.number, chunk]))
  const broken = new Set([...free.keys()].filter((number) => number % 3 === 0))
  const failures: unknown[] = []
  const driving = driver.drive({
    openRuns: () => Promise.resolve([{ companyId: 'c1', runId: 'run' } as BatchRun]),
    claimable: (_run, limit) => Promise.resolve([...free.values()].slice(0, limit)),
    work: (_run, number = 0) => {
      if (broken.delete(number)) return Promise.reject(new Error('this work fails once'))
      return Promise.resolve(free.delete(number))
    },
    advance: () => Promise.resolve(free.size > 0),
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    failed: (error) => void failures.push(error),
  })
  driving.wake()
  await until('all chunks', () => free.size === 0)
  await driving.close()
  return failures
}

describe('A user with the role of batches', () => {
  it.each([undefined, 'prod'])('can distribute chunks by BullMQ, in the namespace %s', async (namespace) => {
    await using server = await openPrivateRedis()
    const admin = await connectRedis({ path: server.socketPath }, 10_000, {})
    const user = { name: 'payroll', password: PASSWORD, roles: ['batches'] } as const
    await admin.call('ACL', ...aclUser({ ...user, ...(namespace && { namespace }) }).setUser)
    const connection = {
      path: server.socketPath,
      username: user.name,
      password: PASSWORD,
      maxRetriesPerRequest: null,
    }
    const prefix = namespace === undefined ? {} : { prefix: `${namespace}:{kerp-bullmq}` }
    expect(await drive(bullmqDriver({ connection, pollMs: 20, ...prefix }))).toEqual([])
    const log = (await admin.call('ACL', 'LOG', '128')) as readonly (readonly unknown[])[]
    // ioredis introduces itself by it, in vain, and goes on.
    expect(log.map((entry) => entry[7]).filter((name) => name !== 'client|setinfo')).toEqual([])
    await closeRedis(admin)
  })

  it('has every command of the scripts that the driver makes BullMQ call', () => {
    const { setUser } = aclUser({ name: 'x', password: PASSWORD, roles: ['batches'] })
    const granted = new Set(setUser.map((rule) => /^\+([a-z]+)/.exec(rule)?.[1]))
    const folder = join(
      dirname(createRequire(import.meta.url).resolve('bullmq/package.json')),
      'dist/esm/scripts',
    )
    const scripts = readdirSync(folder).filter((file) =>
      /^(?:addStandardJob|moveToActive|moveToFinished|extendLocks?|moveStalledJobsToWait|getCounts)-\d+\.js$/.test(
        file,
      ),
    )
    expect(scripts.length).toBeGreaterThan(5)
    const called = scripts.flatMap((file) => [
      ...readFileSync(join(folder, file), 'utf8').matchAll(/\brcall\(\s*"([A-Za-z]+)"/g),
    ])
    expect(called.length).toBeGreaterThan(100)
    expect(called.map(([, command]) => command?.toLowerCase()).filter((each) => !granted.has(each))).toEqual(
      [],
    )
  })
})
