/**
 * Builds every key, channel and stream name that the library uses, scoped to a company.
 *
 * All names of a company carry `{companyId}` as hash tag, so that one script may touch any of them in a Redis
 * Cluster, and no two companies can share a name. `parseKey` reads them back.
 */

import { type RegisterRef, textOption } from '@kerp/core'
import { InvalidKeyError } from './errors.js'
import {
  encodeFiscalYear,
  encodePart,
  isCompanyId,
  isFiscalYearText,
  isPlainPart,
  KEY_BYTES_MAX,
  NAMESPACE_PATTERN,
  TAG_BYTES_MAX,
  validateCompanyId,
} from './key-grammar.js'
import { hashParameters } from './parameter-hash.js'

declare const keyBrand: unique symbol
declare const channelBrand: unique symbol

/** A Redis key, made by `Keys`. */
export type Key = string & { readonly [keyBrand]: true }

/** A Redis Pub/Sub channel, made by `Keys`. It lies in the slot of its company, for sharded Pub/Sub. */
export type Channel = string & { readonly [channelBrand]: true }

/** Names a balance: an account of a company in a fiscal year from 1 to 9999. */
export interface BalanceKeyParts {
  readonly companyId: string
  readonly account: string
  readonly fiscalYear: number
}

/** Names a stock figure: an item of a company in a warehouse. */
export interface InventoryKeyParts {
  readonly companyId: string
  readonly item: string
  readonly warehouse: string
}

/** Names what a lock protects: the kind of thing and its id. */
export interface LockKeyParts {
  readonly companyId: string
  readonly type: string
  readonly id: string
}

/** Names whose calls of which endpoint are counted. */
export interface RateLimitKeyParts {
  readonly companyId: string
  readonly user: string
  readonly endpoint: string
}

/** Names a computed report by everything that it was computed from; see `hashParameters`. */
export interface ReportKeyParts {
  readonly companyId: string
  readonly type: string
  readonly parameters: object
}

/** Names a dashboard of a company. */
export interface DashboardKeyParts {
  readonly companyId: string
  readonly type: string
}

/** Names a cached value that has no family of its own: master data, statistics, and what a host adds. */
export interface CachedKeyParts {
  readonly companyId: string
  readonly type: string
  readonly id: string
}

/** Names what many cached values of a company have in common. */
export interface CacheTagKeyParts {
  readonly companyId: string
  readonly tag: string
}

/** Names a durable consumer group of a company's events. */
export interface ConsumerKeyParts {
  readonly companyId: string
  readonly group: string
}

/**
 * The key builder. Every method is injective (up to Unicode NFC) and costs no I/O.
 *
 * Every method throws `InvalidKeyError` (`INVALID_KEY`, not retryable) for a tenant id, part or year that it
 * refuses. The key of parts that it takes always fits into 1,024 bytes.
 */
export interface Keys {
  /** `balance:{C}:ACCOUNT:YEAR` */
  balance(parts: BalanceKeyParts): Key
  /** `inventory:{C}:ITEM:WAREHOUSE` */
  inventory(parts: InventoryKeyParts): Key
  /** `lock:{C}:TYPE:ID` */
  lock(parts: LockKeyParts): Key
  /** `rate:{C}:USER:ENDPOINT` */
  rateLimit(parts: RateLimitKeyParts): Key
  /** `report:{C}:TYPE:HASH` */
  report(parts: ReportKeyParts): Key
  /** `dashboard:{C}:TYPE` */
  dashboard(parts: DashboardKeyParts): Key
  /** `session:{S}`: a session belongs to no company and has a slot of its own. */
  session(sessionId: string): Key
  /** `cache:{C}:TYPE:ID`: any other value that is read through. */
  cached(parts: CachedKeyParts): Key
  /** `generation:{C}`: which cached values of the company are valid at all. */
  cacheGeneration(companyId: string): Key
  /** `tag:{C}:TAG`: which cached values with this tag are valid. */
  cacheTag(parts: CacheTagKeyParts): Key
  /** `lease:{C}:FAMILY:…`: the right to fill a key of this builder, in its slot. */
  lease(key: Key): Key
  /** The balance or inventory key of a register; the same text as `balance` and `inventory` give. */
  register(ref: RegisterRef): Key
  /** `watermark:{C}`: how far the relay got in this company's registers. Never expires. */
  watermark(companyId: string): Key
  /** `channel:{C}:registers`: new values of registers. */
  registersChannel(companyId: string): Channel
  /** `trust:{relay}:probes`: the newest probe of each process that reads; shared by all companies. */
  trustProbes(): Key
  /** `trust:{relay}:heartbeats`: what relays tell all processes; shared by all companies. */
  trustChannel(): Channel
  /** `channel:{C}:events`: events as they happen. */
  eventsChannel(companyId: string): Channel
  /** `stream:{C}:events`: the events that are kept. */
  eventsStream(companyId: string): Key
  /** `watermark:{C}:events`: how far the company's events got, and the last id of its stream. Never expires. */
  eventsWatermark(companyId: string): Key
  /** `seen:{C}:recent`: ids of events that were published lately, so that none is published twice. */
  eventsSeen(companyId: string): Key
  /** `seen:{C}:older`: those before them. */
  eventsSeenBefore(companyId: string): Key
  /** `companies:{events}:known`: every company that ever had an event; one for all companies. */
  eventsCompanies(): Key
  /** `companies:{events}:list`: the same, in the order in which they came. */
  eventsCompanyList(): Key
  /** `companies:{events}:found`: a company came that was not known; one for all companies. */
  eventsCompaniesChannel(): Channel
  /** `consumer:{C}:GROUP`: which process handles the company's events for a group now. */
  eventsConsumer(parts: ConsumerKeyParts): Key
  /** `dead:{C}:GROUP`: the events that a group could not handle, a stream. */
  deadEvents(parts: ConsumerKeyParts): Key
}

