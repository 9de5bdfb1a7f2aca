/**
 * What each use of Redis needs: its commands, the keys and channels that they may touch.
 *
 * `{C}` stands for a company: one, or any. Names without it are shared by all companies.
 */

/** A use of Redis, and with it the part of this library that makes it. */
export type RedisRole =
  /** `Registers`, and what reads through it: `BalanceCache`, `Stock`. */
  | 'registers'
  /** `OutboxRelay`. */
  | 'relay'
  /** `ReadThrough`, `Invalidator`, `Warmer`. */
  | 'cache'
  /** Sessions in a `ReadThrough`; they belong to no company. */
  | 'sessions'
  /** `Locks`. */
  | 'locks'
  /** `Publisher`, `EventRelay`. */
  | 'publisher'
  /** `Subscriber`, and the live hub that it feeds. Writes nothing. */
  | 'subscriber'
  /** `Consumer`, `DeadLetters`. */
  | 'consumer'
  /** `bullmqDriver` of durable batches, whose keys belong to no company; its `prefix` is `{kerp-bullmq}` behind the namespace. */
  | 'batches'
  /** Counters of calls on `Keys.rateLimit`, for example by rate-limiter-flexible. */
  | 'rateLimits'

/** What one role may do. */
export interface RoleGrant {
  readonly commands: readonly string[]
  readonly keys: readonly string[]
  readonly channels: readonly string[]
}

/** What every connection needs: its own name, the server's health, and the way to a node of a cluster. */
export const CONNECTION_COMMANDS: readonly string[] = words(
  'ping info select client|setname cluster|slots cluster|info asking',
)

const SCRIPT = 'evalsha eval'
const CACHE_COMMANDS = words(`${SCRIPT} mget set del pttl pexpire`)
const HEARTBEATS = 'trust:{relay}:heartbeats'
const PROBES = 'trust:{relay}:probes'
const REGISTER_KEYS = ['balance:{C}:*', 'inventory:{C}:*', 'watermark:{C}']
const COMPANY_LIST = 'companies:{events}:*'
const EVENT_CHANNELS = ['channel:{C}:events', 'companies:{events}:found']

/** What each role may do; names without a namespace. */
export const ROLE_GRANTS: Readonly<Record<RedisRole, RoleGrant>> = {
  registers: {
    commands: words(
      `${SCRIPT} mget set del pttl pexpire publish subscribe unsubscribe time hset hdel hexists hlen hgetall`,
    ),
    keys: [...REGISTER_KEYS, PROBES],
    channels: ['channel:{C}:registers', HEARTBEATS],
  },
  relay: {
    commands: words(`${SCRIPT} mget set del pttl publish hgetall`),
    keys: [...REGISTER_KEYS, PROBES],
    channels: ['channel:{C}:registers', HEARTBEATS],
  },
  cache: {
    commands: CACHE_COMMANDS,
    keys: words('report:{C}:* dashboard:{C}:* cache:{C}:* generation:{C} tag:{C}:* lease:{C}:*'),
    channels: [],
  },
  sessions: {
    commands: CACHE_COMMANDS,
    keys: words('session:{*} lease:{*}:session'),
    channels: [],
  },
  locks: {
    commands: words(
      `${SCRIPT} get set getset append del exists pexpire pttl time zadd zrem zrange zrank zscore zrevrangebyscore ` +
        'zremrangebyscore publish subscribe unsubscribe',
    ),
    keys: ['lock:{C}:*'],
    channels: ['lock-wake:*'],
  },
  publisher: {
    commands: words(
      `${SCRIPT} mget set del rename pexpire sadd scard smismember xadd xdel xlen xrevrange xtrim xinfo|groups ` +
        'publish spublish',
    ),
    keys: ['stream:{C}:events', 'watermark:{C}:events', 'seen:{C}:*', COMPANY_LIST],
    channels: EVENT_CHANNELS,
  },
  subscriber: {
    commands: words('mget xrange subscribe unsubscribe ssubscribe sunsubscribe'),
    keys: ['stream:{C}:events', 'watermark:{C}:events', COMPANY_LIST],
    channels: EVENT_CHANNELS,
  },
  consumer: {
    commands: words(
      `${SCRIPT} mget set del pexpire xreadgroup xautoclaim xpending xgroup|create xinfo|groups xack xadd xdel ` +
        'xrange subscribe unsubscribe ssubscribe sunsubscribe',
    ),
    keys: ['stream:{C}:events', 'watermark:{C}:events', 'consumer:{C}:*', 'dead:{C}:*'],
    channels: EVENT_CHANNELS,
  },
  batches: {
    commands: words(
      `${SCRIPT} script|exists script|load multi exec bzpopmin del exists get hdel hexists hget hgetall hincrby hmget ` +
        'hmset hset incr lindex llen lpush lrange lrem ltrim persist pexpire pttl rpop rpoplpush sadd scard set smembers ' +
        'srem xadd xtrim zadd zcard zcount zpopmin zrange zrangebyscore zrem zremrangebyrank zremrangebyscore zrevrange ' +
        'zrevrangebyscore zscore',
    ),
    keys: ['{kerp-bullmq}:*'],
    channels: [],
  },
  rateLimits: {
    commands: words(`${SCRIPT} get set incrby pttl expire pexpire del multi exec`),
    keys: ['rate:{C}:*'],
    channels: [],
  },
}

function words(text: string): readonly string[] {
  return text.split(' ')
}
