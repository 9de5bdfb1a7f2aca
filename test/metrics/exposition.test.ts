import { MessageChannel } from 'node:worker_threads'
import { DeadlineExceededError, OBSERVATIONS } from '@kerp/core'
import { manualClock } from '@kerp/core/testing'
import { createMetrics, type Metrics, type MetricsOptions, type ThreadCounts } from '@kerp/metrics'
import { Counter, Gauge, Registry } from 'prom-client'
import { afterEach, describe, expect, it } from 'vitest'
import { tell } from './observations.js'

const opened: Metrics[] = []

function open(options: Partial<MetricsOptions> = {}) {
  const registry = new Registry()
  const metrics = createMetrics({ registry, clock: manualClock(), ...options })
  opened.push(metrics)
  return { metrics, observer: metrics.observer, registry }
}

/** Comparable lines; the busy share differs with each reading. */
function linesOf(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '' && !/^nodejs_eventloop_utilization/.test(line))
}

async function textOf({ exposition }: Metrics): Promise<string> {
  let text = ''
  for await (const piece of exposition()) text += piece
  return text
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((metrics) => metrics.close()))
})

describe('the exposition in pieces', () => {
  it('is what the registry itself answers', async () => {
    const { metrics, observer, registry } = open({ companiesTop: 5 })
    for (const name of OBSERVATIONS) tell(observer, name)
    observer.cacheTrust({ trusted: false, ageMs: Number.POSITIVE_INFINITY })
    const mine = new Counter({ name: 'mine_total', help: 'mine', registers: [registry] })
    mine.inc(7)
    const expected = linesOf(await registry.metrics())
    const found = linesOf(await textOf(metrics))
    expect([...found].sort()).toStrictEqual([...expected].sort())
    expect(found).toContain('mine_total 7')
    expect(found).toContain('cache_trust_age_seconds +Inf')
  })

  it('carries the default labels of its registry', async () => {
    const { metrics, registry } = open()
    registry.setDefaultLabels({ app: 'a"b\\c' })
    const text = await textOf(metrics)
    expect(text).toContain('\nregister_forks_total{app="a\\"b\\\\c"} 0\n')
    expect(text).toContain('cache_requests_total{type="balance",result="hit",app="a\\"b\\\\c"} 0')
    expect(text).toContain('voucher_posting_batch_size_bucket{le="1",app="a\\"b\\\\c"} 0')
  })

  it('speaks OpenMetrics when its registry does', async () => {
    const registry = new Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>()
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
    const { metrics } = open({ registry })
    const expected = linesOf(await registry.metrics())
    const text = await textOf(metrics)
    expect([...linesOf(text)].sort()).toStrictEqual([...expected].sort())
    expect(text).toContain('# TYPE steps counter\n')
    expect(text.endsWith('# EOF\n')).toBe(true)
  })

  it('carries the host’s own counters in OpenMetrics as the registry does, whichever of the two was read before', async () => {
    const registry = new Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>()
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
    const { metrics } = open({ registry })
    const registers = [registry]
    new Counter({ name: 'orders_total', help: 'orders', registers }).inc(3)
    new Gauge({ name: 'orders', help: 'open orders', registers }).set(2)
    new Counter({ name: 'parcels', help: 'parcels', registers }).inc(5)
    for (let scrape = 0; scrape < 2; scrape += 1) {
      const text = await textOf(metrics)
      expect(text).toContain('# TYPE orders counter\norders_total 3\n')
      expect(text).toContain('# TYPE orders gauge\norders 2\n')
      expect(text).toContain('# TYPE parcels counter\nparcels_total 5\n')
      const own = (line: string): boolean => /\b(?:orders|parcels)/.test(line)
      const expected = linesOf(await registry.metrics()).filter(own)
      expect(linesOf(text).filter(own)).toStrictEqual(expected)
    }
  })

  it('lets the event loop do other work between its pieces, however many series there are', async () => {
    const { metrics, observer } = open()
    for (let index = 0; index < 300; index += 1) {
      const name = `name${index}`
      observer.redisOperation({ operation: name, status: 'ok', elapsedMs: 1 })
      observer.cacheRead({ type: name, elapsedMs: 1 })
      observer.cacheLoad({ type: name, ok: true, elapsedMs: 1 })
      observer.poolJob({ pool: name, outcome: 'done', waitMs: 1, runMs: 1 })
    }
    let turns = 0
    let isDone = false
    const turn = (): void => {
      turns += 1
      if (!isDone) setImmediate(turn)
    }
    setImmediate(turn)
    let pieces = 0
    let longest = 0
    for await (const piece of metrics.exposition()) {
      pieces += 1
      longest = Math.max(longest, piece.length)
    }
    isDone = true
    expect(pieces).toBeGreaterThan(20)
    expect(longest).toBeLessThan(100_000)
    expect(turns).toBeGreaterThanOrEqual(pieces - 1)
  })

  it('counts its own time, and what could not be told apart', async () => {
    const { metrics, observer } = open()
    observer.cacheRead({ type: 'balance:{c1}:1101:2026', elapsedMs: 1 })
    await textOf(metrics)
    const text = await textOf(metrics)
    expect(text).toContain('\nmetrics_scrape_seconds_count 1\n')
    expect(text).toContain('\nmetrics_series_dropped_total 1\n')
  })

  it('has at most 1,000 series at the start', async () => {
    const { metrics } = open()
    const lines = linesOf(await textOf(metrics)).filter((line) => !line.startsWith('#'))
    // Each bucket is a series to Prometheus.
    const series = new Set(lines.map((line) => line.slice(0, line.lastIndexOf(' '))))
    expect(series.size).toBe(lines.filter((line) => line !== '').length)
    expect(series.size).toBeLessThan(1_000)
  })
})

