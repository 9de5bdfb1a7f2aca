/** A backlog that takes longer to read than the deadline must not be given up for ever. */

import { manualClock } from '@kerp/core/testing'
import { Outbox, type StatementResult } from '@kerp/postgres'
import { expect, test } from 'vitest'

test('each late read gives the next one twice the time, up to a minute, and a timely one the usual time again', async () => {
  const clock = manualClock()
  let answer: (() => void) | undefined
  const outbox = new Outbox({
    clock,
    pool: {
      connect: () =>
        Promise.resolve({
          query: () =>
            new Promise<StatementResult>((resolve) => {
              answer = () => resolve({ command: 'SELECT', rows: [] })
            }),
          release: () => undefined,
          on: () => undefined,
          removeListener: () => undefined,
        }),
    },
  })

  async function lateAfterMs(): Promise<number> {
    const reading = outbox.companies()
    const ended = reading.then(
      () => 'in time',
      () => 'late',
    )
    let ms = 0
    for (;;) {
      await clock.advance(1_000)
      ms += 1_000
      if ((await Promise.race([ended, Promise.resolve('waiting')])) === 'late') return ms
    }
  }

  const seconds: number[] = []
  for (let n = 0; n < 6; n += 1) seconds.push((await lateAfterMs()) / 1_000)
  expect(seconds).toEqual([5, 10, 20, 40, 60, 60])
  const timely = outbox.companies()
  await clock.advance(1)
  answer?.()
  await timely
  expect(await lateAfterMs()).toBe(5_000)
})
