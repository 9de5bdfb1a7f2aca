import type { Clock } from '@kerp/core'
import { manualClock } from '@kerp/core/testing'
import { createMetrics } from '@kerp/metrics'
import { Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'

/** A clock whose loop can be blocked: time goes on, and timers fire late. */
function blockableClock() {
  const clock = manualClock()
  let blockedMs = 0
  const blockable: Clock = { ...clock, monotonicMs: () => clock.monotonicMs() + blockedMs }
  return {
    clock: blockable,
    advance: (ms: number) => clock.advance(ms),
    block: (ms: number) => void (blockedMs += ms),
  }
}

describe('the delay of the event loop', () => {
  it('is sampled every twenty milliseconds', async () => {
    const clock = manualClock()
    const metrics = createMetrics({ registry: new Registry(), clock })
    await clock.advance(1_000)
    expect(metrics.snapshot().eventLoop.delay).toMatchObject({ count: 50, meanMs: 0 })
    await metrics.close()
    await clock.advance(1_000)
    expect(metrics.snapshot().eventLoop.delay.count).toBe(50)
  })

  it('counts a long block for every sample that it kept from being taken', async () => {
    const { clock, advance, block } = blockableClock()
    const metrics = createMetrics({ registry: new Registry(), clock })
    block(1_000)
    await advance(20)
    const { delay } = metrics.snapshot().eventLoop
    expect(delay.count).toBe(51)
    expect(delay.meanMs).toBeCloseTo(500)
    expect(delay.p99Ms).toBeGreaterThan(900)
    await metrics.close()
  })

  it('takes a machine that slept for an hour for a bounded number of samples', async () => {
    const { clock, advance, block } = blockableClock()
    const metrics = createMetrics({ registry: new Registry(), clock })
    block(3_600_000)
    await advance(20)
    expect(metrics.snapshot().eventLoop.delay.count).toBe(1_001)
    await metrics.close()
  })

  it('may be sampled at another pace, within bounds', async () => {
    const clock = manualClock()
    const metrics = createMetrics({ registry: new Registry(), clock, eventLoopSampleMs: 100 })
    await clock.advance(1_000)
    expect(metrics.snapshot().eventLoop.delay.count).toBe(10)
    await metrics.close()
    expect(() => createMetrics({ registry: new Registry(), eventLoopSampleMs: 4 })).toThrow(/from 5 to 1000/)
  })
})

describe('the utilization of the event loop', () => {
  it('is a share from 0 to 1 for each scrape and each snapshot, which do not disturb each other', async () => {
    const registry = new Registry()
    const metrics = createMetrics({ registry, clock: manualClock() })
    const text = await registry.getSingleMetricAsString('nodejs_eventloop_utilization_ratio')
    const scraped = Number(text.split(' ').at(-1))
    const { utilization } = metrics.snapshot().eventLoop
    for (const share of [scraped, utilization]) {
      expect(share).toBeGreaterThanOrEqual(0)
      expect(share).toBeLessThanOrEqual(1)
    }
    await metrics.close()
  })
})