/** What `createKeys` takes. */
export interface KeysOptions {
  /**
   * Stands in front of every name, for several installations on one Redis: up to 32 of `A-Z a-z 0-9 . _ -`,
   * the first a letter or digit. Without it nothing stands in front.
   */
  readonly namespace?: string | undefined
}

/**
 * A key builder; processes that share data must give the same namespace.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION` for a namespace that could not be read back.
 * @example
 * createKeys().balance({ companyId: 'c1', account: '1101', fiscalYear: 2026 }) // 'balance:{c1}:1101:2026'
 */
export function createKeys(options: KeysOptions = {}): Keys {
  const prefix = resolvePrefix(options)
  const register = registerKeys(prefix)
  let frame: { readonly companyId: string; readonly type: string; readonly head: string } | undefined

  function company(family: string, companyId: unknown, ...encoded: readonly string[]): Key {
    let key = `${prefix}${family}:{${validateCompanyId(companyId)}}`
    for (const part of encoded) key += `:${part}`
    return asKey(bounded(key))
  }

  return {
    balance: ({ companyId, account, fiscalYear }) =>
      company('balance', companyId, encodePart(account, 'account'), encodeFiscalYear(fiscalYear)),
    inventory: ({ companyId, item, warehouse }) =>
      company('inventory', companyId, encodePart(item, 'item'), encodePart(warehouse, 'warehouse')),
    lock({ companyId, type, id }) {
      // Locks in a row are mostly of one company and type.
      if (frame === undefined || companyId !== frame.companyId || type !== frame.type) {
        const head = `${company('lock', companyId, encodePart(type, 'type'))}:`
        frame = { companyId, type, head }
      }
      return asKey(bounded(frame.head + encodePart(id, 'id')))
    },
    rateLimit: ({ companyId, user, endpoint }) =>
      company('rate', companyId, encodePart(user, 'user'), encodePart(endpoint, 'endpoint')),
    report: ({ companyId, type, parameters }) =>
      company('report', companyId, encodePart(type, 'type'), hashParameters(parameters)),
    dashboard: ({ companyId, type }) => company('dashboard', companyId, encodePart(type, 'type')),
    session: (sessionId) => asKey(bounded(`${prefix}session:{${encodePart(sessionId, 'sessionId')}}`)),
    cached: ({ companyId, type, id }) =>
      company('cache', companyId, encodePart(type, 'type'), encodePart(id, 'id')),
    cacheGeneration: (companyId) => company('generation', companyId),
    cacheTag: ({ companyId, tag }) => company('tag', companyId, encodePart(tag, 'tag', TAG_BYTES_MAX)),
    lease: (key) => asKey(bounded(leaseText(prefix, key))),
    register: (ref) => asKey(register(ref)),
    watermark: (companyId) => company('watermark', companyId),
    registersChannel: (companyId) => asChannel(company('channel', companyId, 'registers')),
    trustProbes: () => asKey(`${prefix}trust:{relay}:probes`),
    trustChannel: () => asChannel(`${prefix}trust:{relay}:heartbeats`),
    eventsChannel: (companyId) => asChannel(company('channel', companyId, 'events')),
    eventsStream: (companyId) => company('stream', companyId, 'events'),
    eventsWatermark: (companyId) => company('watermark', companyId, 'events'),
    eventsSeen: (companyId) => company('seen', companyId, 'recent'),
    eventsSeenBefore: (companyId) => company('seen', companyId, 'older'),
    eventsCompanies: () => asKey(`${prefix}companies:{events}:known`),
    eventsCompanyList: () => asKey(`${prefix}companies:{events}:list`),
    eventsCompaniesChannel: () => asChannel(`${prefix}companies:{events}:found`),
    eventsConsumer: ({ companyId, group }) => company('consumer', companyId, encodePart(group, 'group')),
    deadEvents: ({ companyId, group }) => company('dead', companyId, encodePart(group, 'group')),
  }
}

