import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { manualClock } from '@kerp/core/testing'
import { createMetrics, grafanaDashboard, METRICS } from '@kerp/metrics'
import { Registry } from 'prom-client'
import { OBSERVATIONS } from '@kerp/core'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { tell } from '../metrics/observations.js'
import { ALERT_CASES, type History } from './alert-cases.js'
import { promtool } from './promtool.js'

const FOLDER = join(import.meta.dirname, '../../ops')
const textOf = (file: string): string => readFileSync(join(FOLDER, file), 'utf8')

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

const { groups } = parse(textOf('alerts.yml')) as { groups: { rules: Rule[] }[] }
const rules = groups.flatMap((group) => group.rules)

/** Names of metrics in PromQL: words that are followed by no bracket, and stand in no label or string. */
function metricsIn(expr: string): readonly string[] {
  const bare = expr
    .replace(/"[^"]*"/g, '')
    .replace(/\{[^}]*\}/g, '')
    .replace(/\b(?:by|without|on)\s*\([^)]*\)/g, '')
  return [...bare.matchAll(/\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b(?!\s*\()/g)].map(([name]) =>
    name.replace(/_(?:bucket|count|sum)$/, ''),
  )
}

const names = new Set<string>(Object.values(METRICS).map(({ name }) => name))

describe('the dashboard', () => {
  it('is the one that the catalogue makes', () => {
    // Written anew by `npx tsx --conditions=@kerp/source ops/write-dashboard.ts`.
    expect(JSON.parse(textOf('grafana/kerp-dashboard.json'))).toStrictEqual(
      JSON.parse(JSON.stringify(grafanaDashboard())),
    )
  })

  it('shows every metric, and none that does not exist', () => {
    const shown = grafanaDashboard().panels.flatMap(({ targets }) => targets ?? [])
    const found = new Set(shown.flatMap(({ expr }) => metricsIn(expr)))
    expect([...found].sort()).toStrictEqual([...names].sort())
  })

  it('has queries that Prometheus understands, and no two panels in one place', () => {
    const { panels } = grafanaDashboard()
    const queries = panels.flatMap(({ targets }) => targets ?? []).map(({ expr }) => expr)
    const rules = queries.map((expr, index) => ({
      record: `panel${index}`,
      expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$job', '.*').replaceAll('$instance', '.*'),
    }))
    const checked = inFolder({ 'queries.yml': { groups: [{ name: 'panels', rules }] } }, (folder) =>
      promtool(['check', 'rules', join(folder, 'queries.yml')]),
    )
    expect([checked.code, checked.output]).toStrictEqual([0, expect.stringContaining('SUCCESS')])
    const places = panels.map(({ gridPos }) => JSON.stringify(gridPos))
    expect(new Set(places).size).toBe(places.length)
  })
})

describe('the alert rules', () => {
  it('pass promtool’s check', () => {
    const { code, output } = promtool(['check', 'rules', '--lint-fatal', join(FOLDER, 'alerts.yml')])
    expect([code, output]).toStrictEqual([0, expect.stringContaining(`${rules.length} rules found`)])
  })

  it('name only metrics that exist, and each say what to do', () => {
    for (const { alert, expr, labels, annotations } of rules) {
      expect([alert, metricsIn(expr).filter((name) => !names.has(name))]).toStrictEqual([alert, []])
      expect([alert, ['page', 'ticket'].includes(labels['severity'] ?? '')]).toStrictEqual([alert, true])
      expect(Object.keys(annotations)).toStrictEqual(['summary', 'action'])
    }
  })

  it('each fire in a history that calls for it, and stay silent in one that does not', () => {
    expect(Object.keys(ALERT_CASES).sort()).toStrictEqual(rules.map(({ alert }) => alert).sort())
    const tests = rules.flatMap(({ alert, labels, annotations }) => {
      const { fires, silent, labels: found } = ALERT_CASES[alert] ?? { fires: {}, silent: {}, labels: {} }
      const expected = { exp_labels: { ...labels, ...found }, exp_annotations: annotations }
      return [ruleTest(alert, 'fires', fires, [expected]), ruleTest(alert, 'silent', silent, [])]
    })
    const file = { rule_files: [join(FOLDER, 'alerts.yml')], evaluation_interval: '1m', tests }
    const run = inFolder({ 'tests.yml': file }, (folder) =>
      promtool(['test', 'rules', join(folder, 'tests.yml')]),
    )
    expect([run.code, run.output]).toStrictEqual([0, expect.stringContaining('SUCCESS')])
  })
})

