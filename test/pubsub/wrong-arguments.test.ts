/** What is no option, port or event is refused in words, and no error of the language comes out. */

import { createKeys } from '@kerp/keys'
import { LiveHub, LogFeed } from '@kerp/live'
import {
  Consumer,
  defineEvents,
  encodeEvent,
  erpEvents,
  EventRelay,
  Publisher,
  Subscriber,
} from '@kerp/pubsub'
import { mockRedis } from '@kerp/redis/testing'
import { refusedInWords, type WrongCall } from '../support/refused-in-words.js'

const usual = { redis: mockRedis(), keys: createKeys(), events: erpEvents }
const { redis, keys, events } = usual
const onEvents = (): void => undefined

/** Programs without types give whatever they have. */
const CALLS: readonly WrongCall[] = [
  ['a hub without options', (wrong) => new LiveHub(wrong), undefined, 'options'],
  ['a hub without a feed', (wrong) => new LiveHub(wrong), {}, 'feed'],
  [
    'a hub without topics',
    (wrong) => new LiveHub(wrong),
    { feed: { open: onEvents, read: onEvents } },
    'topics',
  ],
  ['a feed without options', (wrong) => new LogFeed(wrong), undefined, 'options'],
  ['a feed of an address', (wrong) => new LogFeed(wrong), { source: 'postgres://user:secret@db' }, 'source'],
  ['a publisher without options', (wrong) => new Publisher(wrong), undefined, 'options'],
  ['a publisher without keys', (wrong) => new Publisher(wrong), { redis, events }, 'keys'],
  ['a publisher without events', (wrong) => new Publisher(wrong), { redis, keys }, 'events'],
  ['a subscriber without options', (wrong) => new Subscriber(wrong), undefined, 'options'],
  ['a subscriber without events', (wrong) => new Subscriber(wrong), { redis, keys }, 'events'],
  ['a consumer without options', (wrong) => new Consumer(wrong), undefined, 'options'],
  [
    'a consumer without a handler',
    (wrong) => new Consumer(wrong),
    { ...usual, group: 'g', companies: [] },
    'handler',
  ],
  [
    'a consumer without companies',
    (wrong) => new Consumer(wrong),
    { ...usual, group: 'g', handler: onEvents },
    'companies',
  ],
  ['a relay without options', (wrong) => new EventRelay(wrong), undefined, 'options'],
  [
    'a relay of a source that cannot remember',
    (wrong) => new EventRelay(wrong),
    { redis, keys, source: {} },
    'source',
  ],
  ['a map of nothing', (wrong) => defineEvents(wrong), undefined, 'options'],
  ['an event that is none', (wrong) => encodeEvent(events, wrong), null, 'event'],
  ['publish without an event', (wrong) => new Publisher(usual).publish(wrong), undefined, 'event'],
  ['publishMany without a list', (wrong) => new Publisher(usual).publishMany(wrong), undefined, 'events'],
  ['publishMany of nothing', (wrong) => new Publisher(usual).publishMany(wrong), [null], 'event'],
  [
    'subscribe without options',
    (wrong) => new Subscriber(usual).subscribe(wrong, { onEvents }),
    undefined,
    'options',
  ],
  [
    'subscribe without handlers',
    (wrong) => new Subscriber(usual).subscribe({ companyId: 'c1', from: 'now' }, wrong),
    undefined,
    'handlers.onEvents',
  ],
  [
    'subscribe to a text in place of a list',
    (wrong) => new Subscriber(usual).subscribe({ companyId: 'c1', from: 'now', types: wrong }, { onEvents }),
    'events:notification',
    'types',
  ],
  [
    'subscribeAll without options',
    (wrong) => new Subscriber(usual).subscribeAll(wrong, { onEvents }),
    null,
    'options',
  ],
]

refusedInWords(CALLS)