describe('the label of a company', () => {
  it('is nowhere unless it is asked for', async () => {
    const { metrics, observer } = open()
    observer.companyWork({ companyId: 'c1', work: 'posting', count: 1 })
    const text = await textOf(metrics)
    expect(text).toContain('# TYPE company_work_total counter\n')
    expect(text).not.toMatch(/company=|c1|__other__/)
  })

  it('stays within its bound under 10,000 companies, and no work is lost', async () => {
    const { metrics, observer } = open({ companiesTop: 20 })
    let done = 0
    for (let scrape = 0; scrape < 3; scrape += 1) {
      for (let index = 0; index < 10_000; index += 1) {
        observer.companyWork({ companyId: `c${index}`, work: 'read', count: 2 })
        done += 2
      }
      for (let index = 9_000; index < 9_005; index += 1) {
        observer.companyWork({ companyId: `c${index}`, work: 'posting', count: 500 })
        observer.companyWork({ companyId: `c${index - 8_990}`, work: 'posting', count: 500 })
        done += 1_000
      }
      const lines = linesOf(await textOf(metrics)).filter((line) => line.startsWith('company_work_total'))
      expect(lines).toHaveLength(21 * 4)
      expect(lines.reduce((sum, line) => sum + Number(line.split(' ')[1]), 0)).toBe(done)
    }
  })

  it('goes to those who do most: a busy newcomer gets the place of one that became idle', async () => {
    const { metrics, observer } = open({ companiesTop: 2 })
    const work = (companyId: string, count: number): void =>
      observer.companyWork({ companyId, work: 'movement', count })
    work('busy', 100)
    work('idle', 3)
    await textOf(metrics)
    work('busy', 100)
    work('newcomer', 80)
    await textOf(metrics)
    work('newcomer', 5)
    const text = await textOf(metrics)
    expect(text).toContain('company_work_total{company="busy",work="movement"} 200')
    expect(text).toContain('company_work_total{company="newcomer",work="movement"} 5')
    expect(text).toContain('company_work_total{company="__other__",work="movement"} 83')
    expect(text).not.toContain('company="idle"')
  })

  it('is refused to a text that is no company', async () => {
    const { metrics, observer } = open({ companiesTop: 2 })
    observer.companyWork({ companyId: 'a"} 1\nb', work: 'event', count: 4 })
    expect(await textOf(metrics)).toContain('company_work_total{company="__other__",work="event"} 4')
    expect(() => open({ companiesTop: 501 })).toThrow(/companiesTop/)
  })
})

describe('a call of the host’s own', () => {
  it('is counted by its name and how it ended, and answers and throws what it does', async () => {
    const { metrics } = open()
    const { withMetrics } = metrics
    expect(await withMetrics('payrollClose', () => Promise.resolve(7))).toBe(7)
    const late = new DeadlineExceededError('payrollClose', 5, 'notDone')
    await expect(withMetrics('payrollClose', () => Promise.reject(late))).rejects.toBe(late)
    await expect(withMetrics('payrollClose', throwing)).rejects.toThrow('no')
    const text = await textOf(metrics)
    for (const status of ['ok', 'error', 'timeout']) {
      expect(text).toContain(`redis_operations_total{operation="payrollClose",status="${status}"} 1`)
    }
    expect(text).toContain('redis_operation_latency_seconds_count{operation="payrollClose"} 3')
  })
})

function throwing(): Promise<never> {
  throw new RangeError('no')
}

describe('a worker thread', () => {
  it('has its counts added in the thread that is scraped, each once, through a port', async () => {
    const worker = open()
    const main = open()
    const { port1, port2 } = new MessageChannel()
    for (const name of OBSERVATIONS) tell(worker.observer, name)
    main.observer.cacheRequest({ type: 'balance', result: 'hit', count: 1 })
    for (let message = 0; message < 2; message += 1) {
      const carried = new Promise<ThreadCounts>((resolve) => port2.once('message', resolve))
      port1.postMessage(worker.metrics.drain())
      main.metrics.add(await carried)
    }
    port1.close()
    const text = await textOf(main.metrics)
    expect(text).toContain('cache_requests_total{type="balance",result="hit"} 4\n')
    expect(text).toContain('cache_read_latency_seconds_sum{type="balance"} 0.001\n')
    expect(text).toContain('event_dead_letter_total{group="invalidator",reason="attempts"} 1\n')
    expect(await textOf(worker.metrics)).toContain('cache_requests_total{type="balance",result="hit"} 0\n')
  })
})
