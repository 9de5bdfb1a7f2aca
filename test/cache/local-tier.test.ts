/** The in-process tier: bounded in time, number and size. */

import { manualClock } from '@kerp/core/testing'
import { expect, test } from 'vitest'
import { InvalidationMarks } from '../../packages/cache/src/invalidation-marks.js'
import { LocalTier, type LocalTierOptions } from '../../packages/cache/src/local-tier.js'

function openTier(options: Partial<LocalTierOptions> = {}) {
  let ticks = 0
  const clock = manualClock()
  const marks = new InvalidationMarks(() => (ticks += 1))
  const tier = new LocalTier(clock, marks, { ttlMs: 1_000, ...options })
  const read = (scope = 'c1') => ({ scope, mark: marks.now(), begunMs: clock.monotonicMs() })
  return { clock, marks, tier, read }
}

test('a value is kept for its time, counted from the begin of the read that found it', async () => {
  const { clock, tier, read } = openTier()
  const begun = read()
  await clock.advance(600)
  tier.set('a', 'x', begun)
  await clock.advance(399)
  expect(tier.get('a')).toMatchObject({ payload: 'x' })
  await clock.advance(1)
  expect(tier.get('a')).toBeUndefined()
})

test('what a read found that began before an invalidation of its company is neither kept nor shown', () => {
  const { marks, tier, read } = openTier()
  const begun = read()
  const other = read('c2')
  marks.invalidate('c1')
  tier.set('a', 'x', begun)
  tier.set('b', 'y', other)
  expect([tier.get('a'), tier.get('b')]).toMatchObject([undefined, { payload: 'y' }])
  marks.invalidate('c2')
  expect(tier.get('b')).toBeUndefined()
})

test('an invalidation beyond what can be told apart counts for all', () => {
  const { marks, tier, read } = openTier()
  tier.set('a', 'x', read())
  for (let scope = 0; scope <= 10_000; scope += 1) marks.invalidate(`other-${scope}`)
  expect(tier.get('a')).toBeUndefined()
})

test('the value that was used longest ago goes when there are too many, or they are too large', () => {
  const { tier, read } = openTier({ entriesMax: 2, charactersMax: 10 })
  tier.set('a', 'xx', read())
  tier.set('b', 'yy', read())
  tier.get('a')
  tier.set('c', undefined, read())
  expect([tier.get('a'), tier.get('b'), tier.get('c')]).toMatchObject([{ payload: 'xx' }, undefined, {}])
  tier.set('d', '123456789', read())
  expect(tier.get('a')).toBeUndefined()
  expect(tier.get('d')).toMatchObject({ payload: '123456789' })
  tier.set('e', '12345678901', read())
  expect(tier.get('e')).toBeUndefined()
})