/** What stands in the braces of these names is no company. */
const OF_NO_COMPANY: ReadonlySet<string> = new Set(['session', 'trust', 'companies'])

/** The company that a key of `createKeys` belongs to; undefined for a session's, and for what all companies share. */
export function companyOfKey(key: Key): string | undefined {
  const open = key.indexOf('{')
  const close = key.indexOf('}', open)
  const first = key.slice(key.lastIndexOf(':', open - 2) + 1, open - 1)
  // Of a lease, the family of its key stands behind the braces.
  const family = first === 'lease' ? key.slice(close + 2).split(':', 1)[0] : first
  return family === undefined || OF_NO_COMPANY.has(family) ? undefined : key.slice(open + 1, close)
}

// The family moves behind the hash tag, so that the lease can be read back and lies in the slot of its key.
function leaseText(prefix: string, key: Key): string {
  const open = key.indexOf(':{')
  const close = key.indexOf('}', open)
  if (open < 0 || close < 0 || !key.startsWith(prefix)) {
    throw new InvalidKeyError('key', 'a key of the same builder', key)
  }
  return `${prefix}lease${key.slice(open, close + 1)}:${key.slice(prefix.length, open)}${key.slice(close + 1)}`
}

function resolvePrefix(options: KeysOptions): string {
  if (options.namespace === undefined) return ''
  const rule = {
    pattern: NAMESPACE_PATTERN,
    words: 'up to 32 of A-Z a-z 0-9 . _ - starting with a letter or digit',
    fallback: '',
  }
  return `${textOption('Keys', 'namespace', options.namespace, rule)}:`
}

/** What all keys of one family, company and second part begin and end with. */
interface Frame {
  readonly family: string
  readonly companyId: string
  readonly second: string
  readonly head: string
  readonly tail: string
}

const NO_FRAME: Frame = { family: '', companyId: '', second: '', head: '', tail: '' }

// A thousand of these stand in front of every large read, nearly all of one company and year, with a first
// part that needs no encoding: these cost one test and two concatenations, and cannot exceed the length of a key.
function registerKeys(prefix: string): (ref: RegisterRef) => string {
  let frame = NO_FRAME
  return (ref) => {
    const { family, companyId, parts } = ref
    const [first, second] = parts
    if (family !== frame.family || companyId !== frame.companyId || second !== frame.second) {
      frame = frameOf(prefix, ref) ?? NO_FRAME
    }
    if (frame === NO_FRAME || !isPlainPart(first)) return encodedRegisterText(prefix, ref)
    return frame.head + first + frame.tail
  }
}

function frameOf(prefix: string, ref: RegisterRef): Frame | undefined {
  const { companyId } = ref
  const family: string = ref.family
  const [, second] = ref.parts
  const plain =
    family === 'balance' ? isFiscalYearText(second) : family === 'inventory' && isPlainPart(second)
  if (!plain || !isCompanyId(companyId)) return undefined
  return { family, companyId, second, head: `${prefix}${family}:{${companyId}}:`, tail: `:${second}` }
}

function encodedRegisterText(prefix: string, ref: RegisterRef): string {
  const family: string = ref.family
  if (family !== 'balance' && family !== 'inventory') {
    throw new InvalidKeyError('family', 'balance or inventory', family)
  }
  const [first, second] = ref.parts
  const head = encodePart(first, family === 'balance' ? 'account' : 'item')
  const tail = family === 'balance' ? yearText(second) : encodePart(second, 'warehouse')
  return bounded(`${prefix}${family}:{${validateCompanyId(ref.companyId)}}:${head}:${tail}`)
}

function yearText(value: unknown): string {
  if (isFiscalYearText(value)) return value
  throw new InvalidKeyError('fiscalYear', 'a year from 1 to 9999 as a string', value)
}

function bounded(key: string): string {
  if (key.length <= KEY_BYTES_MAX) return key
  throw new InvalidKeyError('key', `at most ${KEY_BYTES_MAX} bytes long when encoded`, key)
}

// The brands exist for the compiler alone; these two are the only places that give them.
function asKey(text: string): Key {
  return text as Key
}

function asChannel(text: string): Channel {
  return text as Channel
}
