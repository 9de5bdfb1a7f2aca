/** What a host passes on from its own configuration, whether that has a value or not. */

import { join } from 'node:path'
import { BalanceCache, GuardedBalances } from '@kerp/balance-cache'
import { type CacheDefinition, ReadThrough, Warmer } from '@kerp/cache'
import { createQuorumLocks, Locks, ReservationSweeper, Stock } from '@kerp/inventory-lock'
import { createKeys } from '@kerp/keys'
import { LiveHub, LogFeed } from '@kerp/live'
import { LiveClient } from '@kerp/live/browser'
import { createMetrics } from '@kerp/metrics'
import { KerpModule, type KerpModuleOptions } from '@kerp/nestjs'
import {
  Accounts,
  ChunkLedger,
  EventLog,
  Ledger,
  Outbox,
  RegisterRows,
  Retention,
  StockLedger,
  Warehouses,
} from '@kerp/postgres'
import { Consumer, defineEvents, EventRelay, Publisher, Subscriber } from '@kerp/pubsub'
import { Realtime } from '@kerp/realtime'
import { createRedis } from '@kerp/redis'
import { mockRedis } from '@kerp/redis/testing'
import { OutboxRelay, Registers } from '@kerp/registers'
import { Batches, CpuPool, createPool } from '@kerp/worker-pool'
import pg from 'pg'
import { Registry } from 'prom-client'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { nodesOf, PACKAGE_SOURCE, parse, pathsOf, readTree } from '../tidy/source-tree.js'

const tree = readTree(join(import.meta.dirname, '../..'))
const interfaces = new Map(
  pathsOf(tree, PACKAGE_SOURCE)
    .flatMap((path) => nodesOf(parse(tree, path)).filter(ts.isInterfaceDeclaration))
    .map((node) => [node.name.text, node]),
)

/** What a constructor or a function takes. */
type OptionsOf<F> = F extends new (
  options: infer O,
) => unknown
  ? O
  : F extends (options: infer O) => unknown
    ? Exclude<O, undefined>
    : never

type Unset<O> = { readonly [Name in keyof O as object extends Pick<O, Name> ? Name : never]-?: undefined }

/** Every option that an interface lets be left out, with the value undefined: compiled only where it is taken. */
function unset<O>(name: string): Unset<O> {
  return Object.fromEntries(optionalNames(name).map((option) => [option, undefined])) as Unset<O>
}

function optionalNames(name: string): readonly string[] {
  const node = interfaces.get(name)
  if (node === undefined) throw new Error(`there is no interface ${name}`)
  const bases = (node.heritageClauses ?? []).flatMap(({ types }) =>
    types.map((type) => type.expression.getText()),
  )
  return [
    ...bases.flatMap(optionalNames),
    ...node.members
      .filter(({ questionToken }) => questionToken !== undefined)
      .map((member) => member.name?.getText() ?? ''),
  ]
}

const redis = mockRedis()
const keys = createKeys()
const pool = new pg.Pool({ max: 2 })
const source = new RegisterRows({ pool })
const outbox = new Outbox({ pool })
const registers = new Registers({ redis, keys, source })
const events = defineEvents({})
const nothing = (): Promise<undefined> => Promise.resolve(undefined)

