/**
 * Questions to the double and to a server, by the words in which README.md of `@kerp/redis` lists them: where their
 * answers differ, what each of them is, and where they are the same.
 */

import type { RedisClient } from '@kerp/redis'

/** A command and its arguments. */
export type Asked = readonly string[]

/** A question that takes more than one command after the other. */
export type Asking = (redis: RedisClient) => Promise<unknown>

/** Commands of which the last one is the question, and the two answers to it. An error is its first word. */
export interface Difference {
  readonly ask: readonly Asked[] | Asking
  readonly server: unknown
  readonly double: unknown
}

/** A command without spaces in its arguments. */
function words(text: string): Asked {
  return text.split(' ')
}

function lua(source: string): Asked {
  return ['EVAL', source, '0']
}

const ENTRY = words('XADD s 1-1 f v')
const GROUP = words('XGROUP CREATE s g 0 MKSTREAM')
const TAKEN = [GROUP, ENTRY, words('XREADGROUP GROUP g a STREAMS s >')]

const READ_AND_WAIT = ['XREADGROUP', 'GROUP', 'g', 'a', 'BLOCK', '60000', 'STREAMS', 's', '>'] as const

/** What the double answers otherwise, without saying so. */
export const DIFFERENCES: Readonly<Record<string, Difference>> = {
  'a command on a key of another type': {
    ask: [words('HSET k f v'), words('GET k')],
    server: 'WRONGTYPE',
    double: { f: 'v' },
  },
  '`INCR` of a text that is no number': {
    ask: [words('SET k x'), words('INCR k')],
    server: 'ERR',
    double: Number.NaN,
  },
  '`INCR` above 2^53': {
    ask: [words('SET k 9007199254740993'), words('INCR k'), words('GET k')],
    server: '9007199254740994',
    double: '9007199254740992',
  },
  '`HINCRBY` above 2^53': {
    ask: [words('HSET k f 9007199254740993'), words('HINCRBY k f 1'), words('HGET k f')],
    server: '9007199254740994',
    double: '9007199254740992',
  },
  '`INCR` above 2^63': {
    ask: [words('SET k 9223372036854775807'), words('INCR k')],
    server: 'ERR',
    double: 9_223_372_036_854_776_000,
  },
  '`SET … KEEPTTL`': {
    ask: [words('SET k 1 PX 60000'), words('SET k 2 KEEPTTL'), words('PERSIST k')],
    server: 1,
    double: 0,
  },
  '`SET … PX` of zero or of a text': { ask: [words('SET k 1 PX x')], server: 'ERR', double: 'OK' },
  '`EXPIRE` with `NX`, `XX`, `GT`, `LT`': {
    ask: [words('SET k 1'), words('EXPIRE k 100'), words('EXPIRE k 200 NX')],
    server: 0,
    double: 1,
  },
  '`ZADD` with `GT CH`, `LT CH`': {
    ask: [words('ZADD z 5 a'), words('ZADD z GT CH 3 a'), words('ZSCORE z a')],
    server: '5',
    double: '3',
  },
  'scores of `ZPOPMIN`': {
    ask: [words('ZADD z 1 a'), words('ZPOPMIN z')],
    server: ['a', '1'],
    double: ['a', 1],
  },
  'an endless score': { ask: [words('ZADD z +inf a'), words('ZSCORE z a')], server: 'inf', double: 'NaN' },
  'a sorted set, or a set by `SPOP`, that became empty': {
    ask: [words('ZADD z 1 a'), words('ZREM z a'), words('EXISTS z')],
    server: 0,
    double: 1,
  },
  '`RENAME` of nothing': { ask: [words('RENAME none k')], server: 'ERR', double: 'OK' },
  'too few arguments': { ask: [words('GET')], server: 'ERR', double: null },
  '`STRLEN`, `GETRANGE`': { ask: [words('SET k 한'), words('STRLEN k')], server: 3, double: 1 },
  "`call('HGETALL')` of the client": {
    ask: [words('HSET k f v'), words('HGETALL k')],
    server: ['f', 'v'],
    double: { f: 'v' },
  },
  '`CONFIG GET`': {
    ask: [words('CONFIG GET maxmemory-policy')],
    server: ['maxmemory-policy', 'noeviction'],
    double: [],
  },
  '`INFO`': {
    ask: async (redis) => (await redis.info()).match(/^(?:redis_version|used_memory):/gm)?.length,
    server: 2,
    double: undefined,
  },
  '`TYPE` of a stream': { ask: [ENTRY, words('TYPE s')], server: 'stream', double: 'list' },
  'consumers of a group': {
    ask: [...TAKEN, words('XREADGROUP GROUP g b STREAMS s 0')],
    server: [['s', []]],
    double: [['s', [['1-1', ['f', 'v']]]]],
  },
  '`XREADGROUP … BLOCK`': {
    ask: async (redis) => {
      await redis.xgroup('CREATE', 's', 'g', '0', 'MKSTREAM')
      const reader = redis.duplicate()
      const read = reader.call(...READ_AND_WAIT)
      await redis.xadd('s', '1-1', 'f', 'v')
      const answer = await read
      reader.disconnect()
      return answer
    },
    server: [['s', [['1-1', ['f', 'v']]]]],
    double: null,
  },
  'keyspace notifications': {
    ask: async (redis) => {
      await redis.config('SET', 'notify-keyspace-events', 'KEA').catch(() => 'the double has no settings')
      const [listener, heard]: [RedisClient, string[]] = [redis.duplicate(), []]
      const ended = new Promise((resolve) =>
        listener.on('message', (channel: string) => {
          heard.push(channel)
          if (channel === 'end') resolve(undefined)
        }),
      )
      await listener.subscribe('__keyevent@0__:set', 'end')
      await redis.set('k', 'v')
      await redis.publish('end', '')
      await ended
      listener.disconnect()
      return heard
    },
    server: ['__keyevent@0__:set', 'end'],
    double: ['end'],
  },
  'a limit of memory': {
    ask: [words('CONFIG SET maxmemory 1'), words('SET k v')],
    server: 'OOM',
    double: 'OK',
  },
  'numbers of more than 14 digits as text, in a script': {
    ask: [lua('return tostring(123456789012345)')],
    server: '1.2345678901234e+14',
    double: '123456789012350',
  },
  '`redis.pcall` of what fails on a server but not on the double, in a script': {
    ask: [words('SET k x'), lua(`return type(redis.pcall('INCR', 'k'))`)],
    server: 'table',
    double: 'number',
  },
  'Lua of version 5.3 (`//`, `&`, `goto`)': { ask: [lua('return 7 // 2')], server: 'ERR', double: 3 },
  '`math.random` with a seed': {
    ask: [lua('math.randomseed(7) return tostring(math.random())')],
    server: '0.26644419658298',
    double: '0.29926478862762',
  },
}

