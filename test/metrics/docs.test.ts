import { readFileSync } from 'node:fs'
import { manualClock } from '@kerp/core/testing'
import { createMetrics, METRICS } from '@kerp/metrics'
import { Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'

/** More words than a table cell can hold are written as `…`. */
const WORDS_SHOWN_MAX = 12

const text = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8')
const documented = text
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')))
  .map(([, name = '', type = '', labels = '', unit = '', meaning = '']) => ({
    name,
    type,
    labels,
    unit,
    meaning,
  }))

describe('docs/metrics.md', () => {
  it('lists exactly the metrics of a registry, with their types', async () => {
    const registry = new Registry()
    const metrics = createMetrics({ registry, clock: manualClock() })
    const registered = (await registry.getMetricsAsJSON()).map(({ name, type }) => `${name} ${String(type)}`)
    expect(documented.map(({ name, type }) => `${name} ${type}`).sort()).toStrictEqual(registered.sort())
    expect(new Set(documented.map(({ name }) => name)).size).toBe(documented.length)
    await metrics.close()
  })

  it('has the labels of each metric with all their words', () => {
    const coded = Object.values(METRICS).map(({ name, labels }) => {
      const shown = labels.map((label) => {
        const words = label.words.length > WORDS_SHOWN_MAX ? [] : label.words
        const more = label.open || words.length === 0 ? ['…'] : []
        return `${label.name} {${[...words, ...more].join(', ')}}`
      })
      return `${name}: ${shown.join(', ') || '–'}`
    })
    expect(documented.map(({ name, labels }) => `${name}: ${labels}`).sort()).toStrictEqual(coded.sort())
  })

  it('names a unit that agrees with the name, and says what each metric means', () => {
    for (const { name, type, unit, meaning } of documented) {
      expect([name, name.endsWith('_total')]).toStrictEqual([name, type === 'counter'])
      expect([name, name.endsWith('_seconds')]).toStrictEqual([name, unit === 'seconds'])
      expect(meaning.length).toBeGreaterThan(10)
    }
  })
})
