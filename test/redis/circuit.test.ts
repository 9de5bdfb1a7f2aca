/** When reads stop asking a Redis that does not answer. */

import { manualClock } from '@kerp/core/testing'
import { Circuit } from '@kerp/redis'
import { expect, test } from 'vitest'

function openCircuit() {
  const clock = manualClock()
  const circuit = new Circuit({ owner: 'Tests', clock, failuresMax: 2, openMs: 250 })
  return { clock, circuit }
}

test('one call without an answer changes nothing, two in a row stop the asking', () => {
  const { circuit } = openCircuit()
  circuit.silent()
  expect(circuit.admits()).toBe(true)
  circuit.answered()
  circuit.silent()
  expect(circuit.admits()).toBe(true)
  circuit.silent()
  expect(circuit.admits()).toBe(false)
})

test('after a pause one call tries for all, and its answer lets everyone ask again', async () => {
  const { clock, circuit } = openCircuit()
  circuit.silent()
  circuit.silent()
  await clock.advance(249)
  expect(circuit.admits()).toBe(false)
  await clock.advance(1)
  expect([circuit.admits(), circuit.admits()]).toEqual([true, false])
  circuit.answered()
  expect([circuit.admits(), circuit.admits()]).toEqual([true, true])
})

test('a try that gets no answer either waits for the next pause', async () => {
  const { clock, circuit } = openCircuit()
  circuit.silent()
  circuit.silent()
  await clock.advance(250)
  expect(circuit.admits()).toBe(true)
  circuit.silent()
  expect(circuit.admits()).toBe(false)
  await clock.advance(250)
  expect(circuit.admits()).toBe(true)
})

test('a try that was not made after all leaves the turn to another', async () => {
  const { clock, circuit } = openCircuit()
  circuit.silent()
  circuit.silent()
  await clock.advance(250)
  expect(circuit.admits()).toBe(true)
  circuit.abandoned()
  expect(circuit.admits()).toBe(true)
})

test('with a probe no caller waits for a try: the first is made at once, the next after growing pauses', async () => {
  const clock = manualClock()
  let probes = 0
  let isUp = false
  const probe = (): Promise<boolean> => {
    probes += 1
    return Promise.resolve(isUp)
  }
  const states: string[] = []
  const observer = { redisBreaker: ({ state }: { state: string }) => void states.push(state) }
  const circuit = new Circuit({ owner: 'Tests', clock, failuresMax: 1, openMs: 250, probe, observer })
  circuit.silent()
  expect([circuit.admits(), circuit.admits(), probes]).toEqual([false, false, 1])
  await clock.advance(124)
  expect([circuit.admits(), probes]).toEqual([false, 1])
  for (let round = 0; round < 20; round += 1) {
    await clock.advance(250)
    expect(circuit.admits()).toBe(false)
  }
  expect(probes).toBeGreaterThanOrEqual(5)
  expect(probes).toBeLessThanOrEqual(13)
  isUp = true
  await clock.advance(1_000)
  expect(circuit.admits()).toBe(false)
  await clock.advance(0)
  expect(circuit.admits()).toBe(true)
  expect(states).toEqual(['open', 'closed'])
})
