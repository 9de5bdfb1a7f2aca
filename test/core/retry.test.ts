import {
  DeadlineExceededError,
  isRetryableError,
  jitteredBackoffMs,
  OverloadedError,
  retry,
  type RetryOptions,
  withDeadline,
} from '@kerp/core'
import { manualClock, seededRandom } from '@kerp/core/testing'
import { describe, expect, it, vi } from 'vitest'

const busy = new OverloadedError('Ledger', 'queueMax', 1)
const always = { fraction: () => 0.999_999, hex: () => '' }

function setUp(options: Partial<RetryOptions> = {}) {
  const clock = manualClock()
  return { clock, options: { operation: 'posting', deadlineMs: 1_000, clock, random: always, ...options } }
}

describe('retry', () => {
  it('repeats what may be repeated, and answers with the first success', async () => {
    const { clock, options } = setUp()
    const attempt = vi.fn((number: number) => (number < 3 ? Promise.reject(busy) : Promise.resolve(number)))
    const answer = retry(attempt, options)
    await clock.advance(1_000)
    expect(await answer).toBe(3)
    expect(attempt.mock.calls).toStrictEqual([[1], [2], [3]])
  })

  it('throws at once, and as it was, what may not be repeated', async () => {
    const { options } = setUp()
    const failure = new TypeError('no')
    const attempt = vi.fn(() => Promise.reject(failure))
    await expect(retry(attempt, options)).rejects.toBe(failure)
    expect(attempt).toHaveBeenCalledOnce()
  })

  it('asks the caller what may be repeated, if the caller wants to say', async () => {
    const { clock, options } = setUp({ attemptsMax: 2, isRetryable: () => true })
    const attempt = vi.fn(() => Promise.reject(new TypeError('yes')))
    const answer = retry(attempt, options)
    answer.catch(() => undefined)
    await clock.advance(1_000)
    await expect(answer).rejects.toThrow('yes')
    expect(attempt).toHaveBeenCalledTimes(2)
  })

  it('makes five attempts at most, with waits that double up to their limit', async () => {
    const { clock, options } = setUp({ backoffMs: 10, backoffMsMax: 30 })
    const starts: number[] = []
    const answer = retry(() => {
      starts.push(Math.round(clock.monotonicMs()))
      return Promise.reject(busy)
    }, options)
    answer.catch(() => undefined)
    await clock.advance(1_000)
    await expect(answer).rejects.toBe(busy)
    expect(starts).toStrictEqual([0, 10, 30, 60, 90])
  })

  it('starts no attempt after the deadline', async () => {
    const { clock, options } = setUp({ deadlineMs: 65, backoffMs: 20, attemptsMax: 10 })
    const starts: number[] = []
    const answer = retry(() => {
      starts.push(Math.round(clock.monotonicMs()))
      return Promise.reject(busy)
    }, options)
    answer.catch(() => undefined)
    await clock.advance(1_000)
    await expect(answer).rejects.toBe(busy)
    expect(starts).toStrictEqual([0, 20, 60])
  })

  it('starts no attempt when it wakes up after the deadline, as after a long pause of the process', async () => {
    const { clock, options } = setUp({ deadlineMs: 100, backoffMs: 20 })
    let pausedMs = 0
    const paused = { ...clock, monotonicMs: () => clock.monotonicMs() + pausedMs }
    const attempt = vi.fn(() => Promise.reject(busy))
    const answer = retry(attempt, { ...options, clock: paused })
    answer.catch(() => undefined)
    await clock.advance(1)
    pausedMs = 5_000
    await clock.advance(50)
    await expect(answer).rejects.toBe(busy)
    expect(attempt).toHaveBeenCalledOnce()
  })

  it('ends by the deadline even when an attempt never does, the first or a later one', async () => {
    const { clock, options } = setUp({ deadlineMs: 100 })
    const hang = () => new Promise(() => undefined)
    const answer = retry((number) => (number === 1 ? Promise.reject(busy) : hang()), options)
    const first = retry(hang, options)
    for (const promise of [answer, first]) promise.catch(() => undefined)
    await clock.advance(100)
    expect(clock.timersPending).toBe(0)
    await expect(first).rejects.toThrow(DeadlineExceededError)
    await expect(answer).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      operation: 'posting',
      deadlineMs: 100,
      outcome: 'unknown',
    })
  })

  it('stops waiting when its signal aborts', async () => {
    const controller = new AbortController()
    const { clock, options } = setUp({ signal: controller.signal })
    const attempt = vi.fn(() => Promise.reject(busy))
    const answer = retry(attempt, options)
    answer.catch(() => undefined)
    await clock.advance(1)
    controller.abort(new Error('shutting down'))
    await expect(answer).rejects.toThrow('shutting down')
    expect(attempt).toHaveBeenCalledOnce()
  })

  it('waits a random time below the doubled limit', () => {
    const random = seededRandom(4)
    const waits = Array.from({ length: 1_000 }, () => jitteredBackoffMs(3, { backoffMs: 10, random }))
    expect(Math.max(...waits)).toBeLessThan(40)
    expect(Math.max(...waits)).toBeGreaterThan(39)
    expect(Math.min(...waits)).toBeLessThan(1)
    expect(jitteredBackoffMs(2_000, { random: always })).toBeLessThanOrEqual(1_000)
  })

  it('takes an error for repeatable only if it says so of itself', () => {
    expect(isRetryableError(busy)).toBe(true)
    expect(isRetryableError(Object.assign(new Error('x'), { retryable: true }))).toBe(false)
    expect(isRetryableError(undefined)).toBe(false)
  })
})

describe('withDeadline', () => {
  const terms = { operation: 'read', deadlineMs: 25, outcome: 'notDone' } as const

  it('answers as the work does when the work is in time', async () => {
    const clock = manualClock()
    await expect(withDeadline(Promise.resolve(7), { ...terms, clock })).resolves.toBe(7)
    await expect(withDeadline(Promise.reject(busy), { ...terms, clock })).rejects.toBe(busy)
    await clock.advance(0)
    expect(clock.timersPending).toBe(0)
  })

  it('ends at the deadline and says what is known of the effect', async () => {
    const clock = manualClock()
    const ended = vi.fn()
    const answer = withDeadline(new Promise(() => undefined), { ...terms, clock }).catch(ended)
    await clock.advance(24)
    expect(ended).not.toHaveBeenCalled()
    await clock.advance(1)
    await answer
    expect(ended.mock.calls[0]?.[0]).toBeInstanceOf(DeadlineExceededError)
    expect(ended.mock.calls[0]?.[0]).toMatchObject({ operation: 'read', deadlineMs: 25, outcome: 'notDone' })
  })

  it('ignores what the work does after the deadline', async () => {
    const clock = manualClock()
    let fail: (error: Error) => void = () => undefined
    const work = new Promise((_resolve, reject) => (fail = reject))
    const answer = withDeadline(work, { ...terms, clock })
    answer.catch(() => undefined)
    await clock.advance(25)
    fail(new Error('late'))
    await expect(answer).rejects.toBeInstanceOf(DeadlineExceededError)
  })
})
