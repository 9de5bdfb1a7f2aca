/** What is no option, resource or section is refused in words, and no error of the language comes out. */

import { createQuorumLocks, Locks, ReservationSweeper, Stock } from '@kerp/inventory-lock'
import { createKeys } from '@kerp/keys'
import { mockRedis } from '@kerp/redis/testing'
import { refusedInWords } from '../support/refused-in-words.js'

const usual = { redis: mockRedis(), keys: createKeys() }
const locks = new Locks(usual)
const section = (): Promise<number> => Promise.resolve(1)
const store = { adjust: section }

refusedInWords([
  ['locks without options', (wrong) => new Locks(wrong), undefined, 'options'],
  ['locks without keys', (wrong) => new Locks(wrong), { redis: usual.redis }, 'keys'],
  ['locks of an address', (wrong) => new Locks(wrong), { ...usual, redis: 'redis://u:secret@h' }, 'redis'],
  ['a quorum without options', (wrong) => createQuorumLocks(wrong), undefined, 'options'],
  ['a quorum without nodes', (wrong) => createQuorumLocks(wrong), usual, 'nodes'],
  ['stock without options', (wrong) => new Stock(wrong), undefined, 'options'],
  ['stock without a store', (wrong) => new Stock(wrong), {}, 'store'],
  ['stock without registers', (wrong) => new Stock(wrong), { store }, 'registers'],
  ['a sweeper without options', (wrong) => new ReservationSweeper(wrong), undefined, 'options'],
  ['a sweeper without stock', (wrong) => new ReservationSweeper(wrong), {}, 'stock'],
  ['acquire without a resource', (wrong) => locks.acquire(wrong), undefined, 'resource'],
  ['acquire without a company', (wrong) => locks.acquire(wrong), { type: 'item', id: 'A' }, 'companyId'],
  [
    'acquire with null for options',
    (wrong) => locks.acquire({ companyId: 'c1', type: 'item', id: 'A' }, wrong),
    null,
    'options',
  ],
  ['tryAcquire without a resource', (wrong) => locks.tryAcquire(wrong), undefined, 'resource'],
  ['acquireAll without a list', (wrong) => locks.acquireAll(wrong), undefined, 'resources'],
  ['acquireAll of nothing', (wrong) => locks.acquireAll(wrong), [null], 'resource'],
  ['withLocks of one resource', (wrong) => locks.withLocks(wrong, {}, section), {}, 'resources'],
  ['list without a company', (wrong) => locks.list(wrong), undefined, 'companyId'],
  ['raiseFence without a resource', (wrong) => locks.raiseFence(wrong, '1'), undefined, 'resource'],
])
