/** When an entry is loaded anew. */

import { seededRandom } from '@kerp/core/testing'
import { expect, test } from 'vitest'
import { freshnessOf } from '../../packages/cache/src/freshness.js'

const early = { loadMs: 100, staleMs: 0, earlyRefresh: true }

/** The share of readers that load anew when `leftMs` are left. */
function shareDue(leftMs: number): number {
  const random = seededRandom(7)
  let due = 0
  for (let reader = 0; reader < 10_000; reader += 1) {
    if (freshnessOf({ ...early, leftMs }, () => random.fraction()) === 'due') due += 1
  }
  return due / 10_000
}

test('the nearer the end, and the dearer the load, the more readers load a value early', () => {
  expect(shareDue(1_000)).toBeLessThan(0.001)
  // e^(-left / load): 37 of 100 one load before the end.
  expect(shareDue(100)).toBeGreaterThan(0.35)
  expect(shareDue(100)).toBeLessThan(0.39)
  expect(shareDue(1)).toBeGreaterThan(0.98)
})

test('a value that is not refreshed early is fresh to its end', () => {
  expect(freshnessOf({ ...early, earlyRefresh: false, leftMs: 1 }, () => 0.999)).toBe('fresh')
})

test('what Redis keeps beyond the time of a value is stale', () => {
  const age = { loadMs: 0, staleMs: 500, earlyRefresh: false }
  expect(freshnessOf({ ...age, leftMs: 501 }, () => 0)).toBe('fresh')
  expect(freshnessOf({ ...age, leftMs: 500 }, () => 0)).toBe('stale')
  expect(freshnessOf({ ...age, leftMs: -2 }, () => 0)).toBe('stale')
  expect(freshnessOf({ ...age, staleMs: 0, leftMs: -2 }, () => 0)).toBe('due')
})
