/** Conformance: long backlogs, restarts in their middle, and several relays. */

import { seededRandom } from '@kerp/core/testing'
import { type RedisClient, whenReady } from '@kerp/redis'
import { parsePush } from '@kerp/registers'
import { describe, expect, test } from 'vitest'
import { stateOf, World } from '../registers/world.js'

export function relayBacklogConformance(redis: () => RedisClient): void {
  const accounts = ['a', 'b', 'c']

  async function cached(): Promise<World> {
    const world = new World(redis())
    for (const account of accounts) world.commit({ [account]: [1n, 0n] })
    await world.relay.tick()
    for (const account of accounts) await world.get(account)
    return world
  }

  async function expectCurrent(world: World): Promise<void> {
    for (const account of accounts) {
      const { version, fields } = world.database.row(world.ref(account))
      expect(stateOf(await world.get(account))).toEqual(['redis', version, ...fields])
    }
  }

  function commitMany(world: World, count: number): void {
    for (let n = 0; n < count; n += 1) world.commit({ [accounts[n % 3] ?? 'a']: [1n, BigInt(n)] })
  }

  describe('a backlog', () => {
    test('is read in pages inside one target', async () => {
      const world = await cached()
      const relay = world.newRelay({ pageRows: 4 })
      await relay.tick()
      commitMany(world, 23)
      expect(await relay.tick()).toMatchObject({ ok: true, rows: 23 })
      expect(new Set(world.database.pages.map(({ target }) => target))).toEqual(new Set(['s26']))
      expect(await world.watermark()).toMatchObject({ position: 's26' })
      await expectCurrent(world)
    })

    test('is gone on with where another relay stopped, inside its target, and nothing is skipped', async () => {
      const world = await cached()
      const first = world.newRelay({ pageRows: 4 })
      await first.tick()
      commitMany(world, 23)
      world.database.failPages = 1
      expect(await first.tick()).toMatchObject({ ok: false })
      expect(await world.watermark()).toMatchObject({ position: 's3>s26#7' })
      await first.close()
      commitMany(world, 5)
      const second = world.newRelay({ pageRows: 4 })
      expect(await second.tick()).toMatchObject({ ok: true })
      const resumed = { after: 's3', target: 's26', afterId: '7', companyId: world.companyId }
      expect(world.database.pages).toContainEqual(expect.objectContaining(resumed))
      expect(await world.watermark()).toMatchObject({ position: 's31' })
      await expectCurrent(world)
    })

    test('is gone on with by the relay that stopped, too', async () => {
      const world = await cached()
      const relay = world.newRelay({ pageRows: 4 })
      await relay.tick()
      commitMany(world, 23)
      world.database.failPages = 2
      expect(await relay.tick()).toMatchObject({ ok: false })
      expect(await relay.tick()).toMatchObject({ ok: false })
      expect(await relay.tick()).toMatchObject({ ok: true })
      await expectCurrent(world)
    })

    test('does not hold up the closing of a relay', async () => {
      const world = await cached()
      const relay = world.newRelay({ pageRows: 4 })
      await relay.tick()
      commitMany(world, 400)
      let closing: Promise<void> | undefined
      world.database.beforePage = () => (closing ??= relay.close())
      expect(await relay.tick()).toMatchObject({ ok: false, error: { code: 'CLOSED' } })
      await closing
      expect(world.database.pages).toHaveLength(1)
    })

    test('is not claimed to be at its end before it is: the age of answers stands still meanwhile', async () => {
      const world = await cached()
      const relay = world.newRelay({ pageRows: 4 })
      await relay.tick()
      const { asOfMs } = await world.watermark()
      commitMany(world, 23)
      world.database.failPages = 1
      await relay.tick()
      expect((await world.watermark()).asOfMs).toBe(asOfMs)
    })

    test('of a company that appears while others are far behind is not forgotten', async () => {
      const world = await cached()
      const relay = world.newRelay({ pageRows: 4 })
      await relay.tick()
      commitMany(world, 9)
      const late = `${world.companyId}-late`
      world.database.commit(late, { a: [1n, 0n] })
      commitMany(world, 9)
      expect(await relay.tick()).toMatchObject({ ok: true, companies: 2 })
      expect(await redis().get(world.keys.watermark(late))).toContain('|s22|')
    })
  })

  describe('two relays', () => {
    test('bring every change once more or less, never back, and end at the same place', async () => {
      const seed = 20_261
      const random = seededRandom(seed)
      const world = await cached()
      const relays = [world.newRelay({ pageRows: 3 }), world.newRelay({ pageRows: 5 })]
      const versions = new Map<string, number>()
      const subscriber = redis().duplicate()
      const moves: [string, string][] = []
      subscriber.on('message', (_channel: string, message: string) => {
        const push = parsePush(message)
        if (push !== undefined && push.to !== '') moves.push([push.from, push.to])
      })
      await whenReady(subscriber)
      await subscriber.subscribe(world.keys.registersChannel(world.companyId))
      for (let round = 0; round < 40; round += 1) {
        commitMany(world, Math.floor(random.fraction() * 9))
        await Promise.all(relays.map((relay) => relay.tick()))
        for (const account of accounts) {
          const { image } = await world.get(account)
          expect(image.version).toBeGreaterThanOrEqual(versions.get(account) ?? 0)
          versions.set(account, image.version)
        }
      }
      await Promise.all(relays.map((relay) => relay.caughtUp()))
      await expectCurrent(world)
      // Every move of the watermark begins where the one before it ended.
      expect(moves.slice(1).every(([from], index) => from === moves[index]?.[1])).toBe(true)
      expect(world.renewals(), `seed ${seed}`).toEqual(['absent'])
      await subscriber.quit()
    })

    test('of which one read an older target do not pull the other back', async () => {
      const world = await cached()
      const slow = new World(redis()).newRelay({
        outbox: {
          companies: () => world.database.companies(),
          covers: (later, earlier) => world.database.covers(later, earlier),
          onWake: (wake) => world.database.onWake(wake),
          page: (query) => world.database.page(query),
          tick: async (query) => {
            const tick = await world.database.tick(query)
            commitMany(world, 3)
            await world.relay.tick()
            return tick
          },
        },
      })
      expect(await slow.tick()).toMatchObject({ ok: true })
      expect(await world.watermark()).toMatchObject({ position: 's6', asOfMs: world.database.asOfMs })
      await slow.tick()
      expect(await world.watermark()).toMatchObject({ position: 's9', asOfMs: world.database.asOfMs })
      await expectCurrent(world)
    })

    test('at once on a fresh company start one generation', async () => {
      const world = new World(redis())
      world.commit({ a: [1n, 0n] })
      const relays = [world.newRelay(), world.newRelay(), world.newRelay()]
      await Promise.all(relays.map((relay) => relay.tick()))
      expect(world.renewals()).toEqual(['absent'])
    })
  })

  describe('a running relay', () => {
    test('is woken by a commit, and has brought everything that was committed before caughtUp was called', async () => {
      const world = await cached()
      await using relay = world.newRelay({ pollMs: 60_000, heartbeatMs: 60_000 })
      relay.start()
      await relay.caughtUp()
      commitMany(world, 7)
      await expect.poll(async () => (await world.watermark()).position).toBe('s10')
      commitMany(world, 2)
      await relay.caughtUp()
      await expectCurrent(world)
    })

    test('says that it is behind when the outbox cannot be read', async () => {
      const world = await cached()
      world.database.tick = () => Promise.reject(new RangeError('the database is down'))
      const waiting = world.relay.caughtUp({ deadlineMs: 50 })
      await expect(waiting).rejects.toMatchObject({ code: 'RELAY_BEHIND', retryable: true })
    })

    test('can be closed twice, and then refuses to go on', async () => {
      const world = await cached()
      world.relay.start()
      await Promise.all([world.relay.close(), world.relay.close()])
      await expect(world.relay.tick()).rejects.toMatchObject({ code: 'CLOSED' })
      expect(() => world.relay.start()).toThrow(expect.objectContaining({ code: 'CLOSED' }))
    })
  })
}
