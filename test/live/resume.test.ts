import { afterEach, describe, expect, it } from 'vitest'
import { brokenLinks, eventually, type LiveWorld, openLiveWorld, type TestClient } from './live-world.js'
import { MemoryFeed } from './memory-feed.js'

let world: LiveWorld
afterEach(() => world.close())

const upTo = (count: number, from = 1): readonly number[] => Array.from({ length: count }, (_, i) => from + i)
const opsOf = ({ frames }: TestClient): readonly string[] => frames.map(({ op }) => op)

/** A server that starts on a log which has events already. */
async function startOn(events: number, options: Parameters<typeof openLiveWorld>[0] = {}): Promise<void> {
  const memory = new MemoryFeed()
  memory.commit('c1', upTo(events))
  world = await openLiveWorld({ memory, ...options })
}

describe('A client that comes back', () => {
  it('goes on after its last position, without a snapshot', async () => {
    await startOn(10)
    const client = await world.join('c1', { topics: ['events', 'state'], resume: '6', history: 'c1-h' })
    await eventually(() => expect(client.values()).toEqual([7, 8, 9, 10]))
    expect(world.snapshots.count).toBe(0)
    expect(client.frames[0]).toMatchObject({ op: 'state', from: '6' })
    expect(client.frames[1]).toMatchObject({ op: 'events', from: '6', to: '10' })
  })

  it('finds its place although the server kept less in memory: the log is read for all of them together', async () => {
    await startOn(400, { preloadEvents: 10 })
    const places = upTo(50).map((index) => 300 - 5 * (index % 10))
    const clients = await Promise.all(
      places.map((place) => world.join('c1', { topics: ['events'], resume: String(place) })),
    )
    await eventually(() =>
      expect(clients.map((client) => client.values())).toEqual(
        places.map((place) => upTo(400 - place, place + 1)),
      ),
    )
    expect(world.feed.reads).toBeLessThanOrEqual(25)
    expect(world.snapshots.count).toBe(0)
  })

  it('is reset to a snapshot when the log was trimmed past its place', async () => {
    await startOn(400, { preloadEvents: 10 })
    world.feed.trim('c1', 200)
    const client = await world.join('c1', { topics: ['events', 'state'], resume: '100' })
    await eventually(() => expect(opsOf(client)).toEqual(['reset', 'snapshot', 'snapshot']))
    expect(client.frames[1]?.to).toBe('400')
  })

  it('is reset to a snapshot when it is too far behind for the memory of the hub', async () => {
    await startOn(400, { preloadEvents: 10, ringEventsMax: 100 })
    const client = await world.join('c1', { topics: ['events'], resume: '100' })
    await eventually(() => expect(opsOf(client)).toEqual(['reset', 'snapshot']))
  })

  it('is served from the newest events in memory, however many passed through it, when the log has none', async () => {
    await startOn(0, { ringBytesMax: 16_384 })
    const first = await world.join('c1', { topics: ['events'] })
    await eventually(() => expect(first.frames).toHaveLength(1))
    for (let round = 0; round < 20; round += 1) world.feed.commit('c1', upTo(50, 50 * round + 1))
    await eventually(() => expect(first.frames.at(-1)?.to).toBe('1000'))
    world.feed.trim('c1', 1_000)
    const [near, far] = await Promise.all(
      ['980', '500'].map((resume) => world.join('c1', { topics: ['events'], resume })),
    )
    await eventually(() => expect(near?.values()).toEqual(upTo(20, 981)))
    await eventually(() => expect(far && opsOf(far)).toEqual(['reset', 'snapshot']))
  })

  it('never resumes in a history that is not the one it knew', async () => {
    await startOn(100)
    const first = await world.join('c1', { topics: ['events', 'state'] })
    await eventually(() => expect(first.frames).toHaveLength(2))
    const { to, history } = first.frames[0] ?? {}
    world.feed.goBack('c1', 95)
    // Positions 96 to 100 are given again, to other events.
    world.feed.commit('c1', upTo(10, 1_000))
    await eventually(() =>
      expect(opsOf(first).slice(2)).toEqual(expect.arrayContaining(['reset', 'snapshot'])),
    )
    const back = await world.join('c1', { topics: ['events', 'state'], resume: to, history })
    await eventually(() => expect(opsOf(back).slice(0, 3)).toEqual(['reset', 'snapshot', 'snapshot']))
    // Whatever the snapshot did not show yet follows it.
    await eventually(() => expect(JSON.stringify(back.frames.at(-1))).toContain('1009'))
    expect(brokenLinks(back.frames)).toEqual([])
  })

  it('never resumes by what the log says in another history, before or behind what the hub has in memory', async () => {
    await startOn(400, { preloadEvents: 10 })
    const first = await world.join('c1', { topics: ['events'] })
    await eventually(() => expect(first.frames).toHaveLength(1))
    // The database went back and on, and the hub has not heard of it yet.
    world.feed.log('c1').history = 'c1-h+'
    world.feed.commit('c1', [401], { silent: true })
    for (const resume of ['300', '401']) {
      for (const history of ['c1-h', undefined]) {
        const back = await world.join('c1', { topics: ['events'], resume, history })
        await eventually(() => expect(opsOf(back)).toEqual(['reset', 'snapshot']))
        expect(back.frames[1]).toMatchObject({ to: '400', history: 'c1-h' })
      }
    }
  })

  it('with a position that no event has is reset, and with one that only the log has yet goes on there', async () => {
    await startOn(10)
    const ahead = await world.join('c1', { topics: ['events'], resume: '11' })
    await eventually(() => expect(opsOf(ahead)).toEqual(['reset', 'snapshot']))
    // Another process told the client of event 11 before this one heard of it.
    world.feed.commit('c1', [11], { silent: true })
    const early = await world.join('c1', { topics: ['events'], resume: '11' })
    await eventually(() => expect(world.feed.reads).toBeGreaterThan(1))
    early.say({ op: 'ping' })
    await eventually(() => expect(opsOf(early)).toEqual(['pong']))
  })

  it.each(['-1', '01', '1e3', '0x10', ' 1', '1.5', '9'.repeat(30), 7, {}, [], true, '<script>', 'c2-5'])(
    'with %j instead of a position is reset to a snapshot of its own company',
    async (resume) => {
      await startOn(10)
      world.feed.commit('c2', [900])
      const client = await world.join('c1', { topics: ['events'], resume })
      await eventually(() => expect(opsOf(client)).toEqual(['reset', 'snapshot']))
      expect(JSON.stringify(client.frames)).not.toContain('900')
    },
  )

  it('with the position and history of another company is reset, and sees nothing of that company', async () => {
    await startOn(10)
    world.feed.commit('c2', upTo(10, 900))
    const other = await world.join('c2', { topics: ['events'] })
    await eventually(() => expect(other.frames).toHaveLength(1))
    const { to, history } = other.frames[0] ?? {}
    const client = await world.join('c1', { topics: ['events'], resume: to, history })
    await eventually(() => expect(opsOf(client)).toEqual(['reset', 'snapshot']))
    expect(client.frames[1]?.items?.map(({ value }) => value)).toEqual(upTo(10))
  })

  it('keeps an unbroken chain through resets of the whole company', async () => {
    await startOn(20)
    const client = await world.join('c1')
    for (let round = 0; round < 5; round += 1) {
      world.feed.commit('c1', upTo(20, 100 * round))
      world.feed.goBack('c1', 10)
      world.feed.commit('c1', [77])
    }
    await eventually(() => expect(client.frames.at(-1)?.to).toBe('11'))
    expect(brokenLinks(client.frames)).toEqual([])
  })
})
