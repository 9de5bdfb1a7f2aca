import { ClosedError } from '@kerp/core'
import { recordingObserver } from '@kerp/core/testing'
import { afterEach, describe, expect, it } from 'vitest'
import { brokenLinks, connect, eventually, type LiveWorld, openLiveWorld } from './live-world.js'
import { MemoryFeed } from './memory-feed.js'

let world: LiveWorld
afterEach(() => world.close())

const upTo = (count: number, from = 1): readonly number[] => Array.from({ length: count }, (_, i) => from + i)

describe('A client of the hub', () => {
  it('gets snapshots of its topics, and then every event once and in order', async () => {
    world = await openLiveWorld()
    world.feed.commit('c1', [1, 2, 3])
    const client = await world.join('c1')
    await eventually(() => expect(client.frames).toHaveLength(2))
    expect(client.frames.map(({ op, topic, to }) => [op, topic, to])).toEqual([
      ['snapshot', 'state', '3'],
      ['snapshot', 'events', '3'],
    ])
    expect(client.frames[1]?.items?.map(({ value }) => value)).toEqual([1, 2, 3])
    for (const value of upTo(200, 4)) world.feed.commit('c1', [value])
    await eventually(() => expect(client.values()).toEqual(upTo(200, 4)))
    expect(brokenLinks(client.frames)).toEqual([])
    expect(client.frames.at(-1)).toMatchObject({ op: 'events', to: '203' })
  })

  it('loses nothing that is committed while its snapshot is taken', async () => {
    world = await openLiveWorld()
    world.feed.commit('c1', [1, 2, 3])
    let finish: () => void = () => undefined
    world.snapshots.wait = new Promise((resolve) => (finish = resolve))
    const client = await world.join('c1')
    await eventually(() => expect(world.snapshots.count).toBe(1))
    world.feed.commit('c1', [4, 5])
    finish()
    await eventually(() => expect(client.values()).toEqual([4, 5]))
    expect(client.frames[0]).toMatchObject({ op: 'snapshot', to: '3' })
    expect(brokenLinks(client.frames)).toEqual([])
  })

  it('gets of a state only the latest item of each key', async () => {
    world = await openLiveWorld()
    const client = await world.join('c1', { topics: ['state'] })
    await eventually(() => expect(client.frames).toHaveLength(1))
    world.feed.commit('c1', upTo(100))
    await eventually(() => expect(client.frames.at(-1)?.to).toBe('100'))
    expect(client.frames).toHaveLength(2)
    expect(client.frames[1]?.items?.map(({ value }) => value)).toEqual([96, 97, 98, 99, 100])
  })

  it('moves on with the last frame of a group only, so that a cut between them loses nothing', async () => {
    world = await openLiveWorld()
    const client = await world.join('c1', { topics: ['events', 'state', 'odd'] })
    await eventually(() => expect(client.frames).toHaveLength(3))
    world.feed.commit('c1', [7])
    await eventually(() => expect(client.frames).toHaveLength(6))
    expect(client.frames.slice(3).map(({ op, topic, from, to }) => [op, topic, from, to])).toEqual([
      ['state', 'state', '0', '0'],
      ['state', 'odd', '0', '0'],
      ['events', undefined, '0', '1'],
    ])
  })

  it('whose topics are quiet is told the position now and then, to resume from', async () => {
    world = await openLiveWorld()
    const client = await world.join('c1', { topics: ['odd'] })
    await eventually(() => expect(client.frames).toHaveLength(1))
    world.feed.commit(
      'c1',
      upTo(600).map((value) => 2 * value),
    )
    await eventually(() =>
      expect(client.frames.at(-1)).toMatchObject({ op: 'state', from: '0', to: '600', items: [] }),
    )
  })

  it('gets announcements at once, and none that came while it was away', async () => {
    world = await openLiveWorld()
    world.hub.announce('c1', 'pulse', 'a', { id: 'early', key: 'a', value: 0 })
    const client = await world.join('c1', { topics: ['events', 'pulse'] })
    await eventually(() => expect(client.frames).toHaveLength(2))
    world.feed.commit('c1', [1])
    await eventually(() => expect(client.values()).toEqual([1]))
    world.hub.announce('c1', 'pulse', 'a', { id: 'now', key: 'a', value: 1 })
    await eventually(() =>
      expect(client.frames.at(-1)).toMatchObject({ op: 'state', topic: 'pulse', from: '1', to: '1' }),
    )
    expect(brokenLinks(client.frames)).toEqual([])
    expect(() => world.hub.announce('c1', 'events', 'a', {})).toThrow(/ephemeral/)
  })

  it('is one of a thousand that join at once: one snapshot is taken for all of them', async () => {
    world = await openLiveWorld()
    world.feed.commit('c1', upTo(10))
    let finish: () => void = () => undefined
    world.snapshots.wait = new Promise((resolve) => (finish = resolve))
    const clients = await Promise.all(upTo(1_000).map(() => world.join('c1')))
    const having = (op: string, count: number) =>
      clients.filter(({ frames }) => frames.filter((frame) => frame.op === op).length === count)
    // A pong comes after what was said before the ping was heard.
    for (const client of clients) client.say({ op: 'ping' })
    await eventually(() => expect(having('pong', 1)).toHaveLength(1_000))
    finish()
    await eventually(() => expect(having('snapshot', 2)).toHaveLength(1_000))
    expect(world.snapshots.count).toBe(1)
    const before = world.hub.framesBuilt
    world.feed.commit('c1', [11])
    await eventually(() =>
      expect(clients.filter((client) => client.values().length === 1)).toHaveLength(1_000),
    )
    // Built once for all that stand at the same place.
    expect(world.hub.framesBuilt - before).toBe(1)
    for (const { socket } of clients) socket.terminate()
  })

  it('never gets anything of another company, whatever field it names one in', async () => {
    world = await openLiveWorld()
    const fields = {
      company: 'c2',
      companyId: 'c2',
      tenant: 'c2',
      c: 'c2',
      channel: 'c2',
      __proto__: { companyId: 'c2' },
    }
    const client = await world.join('c1', { topics: ['events', 'state'], ...fields })
    for (const topic of ['c2', 'c2:events', 'events:c2', '../c2/events', '*', '__proto__', 'constructor']) {
      client.say({ op: 'subscribe', topics: [topic], ...fields })
    }
    await eventually(() =>
      expect(client.frames.filter(({ code }) => code === 'TOPIC_UNKNOWN')).toHaveLength(7),
    )
    world.feed.commit('c2', [1, 2, 3])
    world.feed.commit('c1', [4])
    await eventually(() => expect(client.values()).toEqual([4]))
    expect(JSON.stringify(client.frames)).not.toContain('"value":1')
  })

  it('that gets no snapshot is sent away with 1013, and counted', async () => {
    const observer = recordingObserver()
    world = await openLiveWorld({ observer, snapshot: () => Promise.reject(new Error('no rows')) })
    const client = await world.join('c1', { topics: ['state'] })
    await eventually(() => expect(client.closed()).toBe(1013))
    expect(observer.of('liveClose')).toEqual([{ reason: 'overloaded' }])
  })

  it('misses an item that cannot be made, and nothing else', async () => {
    const observer = recordingObserver()
    world = await openLiveWorld({
      observer,
      topics: {
        events: { kind: 'log', item: (event) => ({ ...event, exact: event.value === 2 ? 2n : undefined }) },
        state: { kind: 'state', entry: (event) => ({ key: event.key, item: event }) },
      },
    })
    const client = await world.join('c1')
    await eventually(() => expect(client.frames).toHaveLength(2))
    world.feed.commit('c1', [1, 2, 3])
    await eventually(() => expect(client.frames.at(-1)).toMatchObject({ op: 'events', to: '3' }))
    expect(client.values()).toEqual([1, 3])
    expect(client.frames.at(-2)?.items?.map(({ value }) => value)).toEqual([1, 2, 3])
    expect(observer.of('backgroundError')).toMatchObject([{ source: 'live', code: 'UNEXPECTED' }])
  })

  it('is sent away when its company cannot be followed, and harms nobody', async () => {
    const observer = recordingObserver()
    const memory = new MemoryFeed()
    world = await openLiveWorld({
      memory,
      observer,
      feed: {
        open(companyId, handlers) {
          if (companyId === 'c2') throw new ClosedError('Subscriber')
          return memory.open(companyId, handlers)
        },
        read: (query) => memory.read(query),
      },
    })
    const away = await world.join('c2')
    await eventually(() => expect(away.closed()).toBe(1013))
    expect(observer.of('backgroundError')).toMatchObject([{ source: 'live', code: 'CLOSED' }])
    const client = await world.join('c1')
    await eventually(() => expect(client.frames).toHaveLength(2))
  })

  it('sees only the topics that its ticket allows', async () => {
    world = await openLiveWorld()
    const client = await connect(world.url, world.ticketOf('c1', { topics: ['state'] }))
    client.say({ op: 'subscribe', topics: ['state', 'events'] })
    await eventually(() => expect(client.frames).toEqual([{ op: 'error', code: 'TOPIC_FORBIDDEN' }]))
    client.say({ op: 'subscribe', topics: ['state'] })
    await eventually(() => expect(client.frames.at(-1)).toMatchObject({ op: 'snapshot', topic: 'state' }))
  })

  it('is told when to come back before the hub closes, each at its own time', async () => {
    world = await openLiveWorld({ spreadMs: 1_000 })
    const clients = await Promise.all(upTo(4).map(() => world.join('c1')))
    await eventually(() => expect(clients.every(({ frames }) => frames.length === 2)).toBe(true))
    world.feed.commit('c1', [1])
    await world.hub.close()
    await eventually(() => expect(clients.map((client) => client.closed())).toEqual([1012, 1012, 1012, 1012]))
    expect(clients.map((client) => client.values())).toEqual([[1], [1], [1], [1]])
    expect(clients.map(({ frames }) => frames.at(-1)?.after).sort()).toEqual([0, 250, 500, 750])
  })
})
