import { PollPace } from '@kerp/core'
import { manualClock, type ManualClock, recordingObserver, seededRandom } from '@kerp/core/testing'
import { expect, test } from 'vitest'

/** A pace with a bell that the test rings. */
class World {
  readonly clock: ManualClock = manualClock()
  readonly observer = recordingObserver()
  tries = 0
  closed = 0
  isDeaf = false
  ring: () => void = () => undefined
  readonly pace = new PollPace({
    source: 'test',
    backoffMsMax: 400,
    clock: this.clock,
    random: seededRandom(1),
    observer: this.observer,
    onWake: (wake) => {
      this.tries += 1
      if (this.isDeaf) return Promise.reject(new Error('nobody rings'))
      this.ring = wake
      return Promise.resolve({ close: () => Promise.resolve(void (this.closed += 1)) })
    },
  })

  /** Whether `wait` has ended by now. */
  async hasEnded(wait: Promise<void>): Promise<boolean> {
    let ended = false
    void wait.then(() => (ended = true))
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve()
    return ended
  }
}

test('a pause ends after its time, or when somebody wakes it', async () => {
  const world = new World()
  await world.pace.listen()
  const timed = world.pace.pause(100)
  await world.clock.advance(99)
  expect(await world.hasEnded(timed)).toBe(false)
  await world.clock.advance(1)
  expect(await world.hasEnded(timed)).toBe(true)
  const woken = world.pace.pause(100)
  world.ring()
  expect(await world.hasEnded(woken)).toBe(true)
  expect(world.pace.wakes).toBe(1)
})

test('a rest after a failure lasts its time, whoever wakes it; the waking is counted', async () => {
  const world = new World()
  await world.pace.listen()
  const rest = world.pace.rest(100)
  world.ring()
  expect(await world.hasEnded(rest)).toBe(false)
  expect(world.pace.wakes).toBe(1)
  await world.clock.advance(100)
  expect(await world.hasEnded(rest)).toBe(true)
})

test('listening that fails is observed and tried again, once a second at most', async () => {
  const world = new World()
  world.isDeaf = true
  await world.pace.listen()
  await world.pace.listen()
  expect(world.tries).toBe(1)
  expect(world.observer.of('backgroundError')).toMatchObject([{ source: 'test', code: 'UNEXPECTED' }])
  world.isDeaf = false
  await world.clock.advance(1_000)
  await world.pace.listen()
  await world.pace.listen()
  expect(world.tries).toBe(2)
})

test('what is stopped pauses no more, and closing ends the listening once', async () => {
  const world = new World()
  await world.pace.listen()
  const rest = world.pace.rest(100)
  world.pace.stop()
  expect(await world.hasEnded(rest)).toBe(true)
  expect(await world.hasEnded(world.pace.pause(100))).toBe(true)
  await Promise.all([world.pace.close(), world.pace.close()])
  expect(world.closed).toBe(1)
})

test('back-off grows with the failures up to its maximum, and is never nothing', () => {
  const { pace } = new World()
  for (const failures of [1, 2, 5, 50]) {
    const backoffMs = pace.backoffMs(failures)
    expect(backoffMs).toBeGreaterThanOrEqual(1)
    expect(backoffMs).toBeLessThanOrEqual(400)
  }
  const longest = (failures: number): number =>
    Math.max(...Array.from({ length: 50 }, () => pace.backoffMs(failures)))
  expect(longest(1)).toBeLessThan(longest(4))
  expect(longest(4)).toBeLessThan(longest(20))
})
