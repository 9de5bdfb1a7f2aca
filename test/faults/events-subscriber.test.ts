import { closeRedis, connectRedis } from '@kerp/redis'
import { openPrivateRedis, type PrivateRedis, type PrivateRedisOptions } from '@kerp/redis/testing'
import {
  type ErpEventSchemas,
  EventNotPublishedError,
  erpEvents,
  Publisher,
  Subscriber,
  type SubscriberOptions,
} from '@kerp/pubsub'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openFaultProxy } from '../support/fault-proxy.js'
import { eventWorld, keys, Record, until } from '../pubsub/event-world.js'

const FULL = process.env['KERP_TEST_FULL'] === '1'

async function openRig(options: PrivateRedisOptions & { readonly sharded?: boolean } = {}) {
  const server = await openPrivateRedis(options)
  const proxy = await openFaultProxy(server.socketPath)
  const direct = await connectRedis({ path: server.socketPath }, 10_000, {})
  const behindProxy = await connectRedis({ path: proxy.socketPath }, 10_000, {})
  onTestFinished(async () => {
    await closeRedis(direct)
    await closeRedis(behindProxy)
    await proxy.close()
    await server.close()
  })
  return {
    server,
    proxy,
    direct,
    behindProxy,
    world: eventWorld(direct, { sharded: options.sharded ?? false }),
  }
}

type Rig = Awaited<ReturnType<typeof openRig>>

/** Subscribes behind the proxy, as a process of its own would. */
async function listen(
  { behindProxy, world }: Rig,
  record = new Record(),
  more: Partial<SubscriberOptions<ErpEventSchemas>> = {},
): Promise<Record> {
  const { observer } = world
  const parts = { redis: behindProxy, keys, events: erpEvents, observer, tailMs: 200 }
  const subscriber = new Subscriber({ ...parts, ...more })
  onTestFinished(() => subscriber.close())
  await subscriber.subscribe({ companyId: world.companyId, from: 'now' }, record).started
  return record
}

