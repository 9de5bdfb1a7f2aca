import { InvalidOptionError } from '@kerp/core'
import { seededRandom } from '@kerp/core/testing'
import { DEFAULT_TTL_MS, ttlPolicy } from '@kerp/keys'
import { describe, expect, it } from 'vitest'

describe('the TTL table', () => {
  it('is the documented one', () => {
    expect(DEFAULT_TTL_MS).toStrictEqual({
      balance: 300_000,
      inventory: 300_000,
      session: 1_800_000,
      refresh_token: 604_800_000,
      dashboard: 30_000,
      report: 300_000,
      statistics: 600_000,
      master_data: 3_600_000,
      code_table: 86_400_000,
      company_info: 3_600_000,
      lock: 30_000,
      other: 300_000,
    })
    const policy = ttlPolicy()
    for (const [family, ttlMs] of Object.entries(DEFAULT_TTL_MS)) expect(policy.ttlMs(family)).toBe(ttlMs)
  })

  it('gives every other family five minutes, whatever it is called', () => {
    const policy = ttlPolicy()
    for (const family of ['quotes', '', 'constructor', '__proto__', 'toString']) {
      expect(policy.ttlMs(family)).toBe(300_000)
    }
  })

  it('takes the changes of a host, for its own families too', () => {
    const policy = ttlPolicy({ report: 60_000, quotes: 5_000, other: 1_000 })
    expect(policy.ttlMs('report')).toBe(60_000)
    expect(policy.ttlMs('quotes')).toBe(5_000)
    expect(policy.ttlMs('unheard')).toBe(1_000)
    expect(policy.ttlMs('balance')).toBe(300_000)
    expect(ttlPolicy().ttlMs('report')).toBe(300_000)
  })

  it.each([0, -1, 1.5, Number.NaN, 31_536_000_001, '60000', null])('refuses the TTL %s', (ttlMs) => {
    expect(() => ttlPolicy({ report: ttlMs as never })).toThrow(InvalidOptionError)
  })
})

describe('jitter', () => {
  it('spreads TTLs evenly over ±10 % and never beyond', () => {
    const policy = ttlPolicy()
    const random = seededRandom(7)
    const drawn = Array.from({ length: 10_000 }, () => policy.jitteredTtlMs('balance', random))
    expect(Math.min(...drawn)).toBeGreaterThanOrEqual(270_000)
    expect(Math.max(...drawn)).toBeLessThanOrEqual(330_000)
    for (let tenth = 0; tenth < 10; tenth += 1) {
      const from = 270_000 + tenth * 6_000
      const inside = drawn.filter((ttlMs) => ttlMs >= from && ttlMs < from + 6_000).length
      expect(inside).toBeGreaterThan(850)
      expect(inside).toBeLessThan(1_150)
    }
  })

  it('gives whole milliseconds at both ends, and at least one', () => {
    const policy = ttlPolicy({ report: 60_000, tiny: 1 })
    const at = (fraction: number) => ({ fraction: () => fraction, hex: () => '' })
    expect(policy.jitteredTtlMs('report', at(0))).toBe(54_000)
    expect(policy.jitteredTtlMs('report', at(0.5))).toBe(60_000)
    expect(policy.jitteredTtlMs('report', at(0.999_999_9))).toBe(66_000)
    expect(policy.jitteredTtlMs('tiny', at(0))).toBe(1)
  })
})