/** By the name of the options: what takes them. */
const constructions: Readonly<Record<string, () => unknown>> = {
  AccountsOptions: () => new Accounts({ pool, ...unset<OptionsOf<typeof Accounts>>('AccountsOptions') }),
  BalanceCacheOptions: () =>
    new BalanceCache({ registers, source, ...unset<OptionsOf<typeof BalanceCache>>('BalanceCacheOptions') }),
  BatchesOptions: () =>
    new Batches({
      ledger: new ChunkLedger({ pool }),
      batches: [],
      ...unset<OptionsOf<typeof Batches>>('BatchesOptions'),
    }),
  CacheDefinition: () =>
    new ReadThrough({ redis, keys }).define({
      ...unset<CacheDefinition<string, string>>('CacheDefinition'),
      type: 'dashboard',
      key: (companyId: string) => keys.dashboard({ companyId, type: 'sales' }),
      load: nothing,
      codec: { encode: String, decode: String },
    }),
  ChunkLedgerOptions: () =>
    new ChunkLedger({ pool, ...unset<OptionsOf<typeof ChunkLedger>>('ChunkLedgerOptions') }),
  ConsumerOptions: () =>
    new Consumer({
      redis,
      keys,
      events,
      group: 'g',
      handler: nothing,
      companies: [],
      ...unset<OptionsOf<typeof Consumer>>('ConsumerOptions'),
    }),
  CpuPoolOptions: () =>
    new CpuPool({ entry: import.meta.url, ...unset<OptionsOf<typeof CpuPool>>('CpuPoolOptions') }),
  CreateRedisOptions: () =>
    createRedis({ ...unset<OptionsOf<typeof createRedis>>('CreateRedisOptions'), lazyConnect: true }),
  EventLogOptions: () => new EventLog({ pool, ...unset<OptionsOf<typeof EventLog>>('EventLogOptions') }),
  EventRelayOptions: () =>
    new EventRelay({
      redis,
      keys,
      source: new EventLog({ pool }),
      ...unset<OptionsOf<typeof EventRelay>>('EventRelayOptions'),
    }),
  GuardedBalancesOptions: () =>
    new GuardedBalances({
      redis,
      keys,
      source: { load: () => Promise.resolve([]) },
      ...unset<OptionsOf<typeof GuardedBalances>>('GuardedBalancesOptions'),
    }),
  KerpModuleOptions: () =>
    KerpModule.forRoot(new Realtime({ redis, pool }), unset<KerpModuleOptions>('KerpModuleOptions')),
  KeysOptions: () => createKeys(unset<OptionsOf<typeof createKeys>>('KeysOptions')),
  LedgerOptions: () => new Ledger({ pool, ...unset<OptionsOf<typeof Ledger>>('LedgerOptions') }),
  LiveClientOptions: () =>
    new LiveClient({
      url: 'wss://localhost/live',
      ticket: () => Promise.resolve(''),
      ...unset<OptionsOf<typeof LiveClient>>('LiveClientOptions'),
    }),
  LiveHubOptions: () =>
    new LiveHub({
      feed: new LogFeed({ source: new EventLog({ pool }) }),
      topics: { log: { kind: 'log', item: String } },
      snapshot: () => Promise.resolve({}),
      admit: nothing,
      ...unset<OptionsOf<typeof LiveHub>>('LiveHubOptions'),
    }),
  LocksOptions: () => new Locks({ redis, keys, ...unset<OptionsOf<typeof Locks>>('LocksOptions') }),
  LogFeedOptions: () =>
    new LogFeed({ source: new EventLog({ pool }), ...unset<OptionsOf<typeof LogFeed>>('LogFeedOptions') }),
  MetricsOptions: () =>
    createMetrics({ registry: new Registry(), ...unset<OptionsOf<typeof createMetrics>>('MetricsOptions') }),
  OutboxOptions: () => new Outbox({ pool, ...unset<OptionsOf<typeof Outbox>>('OutboxOptions') }),
  OutboxRelayOptions: () =>
    new OutboxRelay({ redis, keys, outbox, ...unset<OptionsOf<typeof OutboxRelay>>('OutboxRelayOptions') }),
  PoolOptions: () => createPool({ name: 'p', ...unset<OptionsOf<typeof createPool>>('PoolOptions') }),
  PublisherOptions: () =>
    new Publisher({ redis, keys, events, ...unset<OptionsOf<typeof Publisher>>('PublisherOptions') }),
  QuorumLocksOptions: () =>
    createQuorumLocks({
      nodes: [redis, redis, redis],
      keys,
      ...unset<OptionsOf<typeof createQuorumLocks>>('QuorumLocksOptions'),
    }),
  ReadThroughOptions: () =>
    new ReadThrough({ redis, keys, ...unset<OptionsOf<typeof ReadThrough>>('ReadThroughOptions') }),
  RealtimeOptions: () =>
    new Realtime({ redis, pool, ...unset<OptionsOf<typeof Realtime>>('RealtimeOptions') }),
  RegisterRowsOptions: () =>
    new RegisterRows({ pool, ...unset<OptionsOf<typeof RegisterRows>>('RegisterRowsOptions') }),
  RegistersOptions: () =>
    new Registers({ redis, keys, source, ...unset<OptionsOf<typeof Registers>>('RegistersOptions') }),
  ReservationSweeperOptions: () =>
    new ReservationSweeper({
      stock: { expire: () => Promise.resolve({ expired: 0, isMore: false }) },
      ...unset<OptionsOf<typeof ReservationSweeper>>('ReservationSweeperOptions'),
    }),
  RetentionOptions: () =>
    new Retention({ outbox, ...unset<OptionsOf<typeof Retention>>('RetentionOptions') }),
  StockLedgerOptions: () =>
    new StockLedger({ pool, ...unset<OptionsOf<typeof StockLedger>>('StockLedgerOptions') }),
  StockOptions: () =>
    new Stock({
      store: new StockLedger({ pool }),
      registers,
      source,
      ...unset<OptionsOf<typeof Stock>>('StockOptions'),
    }),
  SubscriberOptions: () =>
    new Subscriber({ redis, keys, events, ...unset<OptionsOf<typeof Subscriber>>('SubscriberOptions') }),
  WarehousesOptions: () =>
    new Warehouses({ pool, ...unset<OptionsOf<typeof Warehouses>>('WarehousesOptions') }),
  WarmerOptions: () =>
    new Warmer({ redis, sources: [], ...unset<OptionsOf<typeof Warmer>>('WarmerOptions') }),
}

test.each(Object.entries(constructions))('%s that are undefined are options left out', (_, construct) => {
  expect(construct).not.toThrow()
})
