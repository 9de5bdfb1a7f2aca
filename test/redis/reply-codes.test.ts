/** Every error reply of a server becomes one of three errors, over a real connection. */

import { readFileSync } from 'node:fs'
import {
  connectRedis,
  defineScript,
  REPLY_CODES,
  type RedisClient,
  RedisNotDoneError,
  RedisRefusedError,
  RedisUnknownError,
  redisCommand,
} from '@kerp/redis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tableRowsOf } from '../tidy/markdown.js'
import { openReplyServer, type ReplyServer } from '../support/reply-server.js'

/** Texts as Redis 6, 7 and ioredis's users meet them, with how each must end. */
const REPLIES: readonly (readonly [string, string | undefined, 'notDone' | 'refused' | 'unknown'])[] = [
  ["READONLY You can't write against a read only replica.", 'READONLY', 'notDone'],
  ['LOADING Redis is loading the dataset in memory', 'LOADING', 'notDone'],
  [
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    'MASTERDOWN',
    'notDone',
  ],
  ['MISCONF Redis is configured to save RDB snapshots, but ...', 'MISCONF', 'notDone'],
  ['NOREPLICAS Not enough good replicas to write.', 'NOREPLICAS', 'notDone'],
  ['BUSY Redis is busy running a script. You can only call SCRIPT KILL', 'BUSY', 'notDone'],
  ['NOSCRIPT No matching script. Please use EVAL.', 'NOSCRIPT', 'notDone'],
  ['CLUSTERDOWN Hash slot not served', 'CLUSTERDOWN', 'notDone'],
  ['TRYAGAIN Multiple keys request during rehashing of slot', 'TRYAGAIN', 'notDone'],
  ['MOVED 3999 127.0.0.1:6381', 'MOVED', 'notDone'],
  ['ASK 3999 127.0.0.1:6381', 'ASK', 'notDone'],
  ['UNBLOCKED force unblock from blocking operation', 'UNBLOCKED', 'notDone'],
  ['EXECABORT Transaction discarded because of previous errors.', 'EXECABORT', 'notDone'],
  ['ERR max number of clients reached', 'ERR', 'notDone'],
  ['ERR Error running script: Script killed by user with SCRIPT KILL...', 'ERR', 'notDone'],
  ["OOM command not allowed when used memory > 'maxmemory'.", 'OOM', 'refused'],
  ['WRONGTYPE Operation against a key holding the wrong kind of value', 'WRONGTYPE', 'refused'],
  ["CROSSSLOT Keys in request don't hash to the same slot", 'CROSSSLOT', 'refused'],
  ['NOAUTH Authentication required.', 'NOAUTH', 'refused'],
  ['WRONGPASS invalid username-password pair or user is disabled.', 'WRONGPASS', 'refused'],
  ["NOPERM this user has no permissions to run the 'get' command", 'NOPERM', 'refused'],
  ['DENIED Redis is running in protected mode', 'DENIED', 'refused'],
  ['NOPROTO unsupported protocol version', 'NOPROTO', 'refused'],
  ["NOGROUP No such key 's' or consumer group 'g'", 'NOGROUP', 'refused'],
  ['BUSYGROUP Consumer Group name already exists', 'BUSYGROUP', 'refused'],
  ['BUSYKEY Target key name already exists.', 'BUSYKEY', 'refused'],
  ['NOTBUSY No scripts in execution right now.', 'NOTBUSY', 'refused'],
  ['UNKILLABLE Sorry the script already executed write commands', 'UNKILLABLE', 'refused'],
  ['INPROG Failover already in progress', 'INPROG', 'refused'],
  ['NOGOODSLAVE No suitable replica to promote', 'NOGOODSLAVE', 'refused'],
  ['ERR value is not an integer or out of range', 'ERR', 'refused'],
  ['IOERR error or timeout reading to target instance', 'IOERR', 'unknown'],
  // Redis 6 wraps what happened inside a script; Redis 7 appends where.
  [
    'ERR Error running script (call to f_ab): @user_script:7: WRONGTYPE Operation against a key',
    'WRONGTYPE',
    'refused',
  ],
  [
    "ERR Error running script (call to f_ab): @user_script:7: @user_script: 7: -READONLY You can't write",
    'READONLY',
    'notDone',
  ],
  ['WRONGTYPE Operation against a key script: ab, on @user_script:7.', 'WRONGTYPE', 'refused'],
  // What no table knows may be a caller's own text.
  ['HUNTER2-SECRET is not a code', undefined, 'refused'],
  ['HUNTER2', undefined, 'refused'],
]

const CLASSES = { notDone: RedisNotDoneError, refused: RedisRefusedError, unknown: RedisUnknownError }

describe('an error reply', () => {
  let server: ReplyServer
  let redis: RedisClient

  beforeAll(async () => {
    server = await openReplyServer()
    redis = await connectRedis(
      { path: server.socketPath, ioredis: { reconnectOnError: () => false } },
      5_000,
      {},
    )
  })
  afterAll(async () => {
    redis.disconnect()
    await server[Symbol.asyncDispose]()
  })

  it.each(REPLIES)('%s', async (text, code, verdict) => {
    server.answer = () => ({ bytes: `-${text}\r\n` })
    const error: unknown = await redisCommand(redis, 'set', ['k', 'v']).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(CLASSES[verdict])
    expect(error).toMatchObject({ operation: 'set', replyCode: code, retryable: verdict !== 'refused' })
    expect(String(error)).not.toContain('HUNTER2')
  })

  it('is tested for every code of the table', () => {
    const tested = new Set(REPLIES.map(([, code]) => code))
    expect([...REPLY_CODES.keys()].filter((code) => !tested.has(code))).toStrictEqual([])
  })

  it('is in the document for every code of the table, with what it means for the call', () => {
    const words = { notDone: 'not applied', refused: 'fatal', unknown: 'unknown' } as const
    const document = new Map([['docs/errors.md', readFileSync('docs/errors.md', 'utf8')]])
    const rows = tableRowsOf(document, 'docs/errors.md').filter(({ cells }) =>
      Object.values<string>(words).includes(cells[1] ?? ''),
    )
    const documented = rows.map(({ cells: [code, effect] }) => [code, effect])
    const known = [...REPLY_CODES].map(([code, { verdict }]) => [code, words[verdict]])
    expect(documented).toStrictEqual(known)
  })

  it('NOSCRIPT is answered by sending the script whole, once', async () => {
    server.answer = ([name]) => ({
      bytes: name === 'evalsha' ? '-NOSCRIPT No matching script.\r\n' : ':1\r\n',
    })
    const script = defineScript({ name: 'one', keys: [], args: [], lua: 'return 1', parse: Number })
    const before = server.commands.length
    expect(await script.run(redis, {}, {})).toBe(1)
    expect(server.commands.slice(before).map(([name]) => name)).toStrictEqual(['evalsha', 'eval'])
  })

  it('READONLY makes a client of createRedis look for the new master', async () => {
    const fresh = await connectRedis({ path: server.socketPath }, 5_000, {})
    server.answer = () => ({ bytes: "-READONLY You can't write against a read only replica.\r\n" })
    const closed = new Promise((resolve) => fresh.once('close', resolve))
    await expect(redisCommand(fresh, 'set', ['k', 'v'])).rejects.toThrow(RedisNotDoneError)
    await closed
    fresh.disconnect()
  })
})
