/**
 * Master data (기준정보): the accounts and warehouses of each company, read through the cache.
 *
 * They hardly change; when they do, the change and a notification that names it are one transaction, and every
 * process that hears of it voids what it has.
 */

import type { CachedValues, InvalidationRules, ReadThrough } from '@kerp/cache'
import { InvalidInputError, jsonCodec } from '@kerp/core'
import {
  type Account,
  Accounts,
  type DatabasePool,
  type DefineOptions,
  type EventLog,
  type ListedAccount,
  type Outbox,
  type Warehouse,
  Warehouses,
} from '@kerp/postgres'
import type { ErpEventSchemas } from '@kerp/pubsub'

/** What master data is made of. */
export interface MasterDataOptions {
  readonly pool: DatabasePool
  readonly cache: ReadThrough
  /** Where others hear of a change. */
  readonly events: Pick<EventLog, 'appendWithin'>
  /** Where relays hear of a company. */
  readonly outbox: Pick<Outbox, 'invalidateWithin'>
}

/** The kinds; each is a tag of what is made from it. */
type MasterKind = 'accounts' | 'warehouses'

interface CompanyRef {
  readonly companyId: string
}

const KINDS: readonly MasterKind[] = ['accounts', 'warehouses']

/** How late a process may be that has not heard of a change. */
const LOCAL = { ttlMs: 1_000, entriesMax: 100 } as const

/** A notification that says which master data changed voids what is made from it. */
export const masterDataRules = Object.freeze({
  'events:notification': ({ payload }) => ({ tags: changedBy(payload) }),
} satisfies InvalidationRules<ErpEventSchemas>)

/** Reads master data through the cache, and defines it. */
export class MasterData {
  readonly #accounts: Accounts
  readonly #warehouses: Warehouses
  readonly #events: MasterDataOptions['events']
  readonly #outbox: MasterDataOptions['outbox']
  readonly #cache: ReadThrough
  readonly #cachedAccounts: CachedValues<CompanyRef, readonly ListedAccount[]>
  readonly #cachedWarehouses: CachedValues<CompanyRef, readonly Warehouse[]>

  constructor({ pool, cache, events, outbox }: MasterDataOptions) {
    this.#accounts = new Accounts({ pool })
    this.#warehouses = new Warehouses({ pool })
    this.#events = events
    this.#outbox = outbox
    this.#cache = cache
    const of = (kind: MasterKind) => ({
      type: 'master_data',
      key: ({ companyId }: CompanyRef) => cache.keys.cached({ companyId, type: 'master', id: kind }),
      tags: () => [kind],
      local: LOCAL,
    })
    this.#cachedAccounts = cache.define({
      ...of('accounts'),
      load: ({ companyId }) => this.#accounts.list(companyId),
      codec: jsonCodec({ version: 1, check: listOf<ListedAccount>(['code', 'name', 'kind']) }),
    })
    this.#cachedWarehouses = cache.define({
      ...of('warehouses'),
      load: ({ companyId }) => this.#warehouses.list(companyId),
      codec: jsonCodec({ version: 1, check: listOf<Warehouse>(['code', 'name']) }),
    })
  }

  /** The chart of a company, by code. */
  async accounts(companyId: string): Promise<readonly ListedAccount[]> {
    return (await this.#cachedAccounts.get({ companyId })) ?? []
  }

  /** The warehouses of a company, by code. */
  async warehouses(companyId: string): Promise<readonly Warehouse[]> {
    return (await this.#cachedWarehouses.get({ companyId })) ?? []
  }

  /** Adds and changes accounts; those that are there as given are left alone, and nobody is told. */
  async defineAccounts(companyId: string, accounts: readonly Account[]): Promise<void> {
    const before = await this.#accounts.list(companyId)
    await this.#accounts.define(companyId, accounts, this.#telling(companyId, 'accounts', before))
    this.#void(companyId, 'accounts')
  }

  /** The same for warehouses. */
  async defineWarehouses(companyId: string, warehouses: readonly Warehouse[]): Promise<void> {
    const before = await this.#warehouses.list(companyId)
    await this.#warehouses.define(companyId, warehouses, this.#telling(companyId, 'warehouses', before))
    this.#void(companyId, 'warehouses')
  }

  /** Loads what is not cached, ahead of its readers; returns how many. */
  async fill(companyId: string): Promise<number> {
    const refs = [{ companyId }]
    return (await this.#cachedAccounts.fill(refs)) + (await this.#cachedWarehouses.fill(refs))
  }

  /**
   * The first definition of a company is told to relays alone, so that its balances are cached before its first
   * voucher; nobody else could have anything older.
   */
  #telling(companyId: string, kind: MasterKind, before: readonly unknown[]): DefineOptions {
    if (before.length === 0) {
      return { whenChanged: (queryable) => this.#outbox.invalidateWithin(queryable, { companyId }) }
    }
    const message = kind === 'accounts' ? '계정과목이 바뀌었습니다.' : '창고가 바뀌었습니다.'
    const payload = { level: 'info', message, changed: kind }
    const event = { companyId, type: 'events:notification', about: kind, payload }
    return { whenChanged: (queryable) => this.#events.appendWithin(queryable, event) }
  }

  /** Only so that this process sees it sooner: what fails here, the event repeats. */
  #void(companyId: string, kind: MasterKind): void {
    this.#cache.invalidateTags(companyId, [kind]).catch(() => undefined)
  }
}

function changedBy(payload: object): readonly string[] {
  const changed: unknown = Reflect.get(payload, 'changed')
  return KINDS.filter((kind) => kind === changed)
}

/** Checks what came out of the cache: a list of objects with these texts. */
function listOf<T>(fields: readonly (keyof T & string)[]): (parsed: unknown) => readonly T[] {
  const isOne = (one: unknown): boolean =>
    typeof one === 'object' &&
    one !== null &&
    fields.every((field) => typeof Reflect.get(one, field) === 'string')
  return (parsed) => {
    if (Array.isArray(parsed) && parsed.every(isOne)) return parsed as readonly T[]
    throw new InvalidInputError('master data', `a list of objects with ${fields.join(', ')}`, parsed)
  }
}
