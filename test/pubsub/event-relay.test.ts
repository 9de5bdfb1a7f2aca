/** The event relay on the double of Redis: each committed event once and in order, whatever goes back or vanishes. */

import { faulty, manualClock, recordingObserver } from '@kerp/core/testing'
import { createKeys } from '@kerp/keys'
import { EventRelay, type EventRelayOptions } from '@kerp/pubsub'
import { mockRedis } from '@kerp/redis/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import { MemoryEventLog } from './memory-event-log.js'
import { StreamReader, upTo } from './stream-reader.js'

const keys = createKeys()

function world(more: Partial<EventRelayOptions> = {}) {
  const redis = mockRedis()
  const source = new MemoryEventLog()
  const companyId = freshCompany()
  const observer = recordingObserver()
  const newRelay = (options: Partial<EventRelayOptions> = {}) => {
    const relay = new EventRelay({ redis, keys, source, observer, ...more, ...options })
    onTestFinished(() => relay.close())
    return relay
  }
  const reader = new StreamReader(redis, companyId)
  return { redis, source, companyId, observer, newRelay, reader, relay: newRelay() }
}

describe('the event relay', () => {
  it('publishes what was committed, once and in order, page by page', async () => {
    const { source, companyId, relay, reader, observer } = world({ pageEvents: 7, advanceMax: 10 })
    source.commit(companyId, 95)
    while (!(await relay.tick()).ok);
    expect(await reader.read()).toEqual(upTo(95))
    expect(reader.again).toBe(0)
    expect(await relay.tick()).toMatchObject({ ok: true, events: 0, resets: 0 })
    expect(observer.of('eventRelayLag').at(-1)?.['lagMs']).toBeGreaterThanOrEqual(0)
  })

  it('goes on where another relay stopped, and two at once publish nothing twice', async () => {
    const { source, companyId, relay, newRelay, reader } = world({ pageEvents: 3 })
    const other = newRelay()
    for (let round = 0; round < 10; round += 1) {
      source.commit(companyId, 5)
      await Promise.all([relay.tick(), other.tick()])
    }
    while (!(await relay.tick()).ok);
    await relay.close()
    source.commit(companyId, 5)
    while (!(await other.tick()).ok);
    expect(await reader.read()).toEqual(upTo(55))
    expect(reader.again).toBe(0)
  })

  it('brings a Redis up to date that lost all of it, from where the log remembers, with a reset', async () => {
    const { redis, source, companyId, relay, reader } = world()
    source.commit(companyId, 10)
    await relay.tick()
    await reader.read()
    await redis.flushall()
    source.commit(companyId, 10)
    expect(await relay.tick()).toMatchObject({ ok: true, resets: 1 })
    expect(await reader.read()).toEqual(upTo(20))
    // An idle company, too, has its watermark again.
    await redis.flushall()
    expect(await relay.tick()).toMatchObject({ ok: true, resets: 1 })
    source.commit(companyId, 1)
    await relay.tick()
    expect(await reader.read()).toEqual(upTo(21))
  })

  it('publishes again what a Redis that went back had forgotten, without a reset', async () => {
    const { redis, source, companyId, relay, reader } = world()
    source.commit(companyId, 10)
    await relay.tick()
    const watermark = (await redis.get(keys.eventsWatermark(companyId))) ?? ''
    const stream = await redis.xrange(keys.eventsStream(companyId), '-', '+')
    source.commit(companyId, 10)
    await relay.tick()
    await reader.read()
    await redis.flushall()
    await redis.set(keys.eventsWatermark(companyId), watermark)
    for (const [id, fields] of stream) await redis.xadd(keys.eventsStream(companyId), id, ...fields)
    source.commit(companyId, 5)
    expect(await relay.tick()).toMatchObject({ ok: true, resets: 0, events: 15 })
    expect(await reader.read()).toEqual(upTo(25))
  })

  it('begins anew when the database went back, at what is left of its log', async () => {
    const { source, companyId, relay, reader } = world()
    source.commit(companyId, 10)
    await relay.tick()
    expect(await reader.read()).toEqual(upTo(10))
    source.goBack(companyId, 6, 'e2')
    source.commit(companyId, 2)
    expect(await relay.tick()).toMatchObject({ ok: true, resets: 1 })
    await reader.read()
    // Positions 7 and 8 name other events now: who knows events by id needs the reset to tell.
    expect(reader).toMatchObject({ resets: 2, again: 2 })
  })

  it('does not undo what a relay did that already knows the newer database', async () => {
    const { redis, source, companyId, relay, newRelay } = world()
    source.commit(companyId, 3)
    await relay.tick()
    const old = new MemoryEventLog()
    old.commit(companyId, 3)
    const late = newRelay({ source: old })
    await late.tick()
    source.epoch = 'e2'
    await relay.tick()
    const before = await redis.get(keys.eventsWatermark(companyId))
    const { target } = faulty(old, [])
    const stale = newRelay({ source: Object.assign(target, { read: source.read.bind(source) }) })
    old.commit(companyId, 1)
    expect(await stale.tick()).toMatchObject({ ok: false, error: { code: 'EVENT_EPOCH_MOVED' } })
    expect(await redis.get(keys.eventsWatermark(companyId))).toBe(before)
  })

  it('says when events were trimmed before they were published, and goes on behind them', async () => {
    const { source, companyId, relay, reader } = world()
    source.commit(companyId, 3)
    await relay.tick()
    source.commit(companyId, 7)
    await source.advance({ limit: 100 })
    source.trim(companyId, 8)
    expect(await relay.tick()).toMatchObject({ ok: true, resets: 1 })
    expect(await reader.read()).toEqual(['1', '2', '3', '9', '10'])
  })

  it('sends an event that cannot be written without its payload, and those behind it whole', async () => {
    const { redis, source, companyId, relay, reader, observer } = world()
    source.commit(companyId, 2)
    source.commit(companyId, 1, 'x'.repeat(70_000))
    source.commit(companyId, 2)
    expect(await relay.tick()).toMatchObject({ ok: true, events: 5 })
    expect(await reader.read()).toEqual(upTo(5))
    const entries = await redis.xrange(keys.eventsStream(companyId), '-', '+')
    const texts = entries
      .map(([, fields]) => fields[fields.indexOf('e') + 1] ?? '')
      .filter((text) => !text.startsWith('@'))
      .map((text) => text.split('|').slice(4).join('|'))
    expect(texts.map((text) => (JSON.parse(text) as unknown) === null)).toEqual([
      false,
      false,
      true,
      false,
      false,
    ])
    expect(observer.of('backgroundError')).toContainEqual(
      expect.objectContaining({ source: 'EventRelay', code: 'EVENT_INVALID' }),
    )
  })

  it('remembers in the log how far it came, so that nothing is trimmed before', async () => {
    const { source, companyId, relay } = world()
    source.commit(companyId, 4)
    await relay.tick()
    await relay.close()
    expect(await source.positions('redis')).toEqual([{ companyId, position: '4' }])
  })

  it('publishes at a wake-up, polls without one, and rests longer and longer while Redis is away', async () => {
    const clock = manualClock()
    const redis = mockRedis()
    const source = new MemoryEventLog()
    const observer = recordingObserver()
    const companyId = freshCompany()
    const { target, plan } = faulty(source, ['advance'])
    const relay = new EventRelay({ redis, keys, source: target, observer, clock, backoffMsMax: 2_000 })
    onTestFinished(() => relay.close())
    const reader = new StreamReader(redis, companyId)
    relay.start()
    await clock.advance(50)
    source.commit(companyId, 1)
    await clock.advance(10)
    expect(await reader.read()).toEqual(upTo(1))
    plan.fail = new TypeError('away')
    const before = observer.of('eventRelayTick').length
    await clock.advance(20_000)
    const tries = observer.of('eventRelayTick').length - before
    expect(tries).toBeGreaterThan(5)
    expect(tries).toBeLessThan(200)
    expect(observer.of('eventRelayLag').at(-1)?.['lagMs']).toBeGreaterThan(10_000)
    plan.fail = undefined
    source.commit(companyId, 1)
    await clock.advance(5_000)
    expect(await reader.read()).toEqual(upTo(2))
  })
})
