import { manualClock } from '@kerp/core/testing'
import { RegisterRows } from '@kerp/postgres'
import { expect, test } from 'vitest'

/** As the server says that a number was divided by zero. */
const refusal = Object.assign(new Error('division by zero'), { code: '22012', severity: 'ERROR' })

test('a statement that is refused late ends by its deadline, although the server says nothing to the ROLLBACK', async () => {
  const clock = manualClock()
  const released: unknown[] = []
  const client = {
    on: () => undefined,
    removeListener: () => undefined,
    release: (destroy?: boolean | Error) => void released.push(destroy),
    query: ({ text }: { readonly text: string }): Promise<never> =>
      text === 'ROLLBACK'
        ? new Promise(() => undefined)
        : new Promise((_, refuse) => clock.setTimer(900, () => refuse(refusal))),
  }
  const rows = new RegisterRows({
    pool: { connect: () => Promise.resolve(client) },
    clock,
    deadlineMs: 1_000,
  })
  const settled: unknown[] = []
  const ref = { companyId: 'c1', family: 'balance', parts: ['1101', '2026'] } as const
  void rows.load('c1', [ref]).catch((error: unknown) => settled.push(Reflect.get(error as object, 'code')))
  await clock.advance(999)
  expect(settled).toEqual([])
  await clock.advance(1)
  expect(settled).toEqual(['DATABASE_UNAVAILABLE'])
  expect(released).toEqual([true])
})
