import { sleep, systemClock } from '@kerp/core'
import { manualClock } from '@kerp/core/testing'
import { afterEach, describe, expect, it, vi } from 'vitest'

const DAY_MS = 86_400_000

describe('sleep', () => {
  it('ends when its time has passed, and not before', async () => {
    const clock = manualClock()
    const woken = vi.fn()
    const wait = sleep(clock, 100).then(woken)
    await clock.advance(99)
    expect(woken).not.toHaveBeenCalled()
    await clock.advance(1)
    expect(woken).toHaveBeenCalledOnce()
    await wait
  })

  it('ends with the reason of its signal, and leaves no timer behind', async () => {
    const clock = manualClock()
    const reason = new Error('shutting down')
    const controller = new AbortController()
    const wait = sleep(clock, 100, controller.signal)
    controller.abort(reason)
    await expect(wait).rejects.toBe(reason)
    expect(clock.timersPending).toBe(0)
    await expect(sleep(clock, 100, controller.signal)).rejects.toBe(reason)
  })

  it('ends with an AbortError when the reason is no error', async () => {
    const controller = new AbortController()
    controller.abort('why')
    await expect(sleep(manualClock(), 1, controller.signal)).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('lets go of a signal that outlives it', async () => {
    const clock = manualClock()
    const { signal } = new AbortController()
    const added = vi.spyOn(signal, 'addEventListener')
    const removed = vi.spyOn(signal, 'removeEventListener')
    const wait = sleep(clock, 5, signal)
    await clock.advance(5)
    await wait
    expect(removed.mock.calls.map(([name]) => name)).toStrictEqual(added.mock.calls.map(([name]) => name))
  })
})

describe('the clock of the machine', () => {
  afterEach(() => {
    vi.useRealTimers()
    vi.restoreAllMocks()
  })

  it('does not cut a wait of forty days to a millisecond', () => {
    vi.useFakeTimers()
    const armed = vi.spyOn(globalThis, 'setTimeout')
    const task = vi.fn()
    systemClock.setTimer(40 * DAY_MS, task)
    expect(armed.mock.calls[0]?.[1]).toBe(2 ** 31 - 1)
    vi.advanceTimersByTime(40 * DAY_MS - 1)
    expect(task).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(task).toHaveBeenCalledOnce()
  })

  it('does not call early where the timer of Node fires a fraction of a millisecond too soon', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const now = vi.spyOn(performance, 'now').mockReturnValue(100.9)
    const task = vi.fn()
    systemClock.setTimer(1.5, task)
    now.mockReturnValue(102.3)
    vi.advanceTimersByTime(2)
    expect(task).not.toHaveBeenCalled()
    now.mockReturnValue(102.5)
    vi.advanceTimersByTime(1)
    expect(task).toHaveBeenCalledOnce()
  })

  it('calls no task that was cancelled, also after it had to wait once more', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const now = vi.spyOn(performance, 'now').mockReturnValue(0)
    const task = vi.fn()
    const timer = systemClock.setTimer(1, task)
    vi.advanceTimersByTime(1)
    now.mockReturnValue(5)
    timer.cancel()
    timer.cancel()
    vi.advanceTimersByTime(10)
    expect(task).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('keeps no process alive', () => {
    const unref = vi.fn()
    vi.spyOn(globalThis, 'setTimeout').mockReturnValue({ unref } as never)
    systemClock.setTimer(1, () => undefined)
    expect(unref).toHaveBeenCalledOnce()
  })
})

describe('a manual clock', () => {
  it('fires what falls due in order of time, then of setting, and lets promises settle in between', async () => {
    const clock = manualClock(1_000)
    const seen: string[] = []
    const note = (name: string) => () => {
      seen.push(`${name} at ${clock.monotonicMs()}`)
      void Promise.resolve().then(() => seen.push(`${name} settled`))
    }
    clock.setTimer(20, note('second'))
    clock.setTimer(10, note('first'))
    clock.setTimer(20, note('third'))
    clock.setTimer(15, note('cancelled')).cancel()
    expect(clock.timersPending).toBe(3)
    await clock.advance(20)
    expect(clock.timersPending).toBe(0)
    expect(seen).toStrictEqual([
      'first at 10',
      'first settled',
      'second at 20',
      'second settled',
      'third at 20',
      'third settled',
    ])
    expect(clock.nowMs()).toBe(1_020)
  })

  it('moves only the wall clock when the time of the machine is corrected', () => {
    const clock = manualClock(1_000)
    clock.jumpWallClock(-500)
    expect([clock.nowMs(), clock.monotonicMs()]).toStrictEqual([500, 0])
  })
})
