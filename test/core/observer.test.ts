import { combineObservers, OBSERVATIONS, type Observer, STEPS } from '@kerp/core'
import { recordingObserver } from '@kerp/core/testing'
import { describe, expect, expectTypeOf, it, vi } from 'vitest'

describe('the list of observations', () => {
  it('names every method of an observer once', () => {
    expectTypeOf<(typeof OBSERVATIONS)[number]>().toEqualTypeOf<keyof Observer>()
    expect(new Set(OBSERVATIONS).size).toBe(OBSERVATIONS.length)
    expect(new Set(STEPS).size).toBe(STEPS.length)
  })
})

describe('several observers as one', () => {
  it('all hear every observation, in order', () => {
    const heard: string[] = []
    const listener = (name: string): Observer => ({
      postingQueue: ({ waiting }) => void heard.push(`${name}${waiting}`),
    })
    combineObservers(listener('a'), undefined, listener('b')).postingQueue?.({ waiting: 3 })
    expect(heard).toStrictEqual(['a3', 'b3'])
  })

  it('let nothing that one of them throws reach the caller or the others', () => {
    const last = recordingObserver()
    const combined = combineObservers(
      {
        registerFork() {
          throw new Error('observer')
        },
      },
      last,
    )
    combined.registerFork?.({ count: 1 })
    expect(last.of('registerFork')).toStrictEqual([{ count: 1 }])
  })

  it('let no promise that one of them rejects end the process', async () => {
    const unhandled = vi.fn()
    process.once('unhandledRejection', unhandled)
    const failing: Observer = { registerFork: () => Promise.reject(new Error('async')) as never }
    combineObservers(failing).registerFork?.({ count: 1 })
    await new Promise((resolve) => setImmediate(resolve))
    process.off('unhandledRejection', unhandled)
    expect(unhandled).not.toHaveBeenCalled()
  })

  it('leave undefined what nobody listens to, and keep `this` for those who do', () => {
    const observer = {
      seen: 0,
      registerFork({ count }: { readonly count: number }) {
        this.seen += count
      },
    }
    const combined = combineObservers(observer)
    expect(Object.keys(combined)).toStrictEqual(['registerFork'])
    combined.registerFork?.({ count: 2 })
    expect(observer.seen).toBe(2)
    expect(Object.keys(combineObservers())).toStrictEqual([])
  })
})

describe('a recording observer', () => {
  it('keeps every observation with its fields, in order', () => {
    const observer = recordingObserver()
    expect(Object.keys(observer)).toStrictEqual([...OBSERVATIONS, 'recorded', 'of'])
    observer.step?.({ name: 'http.received' })
    observer.relayLag?.({ lagMs: 5 })
    observer.step?.({ name: 'http.answering' })
    expect(observer.of('step')).toStrictEqual([{ name: 'http.received' }, { name: 'http.answering' }])
    expect(observer.recorded.map(({ name }) => name)).toStrictEqual(['step', 'relayLag', 'step'])
  })
})
