/** Ends jobs by the thousand in one go, where the stacks of their errors tell nothing and cost most. */

import type { PoolJob } from './pool-job.js'

/** Makes all errors, and then ends the jobs with them: what a host does when it hears of an end has its stacks. */
export function endInBulk<E extends Error>(
  jobs: readonly PoolJob[],
  makeError: (job: PoolJob) => E,
  end: (job: PoolJob, error: E) => void,
): void {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  let errors: readonly E[]
  try {
    errors = jobs.map(makeError)
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
  for (const [index, error] of errors.entries()) {
    const job = jobs[index]
    if (job !== undefined) end(job, error)
  }
}
