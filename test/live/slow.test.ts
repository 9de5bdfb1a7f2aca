import { once } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import { brokenLinks, eventually, type LiveWorld, openLiveWorld, type TestClient } from './live-world.js'

let world: LiveWorld
afterEach(() => world.close())

const CLIENTS = process.env['KERP_TEST_FULL'] === '1' ? 500 : 60
const MIB = 1_048_576
const EVENTS = 5_000

/** Large enough that the kernel's buffers are full soon. */
const BULK = {
  topics: { events: { kind: 'log', item: (event: object) => ({ ...event, text: 'x'.repeat(4_000) }) } },
} as const

function stop({ socket }: TestClient): void {
  socket.pause()
}

describe('A slow client', () => {
  it('is left behind, and goes on where it was when it reads again', async () => {
    world = await openLiveWorld({ ...BULK, ringBytesMax: 64 * MIB })
    const client = await world.join('c1', { topics: ['events'] })
    await eventually(() => expect(client.frames).toHaveLength(1))
    stop(client)
    for (let value = 1; value <= 3_000; value += 1) world.feed.commit('c1', [value])
    client.socket.resume()
    await eventually(() => expect(client.values()).toHaveLength(3_000))
    expect(brokenLinks(client.frames)).toEqual([])
    expect(client.frames.filter(({ op }) => op === 'reset')).toEqual([])
  })

  it('that was left too far behind gets a snapshot instead of what it missed', async () => {
    world = await openLiveWorld({ ...BULK, ringEventsMax: 200 })
    const client = await world.join('c1', { topics: ['events'] })
    await eventually(() => expect(client.frames).toHaveLength(1))
    stop(client)
    for (let value = 1; value <= 6_000; value += 1) {
      world.feed.commit('c1', [value])
      if (value % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    client.socket.resume()
    await eventually(() => expect(client.frames.some(({ op }) => op === 'reset')).toBe(true))
    world.feed.commit('c1', [6_001])
    await eventually(() => expect(client.frames.at(-1)?.to).toBe('6001'))
    expect(brokenLinks(client.frames)).toEqual([])
  })

  it('costs no frames while it is behind, wherever it and others like it stand', async () => {
    world = await openLiveWorld({ ...BULK, ringBytesMax: 64 * MIB, stalledMsMax: 60_000 })
    const healthy = await world.join('c1', { topics: ['events'] })
    await eventually(() => expect(healthy.frames).toHaveLength(1))
    const committed = async (count: number): Promise<void> => {
      for (let left = count; left > 0; left -= 1) {
        world.feed.commit('c1', [left])
        await eventually(() => expect(healthy.frames.at(-1)?.to).toBe(String(world.feed.head('c1'))))
      }
    }
    // They begin to lag one after the other, so that no two of them stand at the same place.
    for (let joined = 0; joined < 8; joined += 1) {
      const client = await world.join('c1', { topics: ['events'] })
      await once(client.socket, 'message')
      stop(client)
      await committed(5)
    }
    for (let value = 0; value < 4_000; value += 1) {
      world.feed.commit('c1', [value])
      if (value % 20 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await eventually(() => expect(healthy.frames.at(-1)?.to).toBe(String(world.feed.head('c1'))))
    const before = world.hub.framesBuilt
    await committed(20)
    expect(world.hub.framesBuilt - before).toBeLessThanOrEqual(20)
  })

  it('that takes nothing at all is closed, and costs no memory before that', async () => {
    world = await openLiveWorld({ ...BULK, stalledMsMax: 2_000, ringBytesMax: 8 * MIB, heartbeatMs: 60_000 })
    const healthy = await world.join('c1', { topics: ['events'] })
    const stalled = await Promise.all(
      Array.from({ length: CLIENTS }, async () => {
        const client = await world.join('c1', { topics: ['events'] })
        await once(client.socket, 'message')
        stop(client)
        return client
      }),
    )
    await eventually(() => expect(healthy.frames).toHaveLength(1))
    const before = process.memoryUsage()
    let most = 0
    let sent = 0
    // Until every one of them was sent away.
    while (world.hub.connections > 1) {
      // Enough for every buffer of the kernel; the healthy client of this process keeps all that it got.
      if (sent < EVENTS) {
        sent += 1
        world.feed.commit('c1', [sent])
      }
      const { heapUsed, external } = process.memoryUsage()
      most = Math.max(most, heapUsed + external - before.heapUsed - before.external)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await eventually(() => expect(healthy.frames.at(-1)?.to).toBe(String(sent)))
    expect(brokenLinks(healthy.frames)).toEqual([])
    expect(healthy.closed()).toBeUndefined()
    for (const client of stalled) client.socket.terminate()
    // What clients and hub of this process share, the ring included, and at most 1 MiB for each that is stalled.
    expect(most).toBeLessThan(64 * MIB + CLIENTS * MIB)
  })
})
