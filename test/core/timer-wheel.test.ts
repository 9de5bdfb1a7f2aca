import { TimerWheel } from '@kerp/core'
import { manualClock } from '@kerp/core/testing'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'

describe('a timer wheel', () => {
  it('calls every task once, never early and at most one tick late, whenever it was set', async () => {
    const moments = fc.double({ min: 0, max: 500, noNaN: true })
    const plan = fc.array(fc.record({ setMs: moments, delayMs: moments }), { minLength: 1, maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(plan, fc.integer({ min: 1, max: 50 }), async (tasks, tickMs) => {
        const clock = manualClock()
        const wheel = new TimerWheel(clock, tickMs)
        const calls: { readonly dueMs: number; readonly atMs: number }[] = []
        for (const { setMs, delayMs } of [...tasks].sort((a, b) => a.setMs - b.setMs)) {
          await clock.advance(setMs - clock.monotonicMs())
          const dueMs = clock.monotonicMs() + delayMs
          wheel.schedule(delayMs, () => void calls.push({ dueMs, atMs: clock.monotonicMs() }))
        }
        await clock.advance(1_200)
        expect(calls).toHaveLength(tasks.length)
        for (const { dueMs, atMs } of calls) {
          expect(atMs).toBeGreaterThanOrEqual(dueMs)
          expect(atMs - dueMs).toBeLessThanOrEqual(tickMs + 1e-6)
        }
        expect(wheel.size).toBe(0)
      }),
      { numRuns: 500 },
    )
  })

  it('counts from the moment that the caller names', async () => {
    const clock = manualClock()
    const wheel = new TimerWheel(clock, 10)
    const task = vi.fn()
    const begunMs = clock.monotonicMs()
    await clock.advance(40)
    wheel.schedule(100, task, begunMs)
    await clock.advance(59)
    expect(task).not.toHaveBeenCalled()
    await clock.advance(11)
    expect(task).toHaveBeenCalledTimes(1)
  })

  it('calls at the next tick what was due before: after a pause, for a moment that has passed, from a task', async () => {
    const clock = manualClock()
    const wheel = new TimerWheel(clock, 10)
    const calls: string[] = []
    wheel.schedule(10, () => {
      calls.push('first')
      wheel.schedule(0, () => void calls.push('from a task'))
      wheel.schedule(-500, () => void calls.push('passed'))
    })
    await clock.advance(10)
    await clock.advance(10)
    expect(calls).toEqual(['first', 'from a task', 'passed'])
    await clock.advance(60_000)
    wheel.schedule(5_000, () => void calls.push('late'))
    wheel.schedule(0, () => void calls.push('after a pause'))
    await clock.advance(10)
    expect(calls.slice(3)).toEqual(['after a pause'])
    await clock.advance(5_000)
    expect(calls.slice(4)).toEqual(['late'])
    expect(wheel.size).toBe(0)
  })

  it('calls no task that was cancelled, not even one of the same tick that an earlier task cancels', async () => {
    const clock = manualClock()
    const wheel = new TimerWheel(clock, 10)
    const task = vi.fn()
    wheel.schedule(5, task).cancel()
    expect(wheel.size).toBe(0)
    const first = wheel.schedule(5, () => {
      first.cancel()
      second.cancel()
    })
    const second = wheel.schedule(6, task)
    await clock.advance(100)
    second.cancel()
    expect(task).not.toHaveBeenCalled()
  })

  it('goes on when a task throws, and says what it threw', async () => {
    const clock = manualClock()
    const heard = vi.fn()
    const wheel = new TimerWheel(clock, 10, heard)
    const failure = new Error('task')
    const after = vi.fn()
    wheel.schedule(5, () => {
      throw failure
    })
    wheel.schedule(5, after)
    wheel.schedule(50, after)
    await clock.advance(100)
    expect(after).toHaveBeenCalledTimes(2)
    expect(heard.mock.calls).toStrictEqual([[failure]])
  })

  it('holds one timer of the machine for any number of tasks, and none when nothing waits', async () => {
    const clock = manualClock()
    const setTimer = vi.spyOn(clock, 'setTimer')
    const wheel = new TimerWheel(clock, 10)
    for (let index = 0; index < 1_000; index += 1) wheel.schedule(10 + (index % 5), () => undefined)
    expect(setTimer).toHaveBeenCalledTimes(1)
    expect(wheel.size).toBe(1_000)
    await clock.advance(20)
    const armed = setTimer.mock.calls.length
    expect(armed).toBe(2)
    await clock.advance(1_000)
    expect(setTimer).toHaveBeenCalledTimes(armed)
  })

  it('takes tasks that a task schedules', async () => {
    const clock = manualClock()
    const wheel = new TimerWheel(clock, 10)
    const seen: number[] = []
    const again = (): void => {
      seen.push(clock.monotonicMs())
      if (seen.length < 3) wheel.schedule(10, again)
    }
    wheel.schedule(0, again)
    await clock.advance(100)
    expect(seen).toHaveLength(3)
  })
})
