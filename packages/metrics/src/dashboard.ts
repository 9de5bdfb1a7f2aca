/** The Grafana dashboard, made from the catalogue: a metric that is added has its panel, and no name can drift. */

import type { MetricDefinition } from './metric-definition.js'
import { METRICS } from './metric-names.js'

/** What `grafanaDashboard` answers: the JSON model that Grafana imports. */
export interface GrafanaDashboard {
  readonly title: string
  readonly uid: string
  readonly panels: readonly GrafanaPanel[]
  readonly [field: string]: unknown
}

/** A panel, or the heading of those below it. */
export interface GrafanaPanel {
  readonly type: string
  readonly title: string
  readonly targets?:
    | readonly {
        readonly expr: string
        readonly legendFormat: string
        readonly refId: string
      }[]
    | undefined
  readonly [field: string]: unknown
}

const DATASOURCE = { type: 'prometheus', uid: '${datasource}' }
const SCOPE = '{job=~"$job",instance=~"$instance"}'
const COLUMNS = 3
const PANEL = { w: 8, h: 7 }

/** What must stay as it is, at the top: the value that is right, and when it is looked at. */
const VITAL: readonly { readonly title: string; readonly expr: string; readonly bad: number }[] = [
  { title: 'Balance drift, 1 h', expr: increase(METRICS.balanceDrift), bad: 1 },
  { title: 'Forks, 1 h', expr: increase(METRICS.registerForks), bad: 1 },
  { title: 'Locks lost, 1 h', expr: increase(METRICS.lockLosses), bad: 1 },
  { title: 'Relay lag', expr: `max(${METRICS.relayLag.name}${SCOPE})`, bad: 5 },
  { title: 'Age of cached answers', expr: `max(${METRICS.cacheTrustAge.name}${SCOPE})`, bad: 1 },
  { title: 'Event loop, busiest', expr: `max(${METRICS.eventLoopUtilization.name}${SCOPE})`, bad: 0.9 },
]

/** Headings with the beginnings of the names below them, in the order in which data flows. */
const GROUPS: readonly (readonly [title: string, beginning: RegExp])[] = [
  ['Redis', /^redis_/],
  ['Caches', /^(?:cache|local_tier|register|balance)_/],
  ['Vouchers', /^voucher_/],
  ['Stock', /^stock_/],
  ['Relays', /^(?:outbox|event)_relay_/],
  ['Events', /^events?_/],
  ['Live connections', /^live_/],
  ['Locks', /^lock_/],
  ['Batches and pools', /^(?:batch|worker_pool)_/],
  ['Process', /^nodejs_/],
  ['Everything else', /^/],
]

/** The dashboard of every metric in the catalogue; the same at each call. */
export function grafanaDashboard(): GrafanaDashboard {
  const groups = grouped(Object.values(METRICS))
  return {
    title: 'K-ERP realtime',
    uid: 'kerp-realtime',
    tags: ['kerp'],
    schemaVersion: 38,
    version: 1,
    editable: true,
    refresh: '10s',
    time: { from: 'now-1h', to: 'now' },
    templating: { list: [datasourceVariable(), labelVariable('job'), labelVariable('instance')] },
    panels: placed([
      { heading: 'Exact and fresh', panels: VITAL.map((vital) => vitalPanel(vital)) },
      ...groups.map(({ title, metrics }) => ({ heading: title, panels: metrics.map(metricPanel) })),
    ]),
  }
}

function increase({ name }: MetricDefinition): string {
  return `sum(increase(${name}${SCOPE}[1h]))`
}

function grouped(
  metrics: readonly MetricDefinition[],
): readonly { readonly title: string; readonly metrics: readonly MetricDefinition[] }[] {
  const groupOf = (name: string) => GROUPS.find(([, beginning]) => beginning.test(name))?.[0]
  return GROUPS.map(([title]) => ({ title, metrics: metrics.filter(({ name }) => groupOf(name) === title) }))
}

type Unplaced = Omit<GrafanaPanel, 'id' | 'gridPos'>

function placed(
  rows: readonly { readonly heading: string; readonly panels: readonly Unplaced[] }[],
): readonly GrafanaPanel[] {
  const done: GrafanaPanel[] = []
  let y = 0
  const put = (panel: Unplaced, x: number, w: number, h: number): void => {
    const { type, title, ...rest } = panel
    done.push({
      id: done.length + 1,
      type: String(type),
      title: String(title),
      ...rest,
      gridPos: { x, y, w, h },
    })
  }
  for (const { heading, panels } of rows) {
    put({ type: 'row', title: heading, collapsed: false, panels: [] }, 0, 24, 1)
    y += 1
    for (const [index, panel] of panels.entries()) {
      put(panel, (index % COLUMNS) * PANEL.w, PANEL.w, PANEL.h)
      if (index % COLUMNS === COLUMNS - 1 || index === panels.length - 1) y += PANEL.h
    }
  }
  return done
}

function vitalPanel({ title, expr, bad }: (typeof VITAL)[number]): Unplaced {
  const steps = [
    { color: 'green', value: null },
    { color: 'red', value: bad },
  ]
  return {
    type: 'stat',
    title,
    datasource: DATASOURCE,
    fieldConfig: { defaults: { thresholds: { mode: 'absolute', steps } }, overrides: [] },
    options: { colorMode: 'background', reduceOptions: { calcs: ['lastNotNull'] } },
    targets: [{ refId: 'A', expr, legendFormat: title }],
  }
}

function metricPanel(metric: MetricDefinition): Unplaced {
  const unit = metric.name.endsWith('_seconds') ? 's' : metric.name.endsWith('_bytes') ? 'bytes' : 'short'
  return {
    type: 'timeseries',
    title: metric.name,
    description: metric.help,
    datasource: DATASOURCE,
    fieldConfig: { defaults: { unit }, overrides: [] },
    targets: queriesOf(metric).map(({ expr, legendFormat }, index) => ({
      refId: String.fromCharCode(65 + index),
      expr,
      legendFormat,
    })),
  }
}

function queriesOf({
  name,
  type,
  labels,
}: MetricDefinition): readonly { readonly expr: string; readonly legendFormat: string }[] {
  const names = labels.map((label) => label.name)
  const legend = names.map((label) => `{{${label}}}`).join(' ')
  if (type === 'counter') {
    const by = names.length === 0 ? '' : ` by (${names.join(', ')})`
    return [
      { expr: `sum${by} (rate(${name}${SCOPE}[$__rate_interval]))`, legendFormat: legend || 'per second' },
    ]
  }
  if (type === 'gauge') {
    const by = ['instance', ...names].join(', ')
    return [{ expr: `max by (${by}) (${name}${SCOPE})`, legendFormat: `{{instance}} ${legend}`.trim() }]
  }
  const by = ['le', ...names].join(', ')
  return [0.5, 0.99].map((fraction) => ({
    expr: `histogram_quantile(${fraction}, sum by (${by}) (rate(${name}_bucket${SCOPE}[$__rate_interval])))`,
    legendFormat: `p${fraction * 100} ${legend}`.trim(),
  }))
}

function datasourceVariable(): object {
  return { name: 'datasource', type: 'datasource', query: 'prometheus', label: 'Prometheus' }
}

function labelVariable(name: 'job' | 'instance'): object {
  const scope = name === 'job' ? '' : '{job=~"$job"}'
  return {
    name,
    type: 'query',
    datasource: DATASOURCE,
    query: `label_values(${METRICS.eventLoopUtilization.name}${scope}, ${name})`,
    includeAll: true,
    multi: true,
    allValue: '.*',
    current: { text: 'All', value: '$__all' },
    refresh: 2,
  }
}
