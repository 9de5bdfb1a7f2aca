import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { METRICS } from '@kerp/metrics'
import { afterAll, expect, inject, it } from 'vitest'
import { freshDatabase } from './erp-database.js'
import { fieldOf, startErp } from './erp-process.js'
import { GIVEN, useEveryRoute } from './every-route.js'
import { promtool } from '../ops/promtool.js'

const PATIENCE_MS = 30_000

const closers: (() => Promise<void>)[] = []
afterAll(async () => {
  for (const close of closers.reverse()) await close()
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** A Prometheus of Debian's package `prometheus` that scrapes one address, and asks it as Grafana does. */
async function openPrometheus(target: string): Promise<(query: string) => Promise<readonly unknown[]>> {
  const folder = mkdtempSync(join(tmpdir(), 'kerp-prometheus-'))
  const config = join(folder, 'prometheus.yml')
  const times = { scrape_interval: '1s', scrape_timeout: '1s' }
  const job = { job_name: 'kerp', ...times, static_configs: [{ targets: [target] }] }
  writeFileSync(config, JSON.stringify({ scrape_configs: [job] }))
  const address = `127.0.0.1:${await freePort()}`
  const child = spawn(
    'prometheus',
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${address}`,
    ],
    { stdio: 'ignore' },
  )
  const ended = new Promise<Error | undefined>((resolve) => {
    child.once('error', () =>
      resolve(
        new Error(
          'This test needs Prometheus on PATH: install the package prometheus (`apt-get install prometheus`).',
        ),
      ),
    )
    child.once('exit', () => resolve(undefined))
  })
  closers.push(async () => {
    child.kill('SIGKILL')
    await ended
    rmSync(folder, { recursive: true, force: true })
  })
  const missing = await Promise.race([ended, once(child, 'spawn').then(() => undefined)])
  if (missing !== undefined) throw missing
  return async (query) => {
    try {
      const answer = await fetch(`http://${address}/api/v1/query?query=${encodeURIComponent(query)}`)
      const found = fieldOf(await answer.json(), 'data', 'result')
      return Array.isArray(found) ? (found as readonly unknown[]) : []
    } catch {
      return []
    }
  }
}

it('a real Prometheus scrapes the app and knows every metric that has a series from the start', async () => {
  const erp = await startErp({ DATABASE_URL: await freshDatabase(inject('databaseUrl')) })
  closers.push(() => erp.stop())
  const ask = await openPrometheus(new URL(erp.url).host)
  const valueOf = async (query: string): Promise<unknown> => fieldOf((await ask(query))[0], 'value', 1)
  const deadlineMs = performance.now() + PATIENCE_MS
  while ((await valueOf('up{job="kerp"}')) !== '1' && performance.now() < deadlineMs) {
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  expect(await valueOf('up{job="kerp"}')).toBe('1')
  const found = (await ask('count by (__name__) ({job="kerp"})')).map((one) =>
    String(fieldOf(one, 'metric', '__name__')),
  )
  const expected = Object.values(METRICS)
    .filter(({ labels }) => labels.every(({ words }) => words.length > 0))
    .map(({ name, type }) => (type === 'histogram' ? `${name}_count` : name))
  expect(expected.filter((name) => !found.includes(name))).toStrictEqual([])
})

it('promtool finds no fault with what the app counts in all its work, in at most 1,000 series', async () => {
  const erp = await startErp({ DATABASE_URL: await freshDatabase(inject('databaseUrl')) })
  closers.push(() => erp.stop())
  await useEveryRoute(erp)
  const { text } = await erp.send('/metrics')
  expect(text).toMatch(/^voucher_postings_total\{result="posted"\} 3$/m)
  expect(promtool(['check', 'metrics'], text)).toStrictEqual({ code: 0, output: '' })
  for (const given of Object.values(GIVEN)) expect(text).not.toContain(given)
  const series = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  expect(series.length).toBeGreaterThan(500)
  expect(series.length).toBeLessThanOrEqual(1_000)
})
