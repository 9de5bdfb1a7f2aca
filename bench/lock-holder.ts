/** A process that takes one lock and keeps it until it is killed. */

import { Locks } from '@kerp/inventory-lock'
import { createKeys } from '@kerp/keys'
import { Redis } from 'ioredis'

process.on('disconnect', () => process.exit())
const [socketPath = '', id = '', ttlMs = ''] = process.argv.slice(2)
const locks = new Locks({ redis: new Redis(socketPath), keys: createKeys() })
process.send?.('ready')
await locks.acquire({ companyId: 'bench', type: 'bench', id }, { ttlMs: Number(ttlMs), waitMs: 600_000 })
