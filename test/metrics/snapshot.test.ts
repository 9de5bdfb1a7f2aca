import { manualClock } from '@kerp/core/testing'
import { createMetrics, LATENCY_BUCKETS_S } from '@kerp/metrics'
import fc from 'fast-check'
import { Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'

function open() {
  return createMetrics({ registry: new Registry(), clock: manualClock() })
}

describe('a snapshot', () => {
  it('tells the hit ratio of each type, and none before the first request', () => {
    const { observer, snapshot } = open()
    expect(snapshot().caches['balance']).toMatchObject({ requests: 0, hits: 0, hitRatio: undefined })
    observer.cacheRequest({ type: 'balance', result: 'hit', count: 97 })
    observer.cacheRequest({ type: 'balance', result: 'miss', count: 1 })
    observer.cacheRequest({ type: 'balance', result: 'wait', count: 1 })
    observer.cacheRequest({ type: 'balance', result: 'bypass', count: 1 })
    observer.cacheRequest({ type: 'report', result: 'miss', count: 1 })
    expect(snapshot().caches['balance']).toMatchObject({ requests: 100, hits: 97, hitRatio: 0.97 })
    expect(snapshot().caches['report']).toMatchObject({ requests: 1, hits: 0, hitRatio: 0 })
  })

  it('tells exact counts and means, and no percentile of nothing', () => {
    const { observer, snapshot } = open()
    expect(snapshot().postings.latency).toStrictEqual({
      count: 0,
      meanMs: undefined,
      p50Ms: undefined,
      p95Ms: undefined,
      p99Ms: undefined,
    })
    observer.posting({ result: 'posted', elapsedMs: 2 })
    observer.posting({ result: 'replayed', elapsedMs: 4 })
    observer.posting({ result: 'rejected', elapsedMs: 0.01 })
    const { results, latency } = snapshot().postings
    expect(results).toStrictEqual({ posted: 1, replayed: 1, conflict: 0, rejected: 1, unknown: 0, failed: 0 })
    expect(latency).toMatchObject({ count: 2 })
    expect(latency.meanMs).toBeCloseTo(3)
  })

  it('estimates percentiles within the bucket of the true one', () => {
    const elapsed = fc.double({ min: 0.001, max: 2_499, noNaN: true })
    fc.assert(
      fc.property(fc.array(elapsed, { minLength: 1, maxLength: 200 }), (times) => {
        const { observer, snapshot } = open()
        for (const elapsedMs of times) observer.cacheRead({ type: 'balance', elapsedMs })
        const reads = snapshot().caches['balance']?.reads
        const sorted = [...times].sort((a, b) => a - b)
        for (const [fraction, estimate] of [
          [0.5, reads?.p50Ms],
          [0.95, reads?.p95Ms],
          [0.99, reads?.p99Ms],
        ] as const) {
          const truth = sorted[Math.max(0, Math.ceil(fraction * sorted.length - 1e-9) - 1)] ?? 0
          const to = LATENCY_BUCKETS_S.findIndex((bound) => truth / 1_000 <= bound)
          expect(estimate).toBeGreaterThanOrEqual((LATENCY_BUCKETS_S[to - 1] ?? 0) * 1_000 - 1e-9)
          expect(estimate).toBeLessThanOrEqual((LATENCY_BUCKETS_S[to] ?? 0) * 1_000 + 1e-9)
        }
      }),
    )
  })

  it('takes values to lie evenly within their bucket', () => {
    const { observer, snapshot } = open()
    for (let index = 0; index < 100; index += 1) observer.cacheRead({ type: 'balance', elapsedMs: 7 })
    const reads = snapshot().caches['balance']?.reads
    expect(reads?.count).toBe(100)
    expect(reads?.p50Ms).toBeCloseTo(7.5)
    expect(reads?.p99Ms).toBeCloseTo(9.95)
  })

  it('answers with the highest bound for what lies above all of them', () => {
    const { observer, snapshot } = open()
    observer.cacheRead({ type: 'balance', elapsedMs: 60_000 })
    expect(snapshot().caches['balance']?.reads).toMatchObject({ p50Ms: 2_500, p99Ms: 2_500, meanMs: 60_000 })
  })

  it('tells the time of every script and command, and how far the relay is', () => {
    const { observer, snapshot } = open()
    observer.redisOperation({ operation: 'MGET', status: 'ok', elapsedMs: 0.3 })
    observer.redisOperation({ operation: 'MGET', status: 'timeout', elapsedMs: 25 })
    observer.relayTick({ ok: true, rows: 12, companies: 3, elapsedMs: 4 })
    expect(snapshot().redisOperations['MGET']?.count).toBe(2)
    expect(snapshot().redisOperations['MGET']?.meanMs).toBeCloseTo(12.65)
    expect(snapshot().relay).toStrictEqual({ rows: 12, lagMs: 0 })
  })

  it('can be sent as JSON', () => {
    const { snapshot } = open()
    expect(JSON.parse(JSON.stringify(snapshot()))).toMatchObject({ caches: { balance: { requests: 0 } } })
  })
})
