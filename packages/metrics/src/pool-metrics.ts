/** The part of the catalogue that is about worker pools. */

import type { PoolJobOutcome } from '@kerp/core'
import { closed, counter, gauge, histogram, type MetricDefinition, open, words } from './metric-definition.js'

const poolName = open('pool_name')

/** Metrics of worker pools. */
export const POOL_METRICS = {
  poolSize: gauge('worker_pool_size', 'Jobs that a worker pool runs at once at most', [poolName]),
  poolPending: gauge('worker_pool_pending_jobs', 'Accepted jobs that wait for their start', [poolName]),
  poolActive: gauge('worker_pool_active_jobs', 'Jobs that run', [poolName]),
  poolOverdue: gauge(
    'worker_pool_overdue_jobs',
    'Functions that were told to stop, lost their place, and still run',
    [poolName],
  ),
  poolJobs: counter('worker_pool_jobs_total', 'Jobs of a worker pool by how they ended', [
    poolName,
    closed(
      'outcome',
      words<PoolJobOutcome>({
        done: true,
        failed: true,
        timeout: true,
        cancelled: true,
        dropped: true,
        returned: true,
        abandoned: true,
      }),
    ),
  ]),
  poolQueueWait: histogram('worker_pool_queue_wait_seconds', 'Time that a job waited for its start', [
    poolName,
  ]),
  poolJobTime: histogram('worker_pool_job_seconds', 'Time that a job ran', [poolName]),
  poolRetries: counter('worker_pool_retries_total', 'Jobs that failed and were tried again', [poolName]),
  poolRefusals: counter('worker_pool_refusals_total', 'Jobs that a worker pool did not accept', [
    poolName,
    closed('reason', ['full', 'closed']),
  ]),
} as const satisfies Readonly<Record<string, MetricDefinition>>
