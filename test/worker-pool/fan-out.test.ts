import { manualClock } from '@kerp/core/testing'
import { fanOut } from '@kerp/worker-pool'
import { describe, expect, expectTypeOf, it, vi } from 'vitest'

function open() {
  const clock = manualClock()
  const after = <T>(ms: number, value: T) =>
    new Promise<T>((resolve) => void clock.setTimer(ms, () => resolve(value)))
  return { clock, after }
}

describe('a fan-out', () => {
  it('answers with what each section gave, in the order of the input and with its type', async () => {
    const { clock, after } = open()
    const asked = fanOut(
      { assets: () => after(30, 100n), lines: () => after(10, ['a']), ratio: () => 0.5 },
      { deadlineMs: 100, need: 'all', clock },
    )
    await clock.advance(30)
    const report = await asked
    expectTypeOf(report.values.assets).toEqualTypeOf<bigint>()
    expectTypeOf(report.values.lines).toEqualTypeOf<string[]>()
    expect(report.values).toStrictEqual({ assets: 100n, lines: ['a'], ratio: 0.5 })
    expect(report.sections.map(({ name, ok, elapsedMs }) => [name, ok, elapsedMs])).toStrictEqual([
      ['assets', true, 30],
      ['lines', true, 10],
      ['ratio', true, 0],
    ])
    expect([report.missing, report.errors, report.elapsedMs]).toStrictEqual([[], {}, 30])
    expect(clock.timersPending).toBe(0)
  })

  it('keeps a failing section apart from the others', async () => {
    const { clock, after } = open()
    const asked = fanOut(
      {
        good: () => after(5, 1),
        bad: () => Promise.reject(new Error('no data')),
        worse: () => {
          throw 'text' as unknown as Error
        },
      },
      { deadlineMs: 100, clock },
    )
    await clock.advance(5)
    const { values, errors, missing } = await asked
    expectTypeOf(values.good).toEqualTypeOf<number | undefined>()
    expect([values, missing]).toStrictEqual([{ good: 1 }, ['bad', 'worse']])
    expect(errors.bad?.message).toBe('no data')
    expect(errors.worse).toMatchObject({ code: 'JOB_FAILED' })
  })

  it('answers by its deadline without the sections that are late, and tells them', async () => {
    const { clock, after } = open()
    const aborted = vi.fn()
    const sections = {
      quick: () => after(5, 'q'),
      hung: ({ signal }: { signal: AbortSignal }) => {
        signal.addEventListener('abort', aborted)
        return new Promise<never>(() => undefined)
      },
      behind: () => 'never begun',
    }
    const asked = fanOut(sections, { deadlineMs: 50, concurrency: 1, need: ['quick'], clock })
    await clock.advance(50)
    const { values, errors, elapsedMs } = await asked
    expect([values, elapsedMs]).toStrictEqual([{ quick: 'q' }, 50])
    expect(errors).toMatchObject({ hung: { outcome: 'unknown' }, behind: { outcome: 'notDone' } })
    expect(aborted).toHaveBeenCalledOnce()
  })

  it('fails at once, with what is known, when a section fails that is needed', async () => {
    const { clock, after } = open()
    const sections = {
      a: () => after(5, 1),
      b: () => after(10, 0).then(() => Promise.reject(new Error('b is lost'))),
      c: () => after(90, 3),
    }
    const asked = fanOut(sections, { deadlineMs: 100, need: ['a', 'b'], clock })
    asked.catch(() => undefined)
    await clock.advance(10)
    await expect(asked).rejects.toMatchObject({
      code: 'FAN_OUT_INCOMPLETE',
      missing: ['b'],
      values: { a: 1 },
      errors: { c: { code: 'JOB_CANCELLED' } },
      cause: { message: 'b is lost' },
    })
    const all = fanOut(sections, { deadlineMs: 100, need: 'all', clock })
    all.catch(() => undefined)
    await clock.advance(10)
    await expect(all).rejects.toMatchObject({ missing: ['b', 'c'], cause: { message: 'b is lost' } })
  })

  it('says of each section that was stopped whether it had begun', async () => {
    const { clock, after } = open()
    const sections = {
      bad: () => after(5, 0).then(() => Promise.reject(new Error('lost'))),
      running: () => after(90, 1),
      behind: () => 'never begun',
    }
    const asked = fanOut(sections, { deadlineMs: 100, concurrency: 2, need: ['bad'], clock })
    asked.catch(() => undefined)
    await clock.advance(5)
    await expect(asked).rejects.toMatchObject({
      errors: {
        running: { jobId: 'running', begun: true, retryable: false },
        behind: { jobId: 'behind', begun: false, retryable: true },
      },
    })
  })

  it('that needs any section fails only when none succeeded', async () => {
    const { clock } = open()
    const bad = () => Promise.reject(new Error('no'))
    expect(
      (await fanOut({ bad, good: () => 1 }, { deadlineMs: 10, need: 'any', clock })).missing,
    ).toStrictEqual(['bad'])
    await expect(fanOut({ bad, bad2: bad }, { deadlineMs: 10, need: 'any', clock })).rejects.toMatchObject({
      code: 'FAN_OUT_INCOMPLETE',
      missing: ['bad', 'bad2'],
    })
  })

  it('runs at most so many sections at once, ends with its signal, and takes none at all', async () => {
    const { clock, after } = open()
    let running = 0
    let most = 0
    const work = async () => {
      most = Math.max(most, (running += 1))
      await after(5, 0)
      running -= 1
    }
    const sections = Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`s${index}`, work]))
    const asked = fanOut(sections, { deadlineMs: 1_000, concurrency: 3, clock })
    await clock.advance(100)
    expect([(await asked).missing, most]).toStrictEqual([[], 3])
    const signal = AbortSignal.abort('left')
    const none = await fanOut({ a: () => 1 }, { deadlineMs: 10, signal, clock })
    expect(none.errors.a).toMatchObject({ code: 'JOB_CANCELLED', cause: 'left' })
    expect((await fanOut({}, { deadlineMs: 10, clock })).sections).toStrictEqual([])
  })

  it.each([
    [{ deadlineMs: 0 }, 'deadlineMs'],
    [{ deadlineMs: Number.NaN }, 'deadlineMs'],
    [{}, 'deadlineMs'],
    [{ deadlineMs: 5, concurrency: 0 }, 'concurrency'],
    [{ deadlineMs: 5, need: ['b'] }, 'need'],
    [{ deadlineMs: 5, need: 'some' }, 'need'],
  ])('refuses %o by name', async (options, field) => {
    await expect(fanOut({ a: () => 1 }, options as never)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field,
    })
    await expect(fanOut({ a: 1 as never }, { deadlineMs: 5 })).rejects.toMatchObject({ field: 'sections.a' })
  })
})