function ruleTest(alertname: string, name: string, history: History, exp_alerts: readonly object[]): object {
  return {
    interval: '1m',
    name: `${alertname} ${name}`,
    input_series: Object.entries(history).map(([series, values]) => ({ series, values })),
    alert_rule_test: [{ eval_time: '30m', alertname, exp_alerts }],
  }
}

/** JSON is YAML. */
function inFolder<R>(files: Readonly<Record<string, object>>, act: (folder: string) => R): R {
  const folder = mkdtempSync(join(tmpdir(), 'kerp-promtool-'))
  try {
    for (const [name, content] of Object.entries(files)) {
      writeFileSync(join(folder, name), JSON.stringify(content))
    }
    return act(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

describe('/metrics', () => {
  it('passes promtool’s check of metrics', async () => {
    const metrics = createMetrics({ registry: new Registry(), clock: manualClock(), companiesTop: 5 })
    for (const name of OBSERVATIONS) tell(metrics.observer, name)
    let text = ''
    for await (const piece of metrics.exposition()) text += piece
    expect(promtool(['check', 'metrics'], text)).toStrictEqual({ code: 0, output: '' })
    await metrics.close()
  })
})

describe('compose.yml and prometheus.yml', () => {
  const compose = parse(textOf('compose.yml'), { merge: true }) as {
    services: Record<string, { image: string; command?: unknown; environment?: Record<string, string> }>
    volumes: object
  }

  it('start a master, a replica, three Sentinels, an evicting cache, PostgreSQL, two nodes, Prometheus and Grafana', () => {
    expect(Object.keys(compose.services).sort()).toStrictEqual(
      [
        'app-1',
        'app-2',
        'grafana',
        'postgres',
        'prometheus',
        'redis-cache',
        'redis-master',
        'redis-replica',
        'sentinel-1',
        'sentinel-2',
        'sentinel-3',
      ].sort(),
    )
    const commandOf = (name: string): string => JSON.stringify(compose.services[name]?.command)
    expect(commandOf('redis-master')).toMatch(/--appendonly yes .*--maxmemory-policy noeviction/)
    expect(commandOf('redis-replica')).toMatch(/noeviction --replicaof redis-master 6379/)
    expect(commandOf('redis-cache')).toMatch(/--maxmemory-policy allkeys-lru/)
    expect(commandOf('sentinel-1')).toMatch(/sentinel monitor kerp redis-master 6379 2/)
  })

  it('name services and files that exist, pin every image, and hold no secret', () => {
    const { services } = compose
    for (const { image } of Object.values(services)) expect(image).toMatch(/^[\w./-]+:v?\d[\w.-]*$/)
    const config = parse(textOf('prometheus.yml')) as {
      rule_files: string[]
      scrape_configs: { job_name: string; static_configs: { targets: string[] }[] }[]
    }
    const targets = config.scrape_configs.flatMap((job) => job.static_configs.flatMap((one) => one.targets))
    expect(targets.map((target) => target.split(':')[0])).toStrictEqual(['app-1', 'app-2'])
    for (const file of config.rule_files) expect(textOf(file)).not.toBe('')
    const { code, output } = promtool(['check', 'config', join(FOLDER, 'prometheus.yml')])
    expect([code, output]).toStrictEqual([0, expect.stringContaining('SUCCESS')])
    for (const { environment = {} } of Object.values(services)) {
      for (const [name, value] of Object.entries(environment)) {
        if (/PASSWORD|SECRET/.test(name)) expect(value).toMatch(/^\$\{\w+:\?/)
      }
    }
  })
})
