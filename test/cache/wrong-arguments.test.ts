/** What is no option or part of the cache is refused in words, and no error of the language comes out. */

import { Invalidator, pagedSource, ReadThrough, Warmer } from '@kerp/cache'
import { createKeys } from '@kerp/keys'
import { erpEvents } from '@kerp/pubsub'
import { mockRedis } from '@kerp/redis/testing'
import { refusedInWords } from '../support/refused-in-words.js'

const redis = mockRedis()
const cache = new ReadThrough({ redis, keys: createKeys() })

refusedInWords([
  ['a cache without options', (wrong) => new ReadThrough(wrong), undefined, 'options'],
  ['a cache without keys', (wrong) => new ReadThrough(wrong), { redis }, 'keys'],
  ['an invalidator without options', (wrong) => new Invalidator(wrong), undefined, 'options'],
  ['an invalidator without events', (wrong) => new Invalidator(wrong), { cache, rules: {} }, 'events'],
  ['an invalidator without rules', (wrong) => new Invalidator(wrong), { cache, events: erpEvents }, 'rules'],
  [
    'an invalidator of no cache',
    (wrong) => new Invalidator(wrong),
    { events: erpEvents, rules: {} },
    'cache',
  ],
  ['a warmer without options', (wrong) => new Warmer(wrong), undefined, 'options'],
  ['a warmer without sources', (wrong) => new Warmer(wrong), { redis }, 'sources'],
  ['a warmer of nothing', (wrong) => new Warmer(wrong), { redis, sources: [null] }, 'sources'],
  ['a paged source without options', (wrong) => pagedSource(wrong), undefined, 'options'],
  ['a paged source without pages', (wrong) => pagedSource(wrong), { name: 'n' }, 'pages'],
])
