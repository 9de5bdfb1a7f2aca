/** A process that works on payments until it is killed. */

import { ChunkLedger } from '@kerp/postgres'
import { Batches, inProcess } from '@kerp/worker-pool'
import { bullmqDriver } from '@kerp/worker-pool/bullmq'
import pg from 'pg'
import { payBatch } from '../worker-pool/paying.js'
import type { BatchChildWork } from './batch-processes.js'

process.on('disconnect', () => process.exit())

const work = JSON.parse(process.argv[2] ?? '{}') as BatchChildWork
const pool = new pg.Pool({ connectionString: work.databaseUrl, max: 8 })
pool.on('error', () => undefined)
const { chunksAtOnce } = work
const driver =
  work.driver === 'bullmq'
    ? bullmqDriver({
        connection: { path: work.redisPath, maxRetriesPerRequest: null },
        queueName: work.companyId,
        chunksAtOnce,
      })
    : inProcess({ chunksAtOnce })

/** Keeps the event loop busy, as a long computation does: no timer and no renewal gets a turn. */
function block(ms: number): void {
  const endMs = performance.now() + ms
  while (performance.now() < endMs);
}

const batch = payBatch({
  chunkItems: work.chunkItems,
  async pay() {
    if (work.blockMs > 0) {
      process.send?.('computed')
      block(work.blockMs)
    } else await new Promise((resolve) => setTimeout(resolve, 10))
    return 1_000n
  },
})
const batches = new Batches({
  ledger: new ChunkLedger({ pool }),
  batches: [batch],
  driver,
  leaseMs: work.leaseMs,
})
batches.work()
process.send?.('ready')
