import {
  type Clock,
  combineObservers,
  InvalidOptionError,
  OBSERVATIONS,
  STEPS,
  STOCK_STEPS,
} from '@kerp/core'
import { manualClock } from '@kerp/core/testing'
import { createMetrics, METRICS, type Metrics } from '@kerp/metrics'
import { Counter, Registry, register as globalRegistry } from 'prom-client'
import { afterEach, describe, expect, it } from 'vitest'
import { EXAMPLES, tell } from './observations.js'

const opened: Metrics[] = []

function open(clock: Clock = manualClock(), registry = new Registry()) {
  const metrics = createMetrics({ registry, clock, companiesTop: 3 })
  opened.push(metrics)
  return { metrics, observer: metrics.observer, registry, scrape: () => linesOf(registry) }
}

/** The scraped lines as a map from series to value. */
async function linesOf(registry: Registry): Promise<Map<string, number>> {
  const text = await registry.metrics()
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  )
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((metrics) => metrics.close()))
})

describe('an instance', () => {
  it('registers nothing globally, and nothing on import', () => {
    open()
    expect(globalRegistry.getMetricsAsArray()).toStrictEqual([])
  })

  it('counts apart from another one beside it', async () => {
    const one = open()
    const other = open()
    one.observer.registerFork({ count: 2 })
    expect((await one.scrape()).get('register_forks_total')).toBe(2)
    expect((await other.scrape()).get('register_forks_total')).toBe(0)
    expect(other.metrics.snapshot().caches).toStrictEqual(open().metrics.snapshot().caches)
  })

  it('refuses a registry that has one of its metrics, and leaves it as it was', async () => {
    const registry = new Registry()
    const mine = new Counter({ name: 'steps_total', help: 'mine', registers: [registry] })
    mine.inc(7)
    expect(() => createMetrics({ registry })).toThrow(InvalidOptionError)
    expect(() => createMetrics({ registry })).toThrow(/one without a metric called steps_total/)
    expect([...(await linesOf(registry))]).toStrictEqual([['steps_total', 7]])
  })

  it('leaves its registry and stops its timer when it is closed, once or twice', async () => {
    const clock = manualClock()
    const { metrics, registry } = open(clock)
    expect(clock.timersPending).toBe(1)
    await Promise.all([metrics.close(), metrics.close()])
    expect(registry.getMetricsAsArray()).toStrictEqual([])
    expect(clock.timersPending).toBe(0)
    open(clock, registry)
  })

  it.each([[[]], [[0, 1]], [[-1, 1]], [[1, 1]], [[2, 1]], [[Number.NaN]], [[1, Number.POSITIVE_INFINITY]]])(
    'refuses the buckets %o',
    (latencyBuckets) => {
      expect(() => createMetrics({ registry: new Registry(), latencyBuckets })).toThrow(/latencyBuckets/)
    },
  )

  it('takes buckets of the user’s choice', async () => {
    const registry = new Registry()
    const metrics = createMetrics({ registry, clock: manualClock(), latencyBuckets: [0.5, 1] })
    metrics.observer.cacheRead({ type: 'balance', elapsedMs: 700 })
    const lines = [...(await linesOf(registry))].filter(
      ([series]) => series.includes('cache_read') && series.includes('balance'),
    )
    expect(lines).toStrictEqual([
      ['cache_read_latency_seconds_bucket{le="0.5",type="balance"}', 0],
      ['cache_read_latency_seconds_bucket{le="1",type="balance"}', 1],
      ['cache_read_latency_seconds_bucket{le="+Inf",type="balance"}', 1],
      ['cache_read_latency_seconds_sum{type="balance"}', 0.7],
      ['cache_read_latency_seconds_count{type="balance"}', 1],
    ])
    await metrics.close()
  })
})

