/** Errors that are made by the thousand in one go, where a stack tells nothing and costs most. */

import { JobCancelledError, JobReturnedError } from './errors.js'
import type { PoolJob } from './pool-job.js'

/** For a job that one signal or one stop ends together with many others. */
export function cancelledInBulk(job: PoolJob, reason: unknown): JobCancelledError {
  return withoutStack(() => new JobCancelledError(job.id, job.attempt > 0, reason))
}

/** For a job that a stop returns together with many others. */
export function returnedInBulk(job: PoolJob): JobReturnedError {
  return withoutStack(() => new JobReturnedError(job.id))
}

function withoutStack<E extends Error>(make: () => E): E {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  const error = make()
  Error.stackTraceLimit = stackTraceLimit
  return error
}
