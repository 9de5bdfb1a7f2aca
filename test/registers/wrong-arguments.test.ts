/** What is no option or part of the registers is refused in words, and no error of the language comes out. */

import { BalanceCache, GuardedBalances } from '@kerp/balance-cache'
import { createKeys } from '@kerp/keys'
import { mockRedis } from '@kerp/redis/testing'
import { OutboxRelay, RegisterLoader, Registers, RegisterSampler } from '@kerp/registers'
import { refusedInWords } from '../support/refused-in-words.js'

const redis = mockRedis()
const usual = { redis, keys: createKeys() }

refusedInWords([
  ['registers without options', (wrong) => new Registers(wrong), undefined, 'options'],
  ['registers without keys', (wrong) => new Registers(wrong), { redis }, 'keys'],
  ['registers without a source', (wrong) => new Registers(wrong), usual, 'source'],
  [
    'registers of an address',
    (wrong) => new Registers(wrong),
    { ...usual, source: 'postgres://u:secret@h' },
    'source',
  ],
  ['a relay without options', (wrong) => new OutboxRelay(wrong), undefined, 'options'],
  ['a relay without an outbox', (wrong) => new OutboxRelay(wrong), usual, 'outbox'],
  ['a relay without keys', (wrong) => new OutboxRelay(wrong), { redis }, 'keys'],
  ['a loader without options', (wrong) => new RegisterLoader(wrong), undefined, 'options'],
  ['a sampler without options', (wrong) => new RegisterSampler(wrong), null, 'options'],
  ['balances without options', (wrong) => new BalanceCache(wrong), undefined, 'options'],
  ['balances without registers', (wrong) => new BalanceCache(wrong), {}, 'registers'],
  ['guarded balances without options', (wrong) => new GuardedBalances(wrong), undefined, 'options'],
])
