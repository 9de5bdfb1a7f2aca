/**
 * The protocol of the registers under a seeded scheduler: database, Redis, relays, in-process tiers and a network that
 * delays, loses, reorders and repeats, with everything that may go wrong between them.
 *
 * What runs here is a model in virtual time; `twins-on-redis.redis.test.ts` holds its scripts equal to the real ones.
 */

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { argsOf } from '../support/programs.js'
import { PLANTED } from './planted.js'
import { RULES, type Rule } from './rules.js'
import { SimWorld } from './sim-world.js'

const SEEDS = process.env['KERP_TEST_FULL'] === '1' ? 100_000 : 2_000
const PROCESSES = 2
const RUNNER = fileURLToPath(new URL('seed-runner.ts', import.meta.url))
const ROOT = fileURLToPath(new URL('../..', import.meta.url))

interface Report {
  readonly wrong: readonly string[]
  readonly answers: Readonly<Record<'l1' | 'redis' | 'database', number>>
}

async function runSeeds(from: number, count: number): Promise<Report> {
  const args = [...(await argsOf(RUNNER)), String(from), String(count)]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT })
  return JSON.parse(stdout) as Report
}

test('in every seeded world each answer is a state of its row, none is too old, and all is equal at rest', async () => {
  const share = SEEDS / PROCESSES
  const reports = await Promise.all(
    Array.from({ length: PROCESSES }, (_, index) => runSeeds(1 + index * share, share)),
  )
  for (const source of ['l1', 'redis', 'database'] as const) {
    const answers = reports.reduce((sum, report) => sum + report.answers[source], 0)
    console.log(`${SEEDS} seeds: ${answers} answers of ${source}`)
    expect(answers).toBeGreaterThan(SEEDS)
  }
  expect(reports.flatMap(({ wrong }) => wrong)).toEqual([])
}, 1_200_000)

describe('a world in which one rule is left out goes wrong', () => {
  test('each rule has a seed that finds its absence', () => {
    expect(Object.keys(PLANTED).sort()).toEqual(Object.keys(RULES).sort())
  })

  test.each(Object.entries(PLANTED) as [Rule, number][])('without "%s": seed %i', (rule, seed) => {
    expect(new SimWorld(seed, rule).run().wrong).not.toEqual([])
    expect(new SimWorld(seed).run().wrong).toEqual([])
  })
})
