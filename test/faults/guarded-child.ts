/** A process that posts under guards: for ever, or once and kills itself at a moment. */

import { sleep, systemClock } from '@kerp/core'
import { seededRandom } from '@kerp/core/testing'
import { connectRedis } from '@kerp/redis'
import pg from 'pg'
import { GuardedHost } from './guarded-host.js'

process.on('disconnect', () => process.exit())

const [socketPath = '', databaseUrl = '', companyId = '', accountsText = '', moment = ''] =
  process.argv.slice(2)
const accounts = accountsText.split(',')
const redis = await connectRedis({ path: socketPath }, 20_000, {})
const pool = new pg.Pool({ connectionString: databaseUrl, max: 4 })
const host = new GuardedHost(pool, redis, companyId)
const random = seededRandom(process.pid)
const any = (): string => accounts[Math.floor(random.fraction() * accounts.length)] ?? ''

/** SIGKILL, from which nothing returns. */
function die(): Promise<never> {
  process.kill(process.pid, 'SIGKILL')
  return new Promise(() => undefined)
}

async function postForEver(): Promise<void> {
  for (;;) {
    const [from, to] = [any(), any()]
    if (from === to) continue
    await host.post(from, to)
    process.send?.('posted')
    await sleep(systemClock, 20 * random.fraction())
  }
}

process.on('message', () => {
  if (moment !== '')
    void host.post(accounts[0] ?? '', accounts[1] ?? '', (at) => (at === moment ? die() : undefined))
  else for (let worker = 0; worker < 3; worker += 1) void postForEver()
})
process.send?.('ready')
