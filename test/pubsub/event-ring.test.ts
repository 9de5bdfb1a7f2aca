import { expect, it } from 'vitest'
import type { EventBlock } from '../../packages/pubsub/src/event-block.js'
import { EventRing } from '../../packages/pubsub/src/event-ring.js'
import { RingBudget } from '../../packages/pubsub/src/ring-budget.js'

const BOUNDS = { entriesMax: 10, lengthMax: 1_000 }
const BASE = { streamId: '0-0', eventId: '0' }

/** One entry of this length behind the base. */
function blockOf(length: number): EventBlock {
  return { prev: BASE, entries: [{ streamId: '1-0', eventId: '1', text: 'x'.repeat(length) }] }
}

/** How many entries a ring holds. */
function heldBy(ring: EventRing): number {
  return ring.after({ position: BASE, lap: 0, next: 0 }, 10)?.entries.length ?? 0
}

it('a ring that begins anew leaves its room to the others', () => {
  const budget = new RingBudget(100)
  const [one, two, three] = [BASE, BASE, BASE].map((base) => new EventRing(BOUNDS, base, budget))
  if (one === undefined || two === undefined || three === undefined) throw new Error('no rings')
  two.hear(blockOf(40))
  one.hear(blockOf(60))
  one.restart(BASE)
  three.hear(blockOf(60))
  expect([two, one, three].map(heldBy)).toEqual([1, 0, 1])
})
