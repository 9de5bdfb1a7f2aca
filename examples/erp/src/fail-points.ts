/**
 * Kills this process at a named step, for tests that prove what survives a crash there.
 *
 * The library marks its steps through the observer and knows nothing of this; without `FAIL_POINT` no
 * observer is made at all.
 */

import { InvalidOptionError, type Observer, STEPS, STOCK_STEPS } from '@kerp/core'

const FAIL_POINTS: readonly string[] = [...STEPS, ...STOCK_STEPS]

/**
 * An observer that ends the process by SIGKILL, which nothing can catch, when a step is passed.
 *
 * `failPoint` is `step:n` and means the n-th pass, counted from 1: `posting.committed:3`.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION` for a step that is in neither `STEPS` nor `STOCK_STEPS`, or a count that is none.
 */
export function failPointObserver(failPoint: string | undefined): Observer | undefined {
  if (failPoint === undefined || failPoint === '') return undefined
  const [step, count = '1', ...rest] = failPoint.split(':')
  if (!FAIL_POINTS.includes(step ?? '') || rest.length > 0 || !/^[1-9]\d{0,8}$/.test(count)) {
    throw new InvalidOptionError('erp', 'FAIL_POINT', `one of ${FAIL_POINTS.join(', ')} and :n`, failPoint)
  }
  let passesLeft = BigInt(count)
  return {
    step({ name }) {
      if (name !== step) return
      passesLeft -= 1n
      if (passesLeft === 0n) process.kill(process.pid, 'SIGKILL')
    },
  }
}
