/** Reads a key, channel or stream name back into what it was built from. */

import { InvalidKeyError } from './errors.js'
import {
  decodePart,
  isCompanyId,
  isFiscalYearText,
  KEY_BYTES_MAX,
  PART_BYTES_MAX,
  TAG_BYTES_MAX,
} from './key-grammar.js'
import type {
  BalanceKeyParts,
  CachedKeyParts,
  CacheTagKeyParts,
  ConsumerKeyParts,
  DashboardKeyParts,
  InventoryKeyParts,
  LockKeyParts,
  RateLimitKeyParts,
} from './keys.js'

interface Parsed<F extends string> {
  readonly family: F
  /** What stands in front, or undefined. */
  readonly namespace: string | undefined
}

/** What a key was built from; `family` is its first word after the namespace. */
export type ParsedKey =
  | (Parsed<'balance'> & BalanceKeyParts)
  | (Parsed<'inventory'> & InventoryKeyParts)
  | (Parsed<'lock'> & LockKeyParts)
  | (Parsed<'rate'> & RateLimitKeyParts)
  | (Parsed<'report'> & DashboardKeyParts & { readonly hash: string })
  | (Parsed<'dashboard'> & DashboardKeyParts)
  | (Parsed<'session'> & { readonly sessionId: string })
  | (Parsed<'cache'> & CachedKeyParts)
  | (Parsed<'generation'> & { readonly companyId: string })
  | (Parsed<'tag'> & CacheTagKeyParts)
  | (Parsed<'lease'> & { readonly of: ParsedKey })
  | (Parsed<'watermark'> & { readonly companyId: string; readonly topic?: string | undefined })
  | (Parsed<'trust'> & { readonly topic: string })
  | (Parsed<'companies'> & { readonly topic: string })
  | (Parsed<'channel'> & { readonly companyId: string; readonly topic: string })
  | (Parsed<'stream'> & { readonly companyId: string; readonly topic: string })
  | (Parsed<'seen'> & { readonly companyId: string; readonly topic: string })
  | (Parsed<'consumer'> & ConsumerKeyParts)
  | (Parsed<'dead'> & ConsumerKeyParts)

const KEY = /^(?:([A-Za-z0-9][\w.-]{0,31}):)?([a-z]+):\{([\w.%-]+)\}((?::[\w.%-]+)*)$/
const HASH = /^[\w-]{43}$/
/** The words that may stand in a name's only part, where these are not free. */
const TOPICS: Readonly<Record<string, readonly string[]>> = {
  channel: ['registers', 'events'],
  stream: ['events'],
  watermark: ['events'],
  seen: ['recent', 'older'],
}
/** Names that belong to no company: what stands in their braces, and behind them. */
const SHARED = {
  trust: { owner: 'relay', topics: ['probes', 'heartbeats'] },
  companies: { owner: 'events', topics: ['known', 'list', 'found'] },
} as const

/**
 * The facts of a key; building it again from them gives the same key.
 *
 * @throws {InvalidKeyError} `INVALID_KEY`, not retryable, for any text that `createKeys` cannot have returned,
 * also for one that is encoded in another way.
 * @example
 * parseKey('balance:{c1}:1101:2026') // { family: 'balance', companyId: 'c1', account: '1101', fiscalYear: 2026, … }
 */
export function parseKey(key: unknown): ParsedKey {
  const found = typeof key === 'string' && key.length <= KEY_BYTES_MAX ? KEY.exec(key) : null
  const parsed = found === null ? undefined : parseFound(found)
  if (parsed === undefined) throw new InvalidKeyError('key', 'a key made by createKeys', key)
  return parsed
}

function parseFound(found: RegExpExecArray): ParsedKey | undefined {
  const [, namespace, family = '', tag = '', rest = ''] = found
  if (family === 'lease') return parseLease(namespace, tag, rest)
  const encoded = rest === '' ? [] : rest.slice(1).split(':')
  const parts = encoded.map((part) => decodePart(part, family === 'tag' ? TAG_BYTES_MAX : PART_BYTES_MAX))
  if (family === 'session') {
    const sessionId = decodePart(tag)
    return parts.length > 0 || sessionId === undefined ? undefined : { family, namespace, sessionId }
  }
  if (family === 'trust' || family === 'companies') {
    const { owner, topics } = SHARED[family]
    const topic = topics.find((word) => encoded.length === 1 && word === encoded[0])
    return tag === owner && topic !== undefined ? { family, namespace, topic } : undefined
  }
  if (!isCompanyId(tag)) return undefined
  const [first, second] = parts
  const base = { namespace, companyId: tag }
  if (parts.length === 0) {
    return family === 'watermark' || family === 'generation' ? { family, ...base } : undefined
  }
  if (first === undefined) return undefined
  if (parts.length === 1) return withOnePart(family, base, first)
  return parts.length > 2 || second === undefined ? undefined : withTwoParts(family, base, first, second)
}

// The key that it is the lease of, with its family back in front.
function parseLease(namespace: string | undefined, tag: string, rest: string): ParsedKey | undefined {
  const [, family = '', parts = ''] = /^:([a-z]+)((?::.*)?)$/.exec(rest) ?? []
  if (family === 'lease') return undefined
  const found = KEY.exec(`${namespace === undefined ? '' : `${namespace}:`}${family}:{${tag}}${parts}`)
  const of = found === null ? undefined : parseFound(found)
  return of === undefined ? undefined : { family: 'lease', namespace, of }
}

interface Base {
  readonly namespace: string | undefined
  readonly companyId: string
}

function withOnePart(family: string, base: Base, part: string): ParsedKey | undefined {
  switch (family) {
    case 'dashboard':
      return { family, ...base, type: part }
    case 'tag':
      return { family, ...base, tag: part }
    case 'consumer':
    case 'dead':
      return { family, ...base, group: part }
    case 'channel':
    case 'stream':
    case 'watermark':
    case 'seen':
      return TOPICS[family]?.includes(part) === true ? { family, ...base, topic: part } : undefined
    default:
      return undefined
  }
}

function withTwoParts(family: string, base: Base, first: string, second: string): ParsedKey | undefined {
  switch (family) {
    case 'balance':
      return isFiscalYearText(second)
        ? { family, ...base, account: first, fiscalYear: Number(second) }
        : undefined
    case 'inventory':
      return { family, ...base, item: first, warehouse: second }
    case 'cache':
      return { family, ...base, type: first, id: second }
    case 'lock':
      return { family, ...base, type: first, id: second }
    case 'rate':
      return { family, ...base, user: first, endpoint: second }
    case 'report':
      return HASH.test(second) ? { family, ...base, type: first, hash: second } : undefined
    default:
      return undefined
  }
}