/** What the double refuses although a server takes it: no test passes by it. */
export const REFUSED: Readonly<Record<string, readonly (Asked | Asking)[]>> = {
  'a script in a pipeline': [(redis) => redis.pipeline().eval('return 1', 0).exec()],
  '`cjson`, `cmsgpack`, `bit`, `struct`': [lua('return cjson.encode({1})'), lua('return bit.band(6, 3)')],
  '`redis.sha1hex`, `redis.log`, `redis.setresp`, `redis.replicate_commands`': [
    lua(`return redis.sha1hex('')`),
    lua(`redis.log(redis.LOG_NOTICE, 'x')`),
    lua('redis.setresp(3)'),
  ],
  '`table.getn`, `table.maxn`, `loadstring`, `math.pow`, `math.log10`': [
    lua('return table.getn({1})'),
    lua('return table.maxn({1})'),
    lua(`return loadstring('return 7')()`),
    lua('return math.pow(2, 3)'),
    lua('return math.log10(100)'),
  ],
  '`XREAD`, `XCLAIM`, `XSETID`, `XINFO STREAM`': [
    words('XREAD STREAMS s 0'),
    words('XSETID s 9-9'),
    words('XINFO STREAM s'),
  ],
  '`XADD` with `NOMKSTREAM`, `MINID`': [words('XADD t NOMKSTREAM * f v'), words('XADD s MINID 1 * f v')],
  '`XGROUP` other than `CREATE`, `DESTROY`': [words('XGROUP SETID s g 0'), words('XGROUP DELCONSUMER s g a')],
  '`XPENDING` without a range': [words('XPENDING s g')],
  'blocking commands': [words('BLPOP l 1'), words('BZPOPMIN z 1'), words('BLMOVE l m LEFT LEFT 1')],
  'sharded channels': [words('SPUBLISH c m')],
  '`EVAL_RO`, `FUNCTION`, `FCALL`': [['EVAL_RO', 'return 1', '0'], words('FUNCTION LIST')],
  '`WAIT`, `CLIENT`, `ACL`, `MEMORY`, `LATENCY`': [
    words('WAIT 0 1'),
    words('CLIENT GETNAME'),
    words('ACL WHOAMI'),
    words('MEMORY USAGE k'),
  ],
}

/** Asked of both after `REFUSED`'s own preparation. */
export const PREPARED: readonly Asked[] = [GROUP, ENTRY, words('RPUSH l a'), words('ZADD z 1 a')]

