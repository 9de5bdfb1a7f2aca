/** What a server says of itself: role, version, eviction, persistence. */

import { redisCommand } from './command.js'
import { RedisNotDoneError, RedisRefusedError, RedisUnsuitableError } from './errors.js'
import type { RedisCallOptions, RedisClient } from './outcome.js'
import { isOfCredentials } from './refused-connections.js'
import { REPLY_CODES } from './reply-codes.js'

/** What could be learnt; what the server did not show is undefined. */
export interface RedisHealth {
  /** Whether an answer came before the deadline. */
  readonly reachable: boolean
  /** Why facts are missing: the server could not be reached, or does not let this user read INFO. */
  readonly unreadable: string | undefined
  /** `NOAUTH`, `WRONGPASS` or `NOPERM` when the server refuses the user, its password or INFO. */
  readonly refusal?: string | undefined
  readonly role: 'master' | 'replica' | undefined
  /** For example `7.0.15`; of a Valkey that of the Redis whose commands it has. */
  readonly version: string | undefined
  readonly isValkey: boolean
  /** For example `noeviction`; several, joined by commas, when the nodes of a cluster differ. */
  readonly maxmemoryPolicy: string | undefined
  readonly usedMemoryBytes: number | undefined
  /** 0 means no limit. */
  readonly maxmemoryBytes: number | undefined
  readonly persistence: RedisPersistence | undefined
  /** How many servers were asked: the masters of a cluster, or the one server. */
  readonly nodes: number
}

/** How data outlives the process. */
export interface RedisPersistence {
  readonly appendOnly: boolean
  /** Whether the last write of the append-only file and the last snapshot succeeded. */
  readonly lastWriteOk: boolean
  readonly loading: boolean
}

/**
 * Asks the server, or every master of a cluster, for INFO. Never throws: what fails is said in `unreadable`.
 *
 * Of a cluster, the first node's role and version, the sum of its memory, and the worst of its persistence.
 */
export async function redisHealth(
  redis: RedisClient,
  options: Omit<RedisCallOptions, 'effect'> = {},
): Promise<RedisHealth> {
  const servers = mastersOf(redis)
  try {
    const infos = await Promise.all(servers.map((server) => readInfo(server, options)))
    return healthOf(infos)
  } catch (error) {
    const answered = error instanceof RedisRefusedError
    const reason = error instanceof Error ? error.message : 'the call failed'
    const code = answered || error instanceof RedisNotDoneError ? error.replyCode : undefined
    const refusal = isOfCredentials(code) ? code : undefined
    return { ...UNREAD, reachable: answered, unreadable: reason, refusal, nodes: servers.length }
  }
}

/**
 * Makes sure that what this Redis holds is only removed by those who own it: locks, queues and watermarks do
 * not survive eviction. Call it at the start of a service.
 *
 * @throws {RedisUnsuitableError} `REDIS_UNSUITABLE` for another policy than `noeviction`, for a replica, and when
 * the policy cannot be read.
 * @throws {RedisRefusedError} `REDIS_REFUSED` for a password or user that the server does not accept.
 * @throws {RedisNotDoneError} `REDIS_NOT_DONE`, retryable, when the server could not be reached.
 */
export async function assertCoordinationRedis(
  redis: RedisClient,
  options: Omit<RedisCallOptions, 'effect'> = {},
): Promise<RedisHealth> {
  const health = await redisHealth(redis, options)
  const { reachable, role, maxmemoryPolicy: policy, unreadable, refusal } = health
  if (refusal === 'NOAUTH' || refusal === 'WRONGPASS') {
    const reason = REPLY_CODES.get(refusal)?.reason ?? 'the server refuses the user'
    throw new RedisRefusedError({ operation: 'info', replyCode: refusal, reason })
  }
  if (!reachable) throw new RedisNotDoneError({ operation: 'info', reason: 'its health could not be read' })
  if (policy === undefined) {
    throw new RedisUnsuitableError(
      `its maxmemory-policy cannot be read${unreadable === undefined ? '' : ' (INFO was refused)'}`,
      'Let this user run INFO (`ACL SETUSER … +info`).',
    )
  }
  if (policy !== 'noeviction') {
    throw new RedisUnsuitableError(
      `its maxmemory-policy is ${policy}, under which locks and positions can vanish`,
      'Set `maxmemory-policy noeviction` (in redis.conf, or `CONFIG SET maxmemory-policy noeviction`) and keep ' +
        'evicting caches in another Redis.',
    )
  }
  if (role === 'replica') {
    throw new RedisUnsuitableError('it is a replica', 'Connect to the master, or by Sentinel.')
  }
  return health
}

type Info = ReadonlyMap<string, string>

const UNREAD: RedisHealth = {
  reachable: false,
  unreadable: undefined,
  refusal: undefined,
  role: undefined,
  version: undefined,
  isValkey: false,
  maxmemoryPolicy: undefined,
  usedMemoryBytes: undefined,
  maxmemoryBytes: undefined,
  persistence: undefined,
  nodes: 0,
}

function mastersOf(redis: RedisClient): readonly RedisClient[] {
  if (!redis.isCluster) return [redis]
  const masters = 'nodes' in redis ? redis.nodes('master') : []
  return masters.length === 0 ? [redis] : masters
}

async function readInfo(redis: RedisClient, options: RedisCallOptions): Promise<Info> {
  const text = await redisCommand(redis, 'info', [], { ...options, effect: 'none' })
  const lines = typeof text === 'string' ? text.split(/\r?\n/) : []
  return new Map(lines.filter((line) => line.includes(':')).map((line) => splitAt(line, line.indexOf(':'))))
}

function splitAt(line: string, index: number): [string, string] {
  return [line.slice(0, index), line.slice(index + 1)]
}

function healthOf(infos: readonly Info[]): RedisHealth {
  const [first] = infos
  const role = first?.get('role')
  const policies = new Set(infos.map((info) => shortWord(info.get('maxmemory_policy'))))
  const policy = policies.has(undefined) ? undefined : [...policies].join(',')
  return {
    reachable: true,
    unreadable: policy === undefined ? 'INFO does not say what was asked for' : undefined,
    role: role === 'master' ? 'master' : role === 'slave' ? 'replica' : undefined,
    version: shortWord(first?.get('redis_version')),
    isValkey: first?.get('server_name') === 'valkey',
    maxmemoryPolicy: policy,
    usedMemoryBytes: sumOf(infos, 'used_memory'),
    maxmemoryBytes: sumOf(infos, 'maxmemory'),
    persistence: persistenceOf(infos),
    nodes: infos.length,
  }
}

function persistenceOf(infos: readonly Info[]): RedisPersistence | undefined {
  if (infos.some((info) => !info.has('aof_enabled'))) return undefined
  const isOk = (info: Info, field: string): boolean => (info.get(field) ?? 'ok') === 'ok'
  return {
    appendOnly: infos.every((info) => info.get('aof_enabled') === '1'),
    lastWriteOk: infos.every(
      (info) => isOk(info, 'aof_last_write_status') && isOk(info, 'rdb_last_bgsave_status'),
    ),
    loading: infos.some((info) => info.get('loading') === '1'),
  }
}

function sumOf(infos: readonly Info[], field: string): number | undefined {
  const sum = infos.reduce((total, info) => total + Number(info.get(field) ?? Number.NaN), 0)
  return Number.isSafeInteger(sum) ? sum : undefined
}

/** A fact that goes into messages: one short word, or nothing. */
function shortWord(text: string | undefined): string | undefined {
  return text !== undefined && /^[\w.-]{1,40}$/.test(text) ? text : undefined
}
