/** A process that relays, or one that reads a balance without a pause and remembers until when it answered which version. */

import { BalanceCache } from '@kerp/balance-cache'
import { createKeys } from '@kerp/keys'
import { Outbox, RegisterRows } from '@kerp/postgres'
import { OutboxRelay, Registers } from '@kerp/registers'
import { connectRedis } from '@kerp/redis'
import pg from 'pg'

process.on('disconnect', () => process.exit())

const [, , role, socketPath = '', databaseUrl = '', companyId = ''] = process.argv

const pool = new pg.Pool({ connectionString: databaseUrl, max: 8 })
pool.on('error', () => undefined)
const redis = await connectRedis({ path: socketPath })
const keys = createKeys()
const outbox = new Outbox({ pool })

function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** Answers for ever; the moment counts from before the answer was asked for. */
async function read(): Promise<void> {
  const source = new RegisterRows({ pool })
  const registers = new Registers({ redis, keys, source, localTier: { positions: outbox } })
  const cache = new BalanceCache({ registers, source })
  const ref = { companyId, account: 'cash', fiscalYear: 2026 }
  const lastMs = new Map<number, number>()
  const sources = { l1: 0, redis: 0, database: 0 }
  process.on('message', () => process.send?.({ served: [...lastMs], sources }))
  process.send?.('ready')
  for (;;) {
    const beforeMs = nowMs()
    const balance = cache.peek(ref) ?? (await cache.get(ref).catch(() => undefined))
    if (balance !== undefined) {
      lastMs.set(balance.version, beforeMs)
      sources[balance.source] += 1
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
}

if (role === 'relay') {
  new OutboxRelay({ redis, keys, outbox, pollMs: 10 }).start()
  process.send?.('ready')
} else {
  await read()
}
