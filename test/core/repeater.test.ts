import { InvalidInputError, Repeater } from '@kerp/core'
import { manualClock, recordingObserver } from '@kerp/core/testing'
import { expect, test } from 'vitest'

/** A pass that ends when the test says so. */
class Passes {
  begun = 0
  #end: (error?: Error) => void = () => undefined

  readonly pass = (): Promise<void> => {
    this.begun += 1
    return new Promise((resolve, reject) => {
      this.#end = (error) => (error === undefined ? resolve() : reject(error))
    })
  }

  async end(error?: Error): Promise<void> {
    this.#end(error)
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve()
  }
}

test('the next pass begins a time after the one before has ended, never beside it', async () => {
  const clock = manualClock()
  const passes = new Passes()
  await using repeater = new Repeater({ source: 'test', pass: passes.pass, everyMs: 100, clock })
  repeater.start()
  repeater.start()
  expect(passes.begun).toBe(1)
  await clock.advance(1_000)
  expect(passes.begun).toBe(1)
  await passes.end()
  await clock.advance(99)
  expect(passes.begun).toBe(1)
  await clock.advance(1)
  expect(passes.begun).toBe(2)
  await passes.end()
})

test('the first pass waits as long as it is told to', async () => {
  const clock = manualClock()
  const passes = new Passes()
  await using repeater = new Repeater({ source: 'test', pass: passes.pass, everyMs: 100, firstMs: 30, clock })
  repeater.start()
  await clock.advance(29)
  expect(passes.begun).toBe(0)
  await clock.advance(1)
  expect(passes.begun).toBe(1)
  await passes.end()
})

test('a pass that fails is observed by its code, and the next one comes all the same', async () => {
  const clock = manualClock()
  const observer = recordingObserver()
  const passes = new Passes()
  const options = { source: 'test', everyMs: 100, clock, observer }
  await using repeater = new Repeater({ ...options, pass: passes.pass })
  repeater.start()
  await passes.end(new InvalidInputError('field', 'a value', 1))
  await clock.advance(100)
  await passes.end(new Error('of somebody else'))
  await clock.advance(100)
  expect(passes.begun).toBe(3)
  expect(observer.of('backgroundError')).toMatchObject([
    { source: 'test', code: 'INVALID_INPUT' },
    { source: 'test', code: 'UNEXPECTED' },
  ])
  await passes.end()
})

test('a pass that throws at once is a pass that fails', async () => {
  const clock = manualClock()
  const observer = recordingObserver()
  let begun = 0
  const pass = (): Promise<void> => {
    begun += 1
    throw new RangeError('at once')
  }
  await using repeater = new Repeater({ source: 'test', pass, everyMs: 100, clock, observer })
  repeater.start()
  await clock.advance(100)
  expect(begun).toBe(2)
  expect(observer.of('backgroundError')).toHaveLength(2)
})

test('closing waits for the pass that runs, and none begins afterwards', async () => {
  const clock = manualClock()
  const passes = new Passes()
  const repeater = new Repeater({ source: 'test', pass: passes.pass, everyMs: 100, clock })
  repeater.start()
  let isClosed = false
  const closing = repeater.close().then(() => (isClosed = true))
  expect(repeater.isClosed).toBe(true)
  await clock.advance(1_000)
  expect(isClosed).toBe(false)
  await passes.end()
  await closing
  repeater.start()
  await clock.advance(1_000)
  expect(passes.begun).toBe(1)
})