describe('a scrape', () => {
  it('shows every series of a closed label set at 0 from the start', async () => {
    const lines = await open().scrape()
    const expected = Object.values(METRICS).flatMap(({ name, type, labels }) => {
      const series = labels.reduce<string[][]>(
        (found, label) =>
          found.flatMap((words) => label.words.map((word) => [...words, `${label.name}="${word}"`])),
        [[]],
      )
      const suffix = type === 'histogram' ? '_count' : ''
      return series.map((words) => `${name}${suffix}${words.length > 0 ? `{${words.join(',')}}` : ''}`)
    })
    expect(expected.length).toBeGreaterThan(150)
    for (const series of expected.filter((name) => !name.startsWith('nodejs_eventloop_utilization'))) {
      expect([series, lines.get(series)]).toStrictEqual([series, 0])
    }
    expect([...lines.keys()].some((series) => series.startsWith('redis_operations_total'))).toBe(false)
  })

  it.each(OBSERVATIONS.map((name) => [name]))('shows what was heard of %s', async (name) => {
    const { observer, scrape } = open()
    const before = await scrape()
    tell(observer, name)
    const after = await scrape()
    const changed = [...after].filter(
      ([series, value]) => before.get(series) !== value && !series.startsWith('nodejs'),
    )
    expect(changed.length).toBeGreaterThan(0)
  })

  it('shows the figures of each observation under their names', async () => {
    const { observer, scrape } = open()
    for (const name of OBSERVATIONS) tell(observer, name)
    expect(Object.keys(EXAMPLES).sort()).toStrictEqual([...OBSERVATIONS].sort())
    expect(Object.fromEntries(await scrape())).toMatchObject({
      'redis_operations_total{operation="readRegisters",status="ok"}': 1,
      'redis_operation_latency_seconds_sum{operation="readRegisters"}': 0.001,
      'redis_script_fallbacks_total{script="readRegisters"}': 1,
      'cache_requests_total{type="balance",result="hit"}': 3,
      'cache_requests_total{type="balance",result="miss"}': 0,
      'cache_read_latency_seconds_count{type="balance"}': 1,
      'cache_loads_total{type="balance",status="ok"}': 1,
      'cache_load_latency_seconds_count{type="balance"}': 1,
      'register_applies_total{result="applied"}': 2,
      'register_generation_changes_total{reason="fork"}': 1,
      register_forks_total: 1,
      'voucher_postings_total{result="posted"}': 1,
      'voucher_posting_latency_seconds_bucket{le="0.001",status="ok"}': 1,
      'voucher_posting_latency_seconds_bucket{le="0.0005",status="ok"}': 0,
      'voucher_posting_batches_total{result="committed"}': 1,
      'voucher_posting_batch_size_bucket{le="20"}': 0,
      'voucher_posting_batch_size_bucket{le="50"}': 1,
      voucher_posting_batch_latency_seconds_count: 1,
      voucher_posting_queue_size: 4,
      'stock_movements_total{kind="adjust",result="done"}': 1,
      stock_movement_latency_seconds_count: 1,
      'stock_batches_total{result="committed"}': 1,
      'stock_batch_size_bucket{le="50"}': 1,
      stock_batch_latency_seconds_count: 1,
      stock_queue_size: 4,
      'outbox_relay_ticks_total{status="ok"}': 1,
      'outbox_relay_ticks_total{status="error"}': 0,
      outbox_relay_tick_latency_seconds_count: 1,
      outbox_relay_rows_total: 5,
      outbox_relay_companies: 2,
      outbox_relay_lag_seconds: 0.25,
      'event_relay_ticks_total{status="ok"}': 1,
      'event_relay_ticks_total{status="error"}': 0,
      event_relay_tick_latency_seconds_count: 1,
      event_relay_events_total: 7,
      event_relay_resets_total: 1,
      event_relay_lag_seconds: 0.25,
      events_trimmed_total: 9,
      event_trim_waiting_companies: 1,
      events_trimmed_unread_total: 2,
      'lock_acquisitions_total{result="acquired",via="asked"}': 1,
      'lock_acquire_latency_seconds_count{result="acquired"}': 1,
      'lock_releases_total{result="released"}': 1,
      lock_held_seconds_count: 2,
      'lock_losses_total{reason="expired"}': 1,
      lock_fenced_writes_total: 1,
      'background_errors_total{source="relay",code="REDIS_NOT_DONE"}': 1,
      'steps_total{step="posting.committed"}': 1,
    })
  })

  it('shows the other ends of a call at 0 from its first one', async () => {
    const { observer, scrape } = open()
    observer.redisOperation({ operation: 'MGET', status: 'ok', elapsedMs: 1 })
    const lines = [...(await scrape())].filter(([series]) => series.startsWith('redis_operations_total'))
    expect(lines).toStrictEqual([
      ['redis_operations_total{operation="MGET",status="ok"}', 1],
      ['redis_operations_total{operation="MGET",status="error"}', 0],
      ['redis_operations_total{operation="MGET",status="timeout"}', 0],
    ])
  })

  it('shows all times in seconds', async () => {
    const { observer, scrape } = open()
    for (const name of OBSERVATIONS) tell(observer, name)
    const sums = [...(await scrape())].filter(([series, value]) => /_seconds_sum/.test(series) && value > 0)
    const held = sums.filter(([series]) => series === 'lock_held_seconds_sum')
    expect(held).toStrictEqual([['lock_held_seconds_sum', 0.04]])
    for (const [series, value] of sums.filter(([series]) => series !== 'lock_held_seconds_sum')) {
      expect([series, value]).toStrictEqual([series, 0.001])
    }
    expect(sums.length).toBeGreaterThanOrEqual(11)
  })

  it('shows a lag that grows while the relay tells nothing', async () => {
    const clock = manualClock()
    const { observer, metrics, scrape } = open(clock)
    await clock.advance(5_000)
    expect((await scrape()).get('outbox_relay_lag_seconds')).toBe(0)
    observer.relayLag({ lagMs: 100 })
    await clock.advance(3_000)
    expect((await scrape()).get('outbox_relay_lag_seconds')).toBeCloseTo(3.1)
    expect(metrics.snapshot().relay.lagMs).toBeCloseTo(3_100)
    observer.relayLag({ lagMs: 50 })
    expect((await scrape()).get('outbox_relay_lag_seconds')).toBeCloseTo(0.05)
  })

  it('shows counters that only grow, whatever is reported', async () => {
    const { observer, scrape } = open()
    observer.registerFork({ count: 2 })
    observer.registerFork({ count: -5 })
    observer.registerFork({ count: Number.NaN })
    observer.cacheRead({ type: 'balance', elapsedMs: Number.NaN })
    observer.cacheRead({ type: 'balance', elapsedMs: -3 })
    const lines = await scrape()
    expect(lines.get('register_forks_total')).toBe(2)
    expect(lines.get('cache_read_latency_seconds_count{type="balance"}')).toBe(2)
    expect(lines.get('cache_read_latency_seconds_sum{type="balance"}')).toBe(0)
  })

  it('holds at most 256 series of a metric, and no name that could be a key', async () => {
    const { observer, scrape } = open()
    for (let index = 0; index < 1_000; index += 1) {
      observer.redisOperation({ operation: `script${index}`, status: 'ok', elapsedMs: 1 })
    }
    observer.redisOperation({ operation: 'balance:{c1}:1101:2026', status: 'error', elapsedMs: 1 })
    observer.backgroundError({ source: 'x'.repeat(65), code: '1101', message: '' })
    observer.backgroundError({ source: '', code: '한', message: '' })
    const lines = await scrape()
    const operations = [...lines].filter(([series]) => series.startsWith('redis_operations_total'))
    expect(operations.length).toBeLessThanOrEqual(256 + 6)
    expect(operations.reduce((sum, [, value]) => sum + value, 0)).toBe(1_001)
    expect(lines.get('redis_operations_total{operation="other",status="ok"}')).toBe(1_000 - 86)
    expect(lines.get('redis_operations_total{operation="other",status="error"}')).toBe(1)
    expect(lines.get('background_errors_total{source="other",code="other"}')).toBe(2)
    expect([...lines.keys()].join('\n')).not.toMatch(/c1|1101/)
  })

  it('tells words apart that are of the same length', async () => {
    const { observer, scrape } = open()
    const operations = Array.from({ length: 40 }, (_, index) => `script${index + 10}`)
    for (const [index, operation] of operations.entries()) {
      for (let call = 0; call <= index; call += 1) {
        observer.redisOperation({ operation, status: 'ok', elapsedMs: 1 })
        observer.redisOperation({ operation: operation.split('').join(''), status: 'error', elapsedMs: 1 })
      }
    }
    const lines = await scrape()
    for (const [index, operation] of operations.entries()) {
      expect(lines.get(`redis_operations_total{operation="${operation}",status="ok"}`)).toBe(index + 1)
      expect(lines.get(`redis_operations_total{operation="${operation}",status="error"}`)).toBe(index + 1)
      expect(lines.get(`redis_operations_total{operation="${operation}",status="timeout"}`)).toBe(0)
    }
  })

  it('speaks OpenMetrics when its registry does', async () => {
    const registry = new Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>()
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
    const metrics = createMetrics({ registry, clock: manualClock() })
    metrics.observer.registerFork({ count: 1 })
    await registry.metrics()
    const text = await registry.metrics()
    expect(text).toContain('# TYPE register_forks counter\nregister_forks_total 1\n')
    expect(text.endsWith('# EOF\n')).toBe(true)
    await metrics.close()
    expect(registry.getMetricsAsArray()).toStrictEqual([])
  })

  it('carries the default labels of its registry, and starts anew when that is reset', async () => {
    const { observer, registry, scrape, metrics } = open()
    registry.setDefaultLabels({ app: 'erp' })
    observer.registerFork({ count: 1 })
    observer.cacheRead({ type: 'balance', elapsedMs: 1 })
    observer.relayLag({ lagMs: 5 })
    observer.postingQueue({ waiting: 3 })
    expect((await scrape()).get('register_forks_total{app="erp"}')).toBe(1)
    const json = await registry.getMetricsAsJSON()
    expect(json.find(({ name }) => name === 'register_forks_total')?.values).toStrictEqual([
      { labels: { app: 'erp' }, value: 1 },
    ])
    registry.resetMetrics()
    const lines = await scrape()
    expect(lines.get('register_forks_total{app="erp"}')).toBe(0)
    expect(lines.get('cache_read_latency_seconds_count{type="balance",app="erp"}')).toBe(0)
    expect(lines.get('outbox_relay_lag_seconds{app="erp"}')).toBe(0)
    expect(lines.get('voucher_posting_queue_size{app="erp"}')).toBe(0)
    expect(metrics.snapshot().caches['balance']?.reads.count).toBe(0)
  })

  it('counts through combined observers too', async () => {
    const { metrics, scrape } = open()
    const observer = combineObservers(undefined, metrics.observer)
    for (const name of [...STEPS, ...STOCK_STEPS]) observer.step?.({ name })
    const steps = [...(await scrape())].filter(([series]) => series.startsWith('steps_total'))
    expect(steps).toHaveLength(STEPS.length + STOCK_STEPS.length)
    expect(steps.every(([, value]) => value === 1)).toBe(true)
  })
})
