import { manualClock } from '@kerp/core/testing'
import { createPool, type MapOptions } from '@kerp/worker-pool'
import { describe, expect, it } from 'vitest'

function open() {
  return { pool: createPool({ name: 'test', concurrency: 1, clock: manualClock() }) }
}

describe('bad input', () => {
  it.each([
    ['name', ''],
    ['name', undefined],
    ['name', 'has space'],
    ['concurrency', 0],
    ['concurrency', Number.NaN],
    ['concurrency', -1],
    ['concurrency', 1.5],
    ['concurrency', '4'],
    ['concurrency', Number.POSITIVE_INFINITY],
    ['queueMax', -1],
    ['queueMax', Number.NaN],
    ['waitersMax', 0],
    ['timeoutMs', -5],
    ['timeoutMs', 0],
    ['timeoutMs', Number.NaN],
    ['graceMs', -1],
    ['passesMax', 0],
    ['onFull', 'explode'],
  ])('of a pool is refused by name: %s %o', (option, value) => {
    expect(() => createPool({ name: 'bad', [option]: value })).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', option }) as Error,
    )
  })

  it.each([
    ['id', ''],
    ['id', 7],
    ['id', 'x'.repeat(257)],
    ['key', ''],
    ['companyId', null],
    ['priority', 'urgent'],
    ['timeoutMs', -1],
    ['timeoutMs', Number.NaN],
    ['timeoutMs', 0],
    ['waitMs', -1],
    ['waitMs', '5'],
    ['retry', 3],
    ['retry', { attemptsMax: 0 }],
    ['retry', { attemptsMax: 2, backoffMs: -1 }],
    ['signal', {}],
  ])('of a job is refused by name, and nothing is accepted: %s %o', async (field, value) => {
    const { pool } = open()
    const wrong = { [field]: value } as never
    await expect(pool.submit(() => 1, wrong)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(pool.run(() => 1, wrong)).rejects.toThrow(new RegExp(field))
    expect(pool.stats().accepted).toBe(0)
  })

  it('that is no function, no options, no size is refused', async () => {
    const { pool } = open()
    await expect(pool.run('x' as never)).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'fn' })
    await expect(pool.submit(undefined as never)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'fn',
    })
    await expect(pool.run(() => 1, null as never)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    for (const size of [0, -1, Number.NaN, 1.5]) {
      expect(() => pool.resize(size)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }) as Error)
    }
    expect(() => createPool(undefined as never)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }) as Error,
    )
    expect(await pool.run(() => 1)).toBe(1)
  })

  it.each([
    [{ windowMax: 0 }, 'windowMax'],
    [{ windowMax: Number.NaN }, 'windowMax'],
    [{ order: 'random' }, 'order'],
    [{ onError: 'ignore' }, 'onError'],
    [{ onError: { errorsMax: -1 } }, 'onError.errorsMax'],
    [{ total: -1 }, 'total'],
    [{ timeoutMs: -1 }, 'timeoutMs'],
  ])('of a map is refused by name: %o', (options, field) => {
    const { pool } = open()
    expect(() => pool.map([1], () => 1, options as MapOptions)).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', field }) as Error,
    )
  })
})
