import { health, type HealthCause } from '@kerp/core'
import { manualClock } from '@kerp/core/testing'
import { redisHealthCauses, type RedisHealth } from '@kerp/redis'
import { relayHealthCauses, trustHealthCauses } from '@kerp/registers'
import { describe, expect, it } from 'vitest'

const degraded: HealthCause = { level: 'degraded', cause: 'the relay is 9 s behind' }

const SOUND: RedisHealth = {
  reachable: true,
  unreadable: undefined,
  role: 'master',
  version: '7.0.15',
  isValkey: false,
  maxmemoryPolicy: 'noeviction',
  usedMemoryBytes: 1,
  maxmemoryBytes: 0,
  persistence: { appendOnly: true, lastWriteOk: true, loading: false },
  nodes: 1,
}

describe('The health of a process', () => {
  it('is ready without causes, degraded with some, and unready when one part says so', async () => {
    expect(await health({ a: () => [], b: () => Promise.resolve([]) })).toEqual({
      ready: true,
      degraded: false,
      causes: [],
    })
    expect(await health({ relay: () => [degraded] })).toEqual({
      ready: true,
      degraded: true,
      causes: [{ part: 'relay', ...degraded }],
    })
    const report = await health({ a: () => [degraded], b: () => [{ level: 'unready', cause: 'no' }] })
    expect([report.ready, report.causes.length]).toEqual([false, 2])
  })

  it('answers by its deadline, and quotes no error, when a part hangs or throws', async () => {
    const clock = manualClock()
    const asked = health(
      {
        hanging: () => new Promise(() => undefined),
        throwing: () => {
          throw new RangeError('redis://:secret@host')
        },
      },
      { deadlineMs: 100, clock },
    )
    await clock.advance(100)
    expect(await asked).toEqual({
      ready: false,
      degraded: true,
      causes: [
        { part: 'hanging', level: 'unready', cause: 'hanging cannot be asked' },
        { part: 'throwing', level: 'unready', cause: 'throwing cannot be asked' },
      ],
    })
  })

  it.each([
    ['nothing', {}, 'coordination', []],
    ['that it cannot be reached', { reachable: false }, 'cache', [/cannot be reached/]],
    ['that it is a replica', { role: 'replica' as const }, 'coordination', [/is a replica/]],
    ['that locks may be evicted', { maxmemoryPolicy: 'allkeys-lru' }, 'coordination', [/is allkeys-lru/]],
    ['nothing of a cache that evicts', { maxmemoryPolicy: 'allkeys-lru' }, 'cache', []],
    ['that it has known holes', { version: '7.2.4' }, 'cache', [/7\.2\.4 has known holes/]],
    ['that it is too old', { version: '5.0.14' }, 'cache', [/5\.0\.14 has known holes/]],
    ['nothing of a Valkey', { version: '7.2.4', isValkey: true }, 'cache', []],
    ['nothing of a version that nobody knows', { version: '9.9.9' }, 'cache', []],
    [
      'that it loads, and could not write',
      { persistence: { appendOnly: true, lastWriteOk: false, loading: true } },
      'coordination',
      [/loading/, /to its disk failed/],
    ],
  ] as const)('says of a Redis %s', (_what, differs, use, expected) => {
    const causes = redisHealthCauses({ ...SOUND, ...differs }, use)
    expect(causes).toHaveLength(expected.length)
    expected.forEach((pattern, index) => expect(causes[index]?.cause).toMatch(pattern))
  })

  it('says how far the relay is behind, and since when nobody vouches for the caches', () => {
    expect(relayHealthCauses({ lagMs: 5_000 })).toEqual([])
    expect(relayHealthCauses({ lagMs: 9_000 })[0]?.cause).toBe('the relay is 9 s behind')
    expect(trustHealthCauses({ freshness: () => undefined })).toEqual([])
    expect(trustHealthCauses({ freshness: () => ({ untrustedMs: 7_000 }) })[0]?.cause).toMatch(/for 7 s/)
  })
})
