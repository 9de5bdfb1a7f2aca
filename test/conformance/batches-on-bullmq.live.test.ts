import { bullmqDriver } from '@kerp/worker-pool/bullmq'
import { describe, inject } from 'vitest'
import { batchConformance } from './batches.js'

describe('Batches on BullMQ', () =>
  batchConformance((queueName) =>
    bullmqDriver({
      connection: { path: inject('redisSocket'), maxRetriesPerRequest: null },
      queueName,
      pollMs: 50,
    }),
  ))
