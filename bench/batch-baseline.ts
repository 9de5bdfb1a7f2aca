/** What an engineer writes with BullMQ for a payroll: one job for each employee, the payment in its processor. */

import { Queue, Worker } from 'bullmq'
import type pg from 'pg'

const CONCURRENCY = 50
const ADD_AT_ONCE = 1_000

/** Pays `items` employees, each by a job of its own. Returns how long that took, adding included, in ms. */
export async function payByJobs(pool: pg.Pool, path: string, run: string, items: number): Promise<number> {
  const connection = { path, maxRetriesPerRequest: null }
  const queue = new Queue(run, { connection })
  const startMs = performance.now()
  let done = 0
  let finish: () => void = () => undefined
  const finished = new Promise<void>((resolve) => (finish = resolve))
  const worker = new Worker<{ readonly employee: string }>(
    run,
    async ({ data }) => {
      const text = 'INSERT INTO payment VALUES ($1, $2, $3)'
      await pool.query({ name: 'pay', text, values: [run, data.employee, '1000'] })
      done += 1
      if (done === items) finish()
    },
    { connection, concurrency: CONCURRENCY },
  )
  for (let from = 0; from < items; from += ADD_AT_ONCE) {
    const length = Math.min(ADD_AT_ONCE, items - from)
    const opts = { removeOnComplete: true }
    await queue.addBulk(
      Array.from({ length }, (_, n) => ({ name: 'pay', data: { employee: `e${from + n}` }, opts })),
    )
  }
  await finished
  const elapsedMs = performance.now() - startMs
  await worker.close()
  await queue.close()
  return elapsedMs
}