/** What is the same: every one of these answers, in this order. */
export const SAME: Readonly<Record<string, readonly Asked[]>> = {
  text: [
    ...['SET k 1', 'GET k', 'SET k 2 GET', 'SET k 3 NX', 'SET k 4 XX', 'GETSET k 5', 'GETDEL k', 'GET k'],
    ...[
      'APPEND a x',
      'SETRANGE a 0 y',
      'MSET b 1 c 2',
      'MSETNX c 3 d 4',
      'MGET a b c d',
      'DEL a b',
      'EXISTS c',
    ],
  ].map(words),
  'counters below 2^53': [
    'INCRBY n 5',
    'DECRBY n 7',
    'GET n',
    'HINCRBY h f 5',
    'HINCRBY h f -7',
    'HGET h f',
  ].map(words),
  'times to live': [
    ...['SET k 1 PX 60000', 'PERSIST k', 'TTL k', 'TTL none', 'EXPIRE k 100', 'SET k 2', 'TTL k'],
    ...['PEXPIRE none 5', 'PEXPIREAT k 1', 'EXISTS k'],
  ].map(words),
  hashes: [
    ...['HSET h a 1 b 2', 'HMGET h a x', 'HEXISTS h a', 'HSETNX h b 9', 'HSTRLEN h a', 'HDEL h a', 'HLEN h'],
    ...['HDEL h b', 'EXISTS h'],
  ].map(words),
  lists: [
    ...[
      'RPUSH l a b c',
      'LPUSH l z',
      'LRANGE l 0 -1',
      'LPOP l',
      'LSET l 0 y',
      'LINDEX l 0',
      'LTRIM l 1 -1',
      'LLEN l',
    ],
    ...['LPOS l c', 'LMOVE l m LEFT RIGHT', 'RPOP l', 'EXISTS l'],
  ].map(words),
  sets: [
    ...['SADD s a b', 'SADD t b c', 'SISMEMBER s a', 'SINTER s t', 'SDIFF s t', 'SREM s a b', 'EXISTS s'],
  ].map(words),
  'sorted sets': [
    ...[
      'ZADD z 1 a 2 b 3 c',
      'ZSCORE z b',
      'ZRANK z b',
      'ZRANGE z 0 -1',
      'ZRANGE z 1 2 BYSCORE',
      'ZCOUNT z -inf +inf',
    ],
    ...[
      'ZRANGEBYSCORE z (1 3',
      'ZREVRANGE z 0 0 WITHSCORES',
      'ZINCRBY z 5 a',
      'ZREMRANGEBYSCORE z 0 2',
      'ZCARD z',
    ],
  ].map(words),
  streams: [
    ...[
      'XADD s 1-1 f v',
      'XADD s 1-1 f v',
      'XADD s MAXLEN 2 2-1 f w',
      'XADD s 3-* f x',
      'XLEN s',
      'XRANGE s - +',
    ],
    ...[
      'XADD s MAXLEN 2 4-1 f y',
      'XRANGE s - + COUNT 1',
      'XREVRANGE s + -',
      'XTRIM s MINID 4',
      'XDEL s 4-1',
      'XLEN s',
    ],
    ...[
      'XADD s 5 f a',
      'XADD s 6-1 f b',
      'XADD s MAXLEN = 2 7-1 f c',
      'XRANGE s - +',
      'XRANGE s (6-1 (7-1',
      'XRANGE s - (7-1',
    ],
    ...['XTRIM s MAXLEN = 1', 'XTRIM s MAXLEN 5', 'XTRIM s MAXLEN 0', 'XLEN s'],
  ].map(words),
  'groups with one consumer': [
    ...[
      'XGROUP CREATE s g 0',
      'XGROUP CREATE s g 0 MKSTREAM',
      'XGROUP CREATE s g 0 MKSTREAM',
      'XADD s 1-1 f v',
    ],
    ...[
      'XREADGROUP GROUP g a COUNT 1 STREAMS s >',
      'XREADGROUP GROUP g a STREAMS s 0',
      'XAUTOCLAIM s g a 60000 0',
    ],
    ...[
      'XAUTOCLAIM s g a 0 0',
      'XACK s g 1-1',
      'XREADGROUP GROUP g a STREAMS s 0',
      'XREADGROUP GROUP g a STREAMS s >',
    ],
    ...['XREADGROUP GROUP none a STREAMS s >', 'XGROUP DESTROY s g'],
  ].map(words),
  'replies of scripts': [
    ...[
      'return {1.9, -1.9, true, 1}',
      'return {1, {2, {3}}}',
      'return {1, nil, 3}',
      'return false',
      'return 2^53',
    ],
    ...[`return {ok = 'FINE'}`, `return {err = 'MINE went wrong'}`, `return redis.error_reply('MINE wrong')`],
    ...[`return redis.call('SET', 'k', 'v').ok`, `return redis.call('GET', 'none') == false`],
  ].map(lua),
  'errors of scripts': [
    lua('return y'),
    lua('x = 1'),
    lua('return redis.call()'),
    lua(`return redis.pcall('NOSUCH').err and 1`),
    words('EVALSHA 0123456789012345678901234567890123456789 0'),
  ],
  'numbers of up to 14 digits as text, in scripts': [
    lua(
      'return {tostring(1/3), tostring(5), 3 .. "", tostring(99999999999999), string.format("%.0f", 2^53)}',
    ),
  ],
  'a command that nobody has': [words('NOSUCH k')],
}
