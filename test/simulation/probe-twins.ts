/** Conformance: the twin of the script that leaves probes does what the script does. */

import type { RedisClient } from '@kerp/redis'
import { expect, test } from 'vitest'
import { writeProbe } from '../../packages/registers/src/write-probe.lua.js'
import type { Backend } from '../conformance/backend.js'
import { freshCompany } from '../support/fresh-company.js'
import { Dice } from './dice.js'
import { TwinProbes } from './probe-twin.js'

const PROCESSES = ['p1', 'p2', 'p3', 'p4']
const LIFE_MS = 600_000
const LATE_MS_MAX = 60_000
/** Long over, and far off: no clock of a test comes near either. */
const LIVES_MS = [-LIFE_MS, 10 * LIFE_MS]

async function serverMs(redis: RedisClient): Promise<number> {
  const [seconds, micros] = await redis.time()
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000)
}

/** The probe that is kept, and how long it lives from then on: the script may have looked at the clock a little later. */
function seen(text: string, nowMs: number): readonly [string | undefined, number] {
  const [probe, untilMs] = text.split('|')
  const leftMs = Number(untilMs) - nowMs
  return [probe, Math.abs(leftMs - LIFE_MS) < LATE_MS_MAX ? LIFE_MS : leftMs]
}

async function trial(redis: RedisClient, dice: Dice): Promise<void> {
  const probes = `trust:{${freshCompany()}}:probes`
  const nowMs = await serverMs(redis)
  const twin = new TwinProbes()
  for (const process of PROCESSES.filter(() => dice.chance(0.5))) {
    const held = { probe: String(dice.below(9)), untilMs: nowMs + dice.pick(LIVES_MS) }
    twin.probes.set(process, held)
    await redis.hset(probes, process, `${held.probe}|${held.untilMs}`)
  }
  const [process, probe, processesMax] = [dice.pick(PROCESSES), String(dice.below(9)), 1 + dice.below(3)]
  const answer = twin.write({ process, probe }, { lifeMs: LIFE_MS, processesMax }, nowMs)
  const isWritten = await writeProbe.run(
    redis,
    { probes },
    { process, probe, lifeMs: String(LIFE_MS), processesMax: String(processesMax) },
  )
  expect(isWritten).toBe(answer === 'written')
  const held = Object.entries(await redis.hgetall(probes)).map(([name, text]) => [name, seen(text, nowMs)])
  const expected = [...twin.probes].map(([name, left]) => [name, [left.probe, left.untilMs - nowMs]])
  expect(Object.fromEntries(held)).toEqual(Object.fromEntries(expected))
}

/** Runs the suite. */
export function probeTwinConforms(backend: Backend): void {
  test(`on ${backend.name} the script that leaves probes and its twin keep and forget the same in 200 random states`, async () => {
    const dice = new Dice(20_260_108)
    for (let index = 0; index < 200; index += 1) await trial(backend.client(), dice)
  }, 120_000)
}