/** Publishes `perSecond` for a while, whatever the subscriber does meanwhile. */
async function publishFor(rig: Rig, ms: number, perSecond: number): Promise<string[]> {
  const begunMs = performance.now()
  const ids: string[] = []
  while (performance.now() - begunMs < ms) {
    const due = Math.min(
      Math.ceil(((performance.now() - begunMs) * perSecond) / 1_000),
      (ms * perSecond) / 1_000,
    )
    if (due > ids.length) ids.push(...(await rig.world.publishMany(due - ids.length)))
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  return ids
}

describe('a subscriber', () => {
  test.each([
    ['', false],
    [', on sharded channels', true],
  ])(
    'whose connections are cut every 500 ms under 1,000 events/s loses, doubles and reorders none%s',
    async (_, sharded) => {
      const rig = await openRig({ sharded })
      const record = await listen(rig, new Record(), { sharded })
      const cuts = setInterval(() => rig.proxy.cut(), 500)
      onTestFinished(() => clearInterval(cuts))
      const ids = await publishFor(rig, FULL ? 8_000 : 2_500, 1_000)
      clearInterval(cuts)
      await record.has(ids.length)
      expect(ids.length).toBeGreaterThanOrEqual(FULL ? 7_900 : 2_000)
      expect(record.ids).toEqual(ids)
      expect(record.resets).toEqual([])
      const gaps = rig.world.observer.of('eventGap')
      expect(gaps.length).toBeGreaterThan(0)
      const filled = gaps.reduce((sum, gap) => sum + Number(gap['filled']), 0)
      console.log(
        `events through cuts${_}: ${ids.length}, of which ${filled} filled from the stream in ${gaps.length} gaps`,
      )
    },
  )

  test('of all companies, whose connections are cut while new ones come, loses, doubles and reorders none', async () => {
    const rig = await openRig()
    const { behindProxy, proxy, world } = rig
    const record = new Record()
    const { observer, publisher } = world
    const subscriber = new Subscriber({ redis: behindProxy, keys, events: erpEvents, observer, tailMs: 200 })
    onTestFinished(() => subscriber.close())
    await subscriber.subscribeAll({ from: 'now' }, record).started
    const published = new Map<string, string[]>()
    for (let round = 0; round < (FULL ? 40 : 10); round += 1) {
      if (round % 3 === 0) proxy.cut()
      const companies = [...published.keys(), `new-${round}`]
      for (const companyId of companies) {
        const payload = { level: 'info', message: 'x' } as const
        const event = { companyId, type: 'events:notification', payload } as const
        const own = published.get(companyId) ?? []
        own.push(...(await publisher.publishMany([event, event, event])).map(({ id }) => id))
        published.set(companyId, own)
      }
    }
    await record.has([...published.values()].flat().length)
    expect(new Map([...published.keys()].map((id) => [id, record.idsOf(id)]))).toEqual(published)
    expect(record.resets).toEqual([])
  })

  test('of all companies finds one whose first event was told while the network swallowed everything', async () => {
    const rig = await openRig()
    const { behindProxy, proxy, world } = rig
    const record = new Record()
    const { observer } = world
    const subscriber = new Subscriber({ redis: behindProxy, keys, events: erpEvents, observer, tailMs: 200 })
    onTestFinished(() => subscriber.close())
    await subscriber.subscribeAll({ from: 'now' }, record).started
    proxy.plan.blackhole = 'replies'
    const { id } = await world.publish()
    proxy.heal()
    await record.has(1)
    expect(record.batches).toMatchObject([{ companyId: world.companyId, events: [{ id }] }])
  })

  test('whose event loop is blocked under load has missed nothing afterwards', async () => {
    const rig = await openRig()
    const record = new Record()
    let isBlocked = false
    record.onBatch = () => {
      if (isBlocked || record.ids.length < 100) return
      isBlocked = true
      const endMs = performance.now() + (FULL ? 4_000 : 1_500)
      while (performance.now() < endMs) Math.sqrt(endMs)
    }
    await listen(rig, record)
    const ids = await publishFor(rig, FULL ? 8_000 : 2_500, 1_000)
    await record.has(ids.length)
    expect(isBlocked).toBe(true)
    expect(record.ids).toEqual(ids)
    expect(record.resets).toEqual([])
  })

  test('behind a network that swallows everything for a while has missed nothing afterwards', async () => {
    const rig = await openRig()
    const record = await listen(rig)
    await rig.world.publishMany(1)
    await record.has(1)
    rig.proxy.plan.blackhole = 'replies'
    const ids = await rig.world.publishMany(20)
    await new Promise((resolve) => setTimeout(resolve, 300))
    rig.proxy.heal()
    await record.has(21)
    expect(record.ids.slice(1)).toEqual(ids)
    expect(record.resets).toEqual([])
  })
})

describe('a Redis that forgot', () => {
  /** An empty Redis, or one with the data of before the last events. */
  const forget: readonly (readonly [string, (server: PrivateRedis) => Promise<void>])[] = [
    [
      'was flushed',
      async (server) => {
        await once(server, (redis) => redis.flushall())
      },
    ],
    ['lost everything in a restart', (server) => server.restart()],
    ['came back with an older dump', (server) => server.restart({ keepData: true })],
  ]

  test.each(forget)('and %s is found out, every time, and never taken for a resumption', async (_, lose) => {
    const rig = await openRig()
    const { world, server } = rig
    const rounds = FULL ? 20 : 2
    for (let round = 0; round < rounds; round += 1) {
      const record = await listen(rig)
      const before = await world.publishMany(5)
      await record.has(5)
      await once(server, (redis) => redis.save())
      const seen = await world.publishMany(5)
      await record.has(10)
      await lose(server)
      await until('a connection', () => rig.direct.status === 'ready' && rig.behindProxy.status === 'ready')
      const after = await world.publishMany(8)
      await until('a reset', () => record.resets.length > 0)
      // What was published before the reset may lie before its position; the snapshot has it.
      const last = await world.publishMany(3)
      await until('the last event', () => record.ids.includes(last[2] ?? ''))
      expect(record.resets).toHaveLength(1)
      expect(record.ids.slice(0, 10)).toEqual([...before, ...seen])
      const follows = record.ids.slice(10)
      expect(follows).toEqual([...after, ...last].slice(-follows.length))
    }
  })

  test('while nobody listened is found out by the position that a subscriber brings along', async () => {
    const rig = await openRig()
    const { world, server } = rig
    const record = await listen(rig)
    await world.publishMany(5)
    await record.has(5)
    const from = record.batches.at(-1)?.to ?? 'now'
    await once(server, (redis) => redis.flushall())
    await world.publishMany(8)
    const resumed = new Record()
    world.newSubscriber().subscribe({ companyId: world.companyId, from }, resumed)
    await until('a reset', () => resumed.resets.length > 0)
    expect(resumed.ids).toEqual([])
  })
})

async function once<T>(
  server: PrivateRedis,
  work: (redis: ReturnType<PrivateRedis['client']>) => Promise<T>,
) {
  const redis = server.client()
  try {
    return await work(redis)
  } finally {
    redis.disconnect()
  }
}

describe('a publisher', () => {
  test.each<
    readonly [string, (server: PrivateRedis) => Promise<void> | void, (server: PrivateRedis) => unknown]
  >([
    ['is killed', (server) => server.kill(), (server) => server.restart()],
    ['is frozen', (server) => server.pause(), (server) => server.resume()],
  ])(
    'tells every caller when Redis %s, and the same id is published once afterwards',
    async (_, fault, repair) => {
      const { world, server, direct } = await openRig()
      const publisher = new Publisher({ redis: direct, keys, events: erpEvents, deadlineMs: 500 })
      const publish = (id: string) =>
        publisher.publish({
          companyId: world.companyId,
          type: 'events:voucher:approved',
          payload: { id },
          id,
        })
      const ids = Array.from({ length: 50 }, (_unused, index) => `e-${index}`)
      await world.publish('before')
      await fault(server)
      for (const outcome of await Promise.allSettled(ids.map(publish))) {
        expect(outcome).toMatchObject({
          status: 'rejected',
          reason: expect.any(EventNotPublishedError) as object,
        })
      }
      const together = publisher.publishMany(
        ids.map((id) => ({
          companyId: world.companyId,
          type: 'events:voucher:approved',
          payload: { id },
          id,
        })),
      )
      await expect(together).rejects.toMatchObject({ code: 'EVENT_NOT_PUBLISHED', eventIds: ids })
      await repair(server)
      for (const id of ids)
        await until(`${id} to be published`, () =>
          publish(id).then(
            () => true,
            () => false,
          ),
        )
      const entries = await direct.xrange(keys.eventsStream(world.companyId), '-', '+')
      const stored = entries
        .map(([, fields]) => (fields[1] ?? '').split('|')[0] ?? '')
        .filter((id) => id.startsWith('e-'))
      expect([...stored].sort()).toEqual([...ids].sort())
      await publisher.close()
    },
  )
})
