/** Events and what is void by them. */

import { erpInvalidationRules, erpTags, Invalidator } from '@kerp/cache'
import { defineEvents, erpEvents, payloadSchema } from '@kerp/pubsub'
import { mockRedis } from '@kerp/redis/testing'
import { expect, test } from 'vitest'
import { CacheWorld } from './cache-world.js'

const events = defineEvents({
  ...erpEvents.schemas,
  'events:unit:changed': payloadSchema('the id of a unit', String),
})

function openWorld() {
  const world = new CacheWorld(mockRedis())
  const define = (type: string, tags: readonly string[]) =>
    world.define(world.cache, {
      type,
      key: ({ companyId, id }) => world.keys.cached({ companyId, type, id }),
      tags: () => tags,
    })
  const caches = {
    dashboard: define('dashboard', [erpTags.vouchers(2026)]),
    report: define('report', [erpTags.vouchers(2025), erpTags.vouchers(2026), erpTags.stock]),
    shelf: define('statistics', [erpTags.stockOf('A')]),
    unit: define('master_data', ['units']),
  }
  const invalidator = new Invalidator({
    cache: world.cache,
    events,
    rules: {
      ...erpInvalidationRules,
      'events:unit:changed': ({ companyId, payload }) => ({
        keys: [world.keys.cached({ companyId, type: 'master_data', id: payload })],
      }),
    },
  })
  /** Which of the caches load their value anew. */
  const loadedAnew = async (): Promise<readonly string[]> => {
    const found: string[] = []
    for (const [name, values] of Object.entries(caches)) {
      const before = world.loads.length
      await values.get(world.ref('x'))
      if (world.loads.length > before) found.push(name)
    }
    return found
  }
  const event = (type: string, payload: unknown) => ({
    id: '1',
    type,
    timestamp: '2026-01-31T00:00:00.000Z',
    companyId: world.companyId,
    payload: events.has(type) ? events.check(type, payload) : payload,
  })
  return { world, invalidator, loadedAnew, event }
}

const voucher = (fiscalYear: number) => ({
  id: 'V',
  date: '2026-01-31',
  fiscalYear,
  balances: [],
  readToken: 't',
})
const stock = (item: string) => ({ item, warehouse: 'W1', quantity: '1', reserved: '0', version: 1 })

test.each([
  [
    'a voucher voids the dashboard and the reports of its year',
    'events:voucher:created',
    voucher(2026),
    ['dashboard', 'report'],
  ],
  [
    'a voucher of another year voids the reports that cover it',
    'events:voucher:created',
    voucher(2025),
    ['report'],
  ],
  [
    'a movement of stock voids what is made from its item, and from all stock',
    'events:inventory:changed',
    stock('A'),
    ['report', 'shelf'],
  ],
  ['a movement of another item leaves the item alone', 'events:inventory:changed', stock('B'), ['report']],
  ['a change of master data voids by a rule of the host', 'events:unit:changed', 'x', ['unit']],
  ['an event without a rule voids nothing', 'events:notification', { level: 'info', message: 'm' }, []],
])('%s', async (_title, type, payload, expected) => {
  const { invalidator, loadedAnew, event } = openWorld()
  expect(await loadedAnew()).toEqual(['dashboard', 'report', 'shelf', 'unit'])
  await invalidator.handle(event(type, payload))
  expect(await loadedAnew()).toEqual(expected)
  expect(invalidator.types).toContain('events:voucher:created')
})

test('a thousand events of one company cost one command', async () => {
  const { world, invalidator, loadedAnew, event } = openWorld()
  await loadedAnew()
  const before = world.observer.of('redisOperation').length
  await invalidator.handleAll(
    Array.from({ length: 1_000 }, () => event('events:voucher:created', voucher(2026))),
  )
  expect(world.observer.of('redisOperation').slice(before)).toMatchObject([{ operation: 'del' }])
  expect(await loadedAnew()).toEqual(['dashboard', 'report'])
})

test('an event whose invalidation fails is told so, to come again', async () => {
  const { world, invalidator, event } = openWorld()
  const broken = new Invalidator({
    cache: Object.assign(world.newCache(), {
      invalidateTags: () => Promise.reject(new RangeError('Redis is down')),
    }),
    events: erpEvents,
    rules: erpInvalidationRules,
  })
  await expect(broken.handle(event('events:voucher:created', voucher(2026)))).rejects.toThrow('Redis is down')
  expect(invalidator.types).toHaveLength(5)
})

test('a rule about an event that does not exist is refused', () => {
  const { world } = openWorld()
  const rules = { 'events:voucher:posted': () => ({ all: true }) }
  expect(() => new Invalidator({ cache: world.cache, events, rules: rules as object })).toThrow(
    /events of the map/,
  )
})
