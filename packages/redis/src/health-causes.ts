/** What is wrong with a Redis, in words, with what to do about it. */

import type { HealthCause } from '@kerp/core'
import type { RedisHealth } from './health.js'

/** What the Redis is for: `coordination` keeps locks, streams and queues; `cache` keeps copies of rows. */
export type RedisUse = 'coordination' | 'cache'

/**
 * The oldest release of each line without known holes in scripts (CVE-2025-49844 and its siblings). Of 7.0 there is
 * no such release; distributions mend 7.0.15.
 */
const SOUND: Readonly<Record<string, number>> = {
  '6.2': 20,
  '7.0': 15,
  '7.2': 11,
  '7.4': 6,
  '8.0': 4,
  '8.2': 2,
}

/** What the server answered instead of a connection → cause and fix. */
const REFUSED: ReadonlyMap<string, { readonly cause: string; readonly fix: string }> = new Map([
  [
    'NOAUTH',
    {
      cause: 'Redis wants a password and was given none (NOAUTH): the database answers all reads',
      fix: 'Give `password` to `createRedis` (REDIS_PASSWORD).',
    },
  ],
  [
    'WRONGPASS',
    {
      cause: 'Redis does not accept the user or password (WRONGPASS): the database answers all reads',
      fix: 'Compare `username` and `password` (REDIS_USERNAME, REDIS_PASSWORD) with the users of the server (`ACL LIST`).',
    },
  ],
  [
    'NOPERM',
    {
      cause:
        'the user of Redis may not ask for its health (NOPERM on INFO): nobody sees whether it evicts locks',
      fix: 'Give the user the rules that `aclUser()` writes, or at least `+info`.',
    },
  ],
])

/** Causes of one Redis. All of them degrade: reads are answered by the database without any Redis. */
export function redisHealthCauses(health: RedisHealth, use: RedisUse): readonly HealthCause[] {
  const refused = REFUSED.get(health.refusal ?? '')
  if (refused !== undefined) return [{ level: 'degraded', ...refused }]
  if (!health.reachable) {
    return [{ level: 'degraded', cause: 'Redis cannot be reached: the database answers all reads' }]
  }
  return [
    ...roleCauses(health),
    ...policyCauses(health, use),
    ...persistenceCauses(health),
    ...versionCauses(health),
  ]
}

function roleCauses({ role }: RedisHealth): readonly HealthCause[] {
  if (role !== 'replica') return []
  const fix = 'Connect to the master, or by Sentinel.'
  return [{ level: 'degraded', cause: 'Redis is a replica: it takes no writes', fix }]
}

function policyCauses({ maxmemoryPolicy: policy }: RedisHealth, use: RedisUse): readonly HealthCause[] {
  if (use === 'cache' || policy === undefined || policy === 'noeviction') return []
  return [
    {
      level: 'degraded',
      cause: `the maxmemory-policy of the Redis that keeps locks is ${policy}: they can vanish`,
      fix: 'Set `maxmemory-policy noeviction` and keep evicting caches in another Redis.',
    },
  ]
}

function persistenceCauses({ persistence }: RedisHealth): readonly HealthCause[] {
  if (persistence === undefined) return []
  const causes: HealthCause[] = []
  if (persistence.loading) causes.push({ level: 'degraded', cause: 'Redis is loading its data' })
  if (!persistence.lastWriteOk) {
    const fix = 'Look at the disk of Redis and at its log; it may refuse writes until a snapshot succeeds.'
    causes.push({ level: 'degraded', cause: 'the last write of Redis to its disk failed', fix })
  }
  return causes
}

function versionCauses({ version, isValkey }: RedisHealth): readonly HealthCause[] {
  const [, major = '', minor = '', patch = ''] = /^(\d+)\.(\d+)\.(\d+)$/.exec(version ?? '') ?? []
  if (major === '' || isValkey) return []
  const sound = SOUND[`${major}.${minor}`]
  const isOld = Number(major) < 6 || (major === '6' && Number(minor) < 2)
  if (!isOld && (sound === undefined || Number(patch) >= sound)) return []
  const fix = isOld ? 'Run 7.2 or newer.' : `Run ${major}.${minor}.${sound ?? ''} or newer.`
  return [{ level: 'degraded', cause: `Redis ${version ?? ''} has known holes`, fix }]
}
